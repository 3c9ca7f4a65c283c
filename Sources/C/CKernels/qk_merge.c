#include "qk_merge.h"

#include "qk_lanesNEON.h"
#include "qk_levels.h"

QK_INLINE void add(const float *a, const float *b, size_t count, float *out) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) out[i] = a[i] + b[i];
}

QK_INLINE void subtract(const float *a, const float *b, size_t count, float *out) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) out[i] = a[i] - b[i];
}

QK_FOR_LEVELS(qk_add_at, add, (a, b, count, out), const float *a, const float *b, size_t count, float *out)
QK_FOR_LEVELS(qk_subtract_at, subtract, (a, b, count, out), const float *a, const float *b, size_t count, float *out)

void qk_add(const float *a, const float *b, size_t count, float *out) { qk_add_at(qk_simd_best(), a, b, count, out); }

void qk_subtract(const float *a, const float *b, size_t count, float *out) { qk_subtract_at(qk_simd_best(), a, b, count, out); }

/// Differences and sums of two float32 are taken in double, where only the squares of them are rounded.
QK_INLINE void addOne(qk_merge_sums *sums, size_t lane, double w, double d, double m) {
    const double change = m - w, target = w + d, error = m - target;
    sums->base[lane] += w * w;
    sums->delta[lane] += d * d;
    sums->change[lane] += change * change;
    sums->changeTimesDelta[lane] += change * d;
    sums->error[lane] += error * error;
    sums->target[lane] += target * target;
}

#if defined(__x86_64__)
#define QK_ADD_PRODUCT(add, mul, sum, a, b) sum = add(sum, mul(a, b))

QK_TARGET_AVX2 static void addVectorsAVX2(
    qk_merge_sums *sums, size_t lane, const float *base, const float *delta, const float *merged, size_t count) {
    __m256d bases = _mm256_loadu_pd(sums->base + lane), deltas = _mm256_loadu_pd(sums->delta + lane);
    __m256d changes = _mm256_loadu_pd(sums->change + lane), products = _mm256_loadu_pd(sums->changeTimesDelta + lane);
    __m256d errors = _mm256_loadu_pd(sums->error + lane), targets = _mm256_loadu_pd(sums->target + lane);
    for (size_t i = lane; i < count; i += QK_MERGE_LANES) {
        const __m256d w = _mm256_cvtps_pd(_mm_loadu_ps(base + i)), d = _mm256_cvtps_pd(_mm_loadu_ps(delta + i));
        const __m256d m = _mm256_cvtps_pd(_mm_loadu_ps(merged + i));
        const __m256d change = _mm256_sub_pd(m, w), target = _mm256_add_pd(w, d), error = _mm256_sub_pd(m, target);
        QK_ADD_PRODUCT(_mm256_add_pd, _mm256_mul_pd, bases, w, w);
        QK_ADD_PRODUCT(_mm256_add_pd, _mm256_mul_pd, deltas, d, d);
        QK_ADD_PRODUCT(_mm256_add_pd, _mm256_mul_pd, changes, change, change);
        QK_ADD_PRODUCT(_mm256_add_pd, _mm256_mul_pd, products, change, d);
        QK_ADD_PRODUCT(_mm256_add_pd, _mm256_mul_pd, errors, error, error);
        QK_ADD_PRODUCT(_mm256_add_pd, _mm256_mul_pd, targets, target, target);
    }
    _mm256_storeu_pd(sums->base + lane, bases);
    _mm256_storeu_pd(sums->delta + lane, deltas);
    _mm256_storeu_pd(sums->change + lane, changes);
    _mm256_storeu_pd(sums->changeTimesDelta + lane, products);
    _mm256_storeu_pd(sums->error + lane, errors);
    _mm256_storeu_pd(sums->target + lane, targets);
}

QK_TARGET_AVX512 static void addVectorsAVX512(
    qk_merge_sums *sums, const float *base, const float *delta, const float *merged, size_t count) {
    __m512d bases = _mm512_loadu_pd(sums->base), deltas = _mm512_loadu_pd(sums->delta);
    __m512d changes = _mm512_loadu_pd(sums->change), products = _mm512_loadu_pd(sums->changeTimesDelta);
    __m512d errors = _mm512_loadu_pd(sums->error), targets = _mm512_loadu_pd(sums->target);
    for (size_t i = 0; i < count; i += QK_MERGE_LANES) {
        const __m512d w = _mm512_cvtps_pd(_mm256_loadu_ps(base + i)), d = _mm512_cvtps_pd(_mm256_loadu_ps(delta + i));
        const __m512d m = _mm512_cvtps_pd(_mm256_loadu_ps(merged + i));
        const __m512d change = _mm512_sub_pd(m, w), target = _mm512_add_pd(w, d), error = _mm512_sub_pd(m, target);
        QK_ADD_PRODUCT(_mm512_add_pd, _mm512_mul_pd, bases, w, w);
        QK_ADD_PRODUCT(_mm512_add_pd, _mm512_mul_pd, deltas, d, d);
        QK_ADD_PRODUCT(_mm512_add_pd, _mm512_mul_pd, changes, change, change);
        QK_ADD_PRODUCT(_mm512_add_pd, _mm512_mul_pd, products, change, d);
        QK_ADD_PRODUCT(_mm512_add_pd, _mm512_mul_pd, errors, error, error);
        QK_ADD_PRODUCT(_mm512_add_pd, _mm512_mul_pd, targets, target, target);
    }
    _mm512_storeu_pd(sums->base, bases);
    _mm512_storeu_pd(sums->delta, deltas);
    _mm512_storeu_pd(sums->change, changes);
    _mm512_storeu_pd(sums->changeTimesDelta, products);
    _mm512_storeu_pd(sums->error, errors);
    _mm512_storeu_pd(sums->target, targets);
}
#endif

#if defined(__aarch64__)
/// sum += a b of two lanes, the product rounded.
QK_INLINE void addProduct(float64x2_t *sum, float64x2_t a, float64x2_t b) { *sum = vaddq_f64(*sum, vmulq_f64(a, b)); }

/// Lanes `lane` and the next of `count` elements, whole eights.
static void addLanesNEON(
    qk_merge_sums *sums, size_t lane, const float *base, const float *delta, const float *merged, size_t count
) {
    double *const places[6] = {sums->base, sums->delta, sums->change, sums->changeTimesDelta, sums->error, sums->target};
    float64x2_t v[6];
    UNROLL for (size_t i = 0; i < 6; i++) v[i] = vld1q_f64(places[i] + lane);
    for (size_t i = lane; i < count; i += QK_MERGE_LANES) {
        const float64x2_t w = vcvt_f64_f32(vld1_f32(base + i)), d = vcvt_f64_f32(vld1_f32(delta + i));
        const float64x2_t m = vcvt_f64_f32(vld1_f32(merged + i));
        const float64x2_t change = vsubq_f64(m, w), target = vaddq_f64(w, d), error = vsubq_f64(m, target);
        addProduct(&v[0], w, w);
        addProduct(&v[1], d, d);
        addProduct(&v[2], change, change);
        addProduct(&v[3], change, d);
        addProduct(&v[4], error, error);
        addProduct(&v[5], target, target);
    }
    UNROLL for (size_t i = 0; i < 6; i++) vst1q_f64(places[i] + lane, v[i]);
}

/// Elements that are added two lanes at a time: a piece stays in the first-level cache.
static size_t addVectorsNEON(qk_merge_sums *sums, const float *base, const float *delta, const float *merged, size_t count) {
    enum { PIECE = 1024 };
    const size_t whole = count / QK_MERGE_LANES * QK_MERGE_LANES;
    for (size_t start = 0; start < whole; start += PIECE) {
        const size_t now = whole - start < PIECE ? whole - start : PIECE;
        for (size_t lane = 0; lane < QK_MERGE_LANES; lane += 2)
            addLanesNEON(sums, lane, base + start, delta + start, merged + start, now);
    }
    return whole;
}
#endif

void qk_merge_add_at(qk_simd level, qk_merge_sums *sums, const float *base, const float *delta, const float *merged, size_t count) {
    size_t i = 0;
#if defined(__x86_64__)
    const size_t vectorized = count / QK_MERGE_LANES * QK_MERGE_LANES;
    if (level == QK_AVX512) {
        addVectorsAVX512(sums, base, delta, merged, vectorized);
        i = vectorized;
    } else if (level == QK_AVX2) {
        addVectorsAVX2(sums, 0, base, delta, merged, vectorized);
        addVectorsAVX2(sums, 4, base, delta, merged, vectorized);
        i = vectorized;
    }
#elif defined(__aarch64__)
    if (level >= QK_NEON) i = addVectorsNEON(sums, base, delta, merged, count);
#endif
    (void)level;
    for (; i < count; i++) addOne(sums, i % QK_MERGE_LANES, base[i], delta[i], merged[i]);
}

void qk_merge_add(qk_merge_sums *sums, const float *base, const float *delta, const float *merged, size_t count) {
    qk_merge_add_at(qk_simd_best(), sums, base, delta, merged, count);
}

size_t qk_differingCodes(const uint8_t *a, const uint8_t *b, size_t byteCount) {
    size_t count = 0, i = 0;
    for (; i + 8 <= byteCount; i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        uint64_t bits = x ^ y;
        // One bit for each half of a byte that is not zero.
        bits |= bits >> 2;
        bits |= bits >> 1;
        count += (size_t)__builtin_popcountll(bits & 0x1111111111111111);
    }
    for (; i < byteCount; i++) {
        const uint8_t bits = a[i] ^ b[i];
        count += (bits & 0xf0) != 0;
        count += (bits & 0x0f) != 0;
    }
    return count;
}

/// Counted in runs that a 16-bit lane can hold, which lets the compiler use as many lanes as elements fit a register.
#define QK_DIFFERING(type) \
    for (size_t start = 0; start < count; start += 32768) { \
        const size_t end = count - start < 32768 ? count : start + 32768; \
        type run = 0; \
        uint32_t differing = 0; \
        for (size_t i = start; i < end; i++) { \
            type x, y; \
            memcpy(&x, a + i * sizeof(type), sizeof(type)); \
            memcpy(&y, b + i * sizeof(type), sizeof(type)); \
            if (sizeof(type) == 1) differing += x != y; \
            else run = (type)(run + (x != y)); \
        } \
        total += differing + (size_t)run; \
    }

size_t qk_differingElements(const uint8_t *a, const uint8_t *b, size_t count, size_t elementByteCount) {
    size_t total = 0;
    switch (elementByteCount) {
    case 1: QK_DIFFERING(uint8_t); break;
    case 2: QK_DIFFERING(uint16_t); break;
    case 4: QK_DIFFERING(uint32_t); break;
    case 8: QK_DIFFERING(uint64_t); break;
    default: __builtin_trap();
    }
    return total;
}
