#include "qk_error.h"

#include "qk_codes.h"

// The largest error of a stretch of elements is found first, and where it is only if it is larger than all before.

enum { STRETCH = 512 };

/// Element `index` of the stream, without the largest error; returns its own. Products of two float32 are exact in double,
/// so only the last sum rounds more than once.
QK_INLINE double addOne(qk_error_sums *sums, float reference, float actual) {
    const size_t lane = sums->count++ % QK_ERROR_LANES;
    const double r = reference, a = actual, error = a - r, square = error * error, magnitude = error < 0 ? -error : error;
    sums->referenceSquares[lane] += r * r;
    sums->actualSquares[lane] += a * a;
    sums->products[lane] += r * a;
    sums->errorSquares[lane] += square;
    sums->errorMagnitudes[lane] += magnitude;
    return magnitude;
}

QK_INLINE void noteError(qk_error_sums *sums, double error, uint64_t index) {
    if (!(error > sums->largestError)) return;
    sums->largestError = error;
    sums->largestErrorIndex = index;
}

QK_INLINE void addScalar(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t index = sums->count;
        noteError(sums, addOne(sums, reference[i], actual[i]), index);
    }
}

QK_INLINE void addSameScalar(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t count) {
    for (size_t i = start; i < count; i++) {
        const float value = loadOne(type, values, i);
        addOne(sums, value, value);
    }
}

/// One call.
typedef struct {
    const uint8_t *reference;
    qk_blocks4 blocks;
    float *absmax;
    double *largestError;
} comparison4;

/// Blocks from the one that begins at `start` on.
QK_INLINE void addBlocksScalar(qk_float type, qk_error_sums *sums, comparison4 c, size_t start) {
    const qk_blocks4 b = c.blocks;
    for (; start < b.count; start += b.blockSize) {
        const size_t block = start / b.blockSize, end = b.count - start < b.blockSize ? b.count : start + b.blockSize;
        uint32_t largest = 0;
        double largestError = 0;
        for (size_t i = start; i < end; i++) {
            const uint8_t pair = b.packed[i / 2];
            const float reference = loadOne(type, c.reference, i);
            const float actual = b.quantMap[i & 1 ? pair & 15 : pair >> 4] * b.absmax[block];
            const uint64_t index = sums->count;
            const double error = addOne(sums, reference, actual);
            const uint32_t magnitude = bitsOf(reference) & 0x7fffffff;
            largest = magnitude > largest ? magnitude : largest;
            largestError = error > largestError ? error : largestError;
            noteError(sums, error, index);
        }
        c.absmax[block] = floatOf(largest);
        c.largestError[block] = largestError;
    }
}

#if defined(__x86_64__) || defined(__aarch64__)
// What levels with vectors share.

/// Where in its block, of `count` elements, an error is that is known to be there; the block begins at element `start`.
QK_INLINE size_t placeOfError(qk_float type, comparison4 c, size_t start, size_t count, double error) {
    const float absmax = c.blocks.absmax[start / c.blocks.blockSize];
    for (size_t i = start; i < start + count; i++) {
        const uint8_t pair = c.blocks.packed[i / 2];
        const float actual = c.blocks.quantMap[i & 1 ? pair & 15 : pair >> 4] * absmax;
        const double found = (double)actual - (double)loadOne(type, c.reference, i);
        if (found == error || found == -error) return i - start;
    }
    __builtin_trap();
}

/// After `count` elements that are in the sums already: where the largest of their errors is, if it is the largest of all.
QK_INLINE void noteStretch(qk_error_sums *sums, const float *reference, const float *actual, size_t count, double error) {
    for (size_t i = 0; error > sums->largestError && i < count; i++) {
        const double found = (double)actual[i] - (double)reference[i];
        if (found == error || found == -error) noteError(sums, error, sums->count + i);
    }
    sums->count += count;
}

QK_INLINE void noteBlock(qk_float type, qk_error_sums *sums, comparison4 c, size_t start, uint32_t absmax, double error) {
    const size_t block = start / c.blocks.blockSize;
    c.absmax[block] = floatOf(absmax);
    c.largestError[block] = error;
    if (error > sums->largestError)
        noteError(sums, error, sums->count + placeOfError(type, c, start, c.blocks.blockSize, error));
    sums->count += c.blocks.blockSize;
}

/// Elements before the next one of lane 0, at most `count`.
QK_INLINE size_t untilLaneZero(const qk_error_sums *sums, size_t count) {
    const size_t missing = (QK_ERROR_LANES - sums->count % QK_ERROR_LANES) % QK_ERROR_LANES;
    return missing < count ? missing : count;
}
#endif

#include "qk_errorNEON.h"

#if defined(__x86_64__)
/// Four of the eight lanes.
typedef struct {
    __m256d referenceSquares, actualSquares, products, errorSquares, errorMagnitudes, largestError;
} sums_avx2;

QK_TARGET_AVX2 QK_INLINE sums_avx2 loadSumsAVX2(const qk_error_sums *sums, size_t lane) {
    return (sums_avx2){
        _mm256_loadu_pd(sums->referenceSquares + lane), _mm256_loadu_pd(sums->actualSquares + lane),
        _mm256_loadu_pd(sums->products + lane), _mm256_loadu_pd(sums->errorSquares + lane),
        _mm256_loadu_pd(sums->errorMagnitudes + lane), _mm256_setzero_pd(),
    };
}

QK_TARGET_AVX2 QK_INLINE void storeSumsAVX2(qk_error_sums *sums, size_t lane, sums_avx2 v) {
    _mm256_storeu_pd(sums->referenceSquares + lane, v.referenceSquares);
    _mm256_storeu_pd(sums->actualSquares + lane, v.actualSquares);
    _mm256_storeu_pd(sums->products + lane, v.products);
    _mm256_storeu_pd(sums->errorSquares + lane, v.errorSquares);
    _mm256_storeu_pd(sums->errorMagnitudes + lane, v.errorMagnitudes);
}

QK_TARGET_AVX2 QK_INLINE void addFourAVX2(sums_avx2 *v, __m128 reference, __m128 actual) {
    __m256d r = _mm256_cvtps_pd(reference), a = _mm256_cvtps_pd(actual);
    __m256d error = _mm256_sub_pd(a, r), magnitude = _mm256_andnot_pd(_mm256_set1_pd(-0.0), error);
    v->referenceSquares = _mm256_fmadd_pd(r, r, v->referenceSquares);
    v->actualSquares = _mm256_fmadd_pd(a, a, v->actualSquares);
    v->products = _mm256_fmadd_pd(r, a, v->products);
    v->errorSquares = _mm256_add_pd(v->errorSquares, _mm256_mul_pd(error, error));
    v->errorMagnitudes = _mm256_add_pd(v->errorMagnitudes, magnitude);
    // Of a NaN and a number the second operand is taken.
    v->largestError = _mm256_max_pd(magnitude, v->largestError);
}

QK_TARGET_AVX2 QK_INLINE void addEightAVX2(sums_avx2 *low, sums_avx2 *high, __m256 reference, __m256 actual) {
    addFourAVX2(low, _mm256_castps256_ps128(reference), _mm256_castps256_ps128(actual));
    addFourAVX2(high, _mm256_extractf128_ps(reference, 1), _mm256_extractf128_ps(actual, 1));
}

/// The largest error since the last time, which begins anew.
QK_TARGET_AVX2 QK_INLINE double takeLargestAVX2(sums_avx2 *low, sums_avx2 *high) {
    double lanes[4], largest = 0;
    _mm256_storeu_pd(lanes, _mm256_max_pd(low->largestError, high->largestError));
    for (int lane = 0; lane < 4; lane++) largest = lanes[lane] > largest ? lanes[lane] : largest;
    low->largestError = high->largestError = _mm256_setzero_pd();
    return largest;
}

QK_TARGET_AVX2 QK_INLINE uint32_t largestOfEightAVX2(__m256i v) {
    __m128i four = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    __m128i two = _mm_max_epu32(four, _mm_unpackhi_epi64(four, four));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(two, _mm_srli_epi64(two, 32)));
}

typedef struct {
    __m512d referenceSquares, actualSquares, products, errorSquares, errorMagnitudes, largestError;
} sums_avx512;

QK_TARGET_AVX512 QK_INLINE sums_avx512 loadSumsAVX512(const qk_error_sums *sums) {
    return (sums_avx512){
        _mm512_loadu_pd(sums->referenceSquares), _mm512_loadu_pd(sums->actualSquares), _mm512_loadu_pd(sums->products),
        _mm512_loadu_pd(sums->errorSquares), _mm512_loadu_pd(sums->errorMagnitudes), _mm512_setzero_pd(),
    };
}

QK_TARGET_AVX512 QK_INLINE void storeSumsAVX512(qk_error_sums *sums, sums_avx512 v) {
    _mm512_storeu_pd(sums->referenceSquares, v.referenceSquares);
    _mm512_storeu_pd(sums->actualSquares, v.actualSquares);
    _mm512_storeu_pd(sums->products, v.products);
    _mm512_storeu_pd(sums->errorSquares, v.errorSquares);
    _mm512_storeu_pd(sums->errorMagnitudes, v.errorMagnitudes);
}

QK_TARGET_AVX512 QK_INLINE void addEightAVX512(sums_avx512 *v, __m256 reference, __m256 actual) {
    __m512d r = _mm512_cvtps_pd(reference), a = _mm512_cvtps_pd(actual);
    __m512d error = _mm512_sub_pd(a, r), magnitude = _mm512_abs_pd(error);
    v->referenceSquares = _mm512_fmadd_pd(r, r, v->referenceSquares);
    v->actualSquares = _mm512_fmadd_pd(a, a, v->actualSquares);
    v->products = _mm512_fmadd_pd(r, a, v->products);
    v->errorSquares = _mm512_add_pd(v->errorSquares, _mm512_mul_pd(error, error));
    v->errorMagnitudes = _mm512_add_pd(v->errorMagnitudes, magnitude);
    v->largestError = _mm512_max_pd(magnitude, v->largestError);
}

QK_TARGET_AVX512 QK_INLINE void addSixteenAVX512(sums_avx512 *v, __m512 reference, __m512 actual) {
    addEightAVX512(v, _mm512_castps512_ps256(reference), _mm512_castps512_ps256(actual));
    addEightAVX512(v, _mm512_extractf32x8_ps(reference, 1), _mm512_extractf32x8_ps(actual, 1));
}

QK_TARGET_AVX512 QK_INLINE double takeLargestAVX512(sums_avx512 *v) {
    double largest = _mm512_reduce_max_pd(v->largestError);
    v->largestError = _mm512_setzero_pd();
    return largest;
}

/// `count`, a multiple of 8, elements from lane 0 on.
QK_TARGET_AVX2 static void addVectorsAVX2(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    sums_avx2 low = loadSumsAVX2(sums, 0), high = loadSumsAVX2(sums, 4);
    for (size_t start = 0; start < count; start += STRETCH) {
        const size_t end = count - start < STRETCH ? count : start + STRETCH;
        for (size_t i = start; i < end; i += 8)
            addEightAVX2(&low, &high, _mm256_loadu_ps(reference + i), _mm256_loadu_ps(actual + i));
        noteStretch(sums, reference + start, actual + start, end - start, takeLargestAVX2(&low, &high));
    }
    storeSumsAVX2(sums, 0, low);
    storeSumsAVX2(sums, 4, high);
}

QK_TARGET_AVX512 static void addVectorsAVX512(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    sums_avx512 v = loadSumsAVX512(sums);
    for (size_t start = 0; start < count; start += STRETCH) {
        const size_t end = count - start < STRETCH ? count : start + STRETCH;
        for (size_t i = start; i < end; i += 8) addEightAVX512(&v, _mm256_loadu_ps(reference + i), _mm256_loadu_ps(actual + i));
        noteStretch(sums, reference + start, actual + start, end - start, takeLargestAVX512(&v));
    }
    storeSumsAVX512(sums, v);
}

QK_TARGET_AVX2 QK_INLINE void addSameAVX2(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t end) {
    sums_avx2 low = loadSumsAVX2(sums, 0), high = loadSumsAVX2(sums, 4);
    for (size_t i = start; i < end; i += 8) {
        __m256 eight = loadEight(type, values, i);
        addEightAVX2(&low, &high, eight, eight);
    }
    storeSumsAVX2(sums, 0, low);
    storeSumsAVX2(sums, 4, high);
    sums->count += end - start;
}

QK_TARGET_AVX512 QK_INLINE void addSameAVX512(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t end) {
    sums_avx512 v = loadSumsAVX512(sums);
    for (size_t i = start; i < end; i += 8) {
        __m256 eight = loadEight(type, values, i);
        addEightAVX512(&v, eight, eight);
    }
    storeSumsAVX512(sums, v);
    sums->count += end - start;
}

QK_TARGET_AVX2 QK_INLINE void addBlocksAVX2(qk_float type, qk_error_sums *sums, comparison4 c) {
    const qk_blocks4 b = c.blocks;
    const __m256 lowerMap = _mm256_loadu_ps(b.quantMap), upperMap = _mm256_loadu_ps(b.quantMap + 8);
    const __m256i magnitudeMask = _mm256_set1_epi32(0x7fffffff);
    sums_avx2 low = loadSumsAVX2(sums, 0), high = loadSumsAVX2(sums, 4);
    for (size_t start = 0; start + b.blockSize <= b.count; start += b.blockSize) {
        __m256 absmax = _mm256_set1_ps(b.absmax[start / b.blockSize]);
        __m256 lower = _mm256_mul_ps(lowerMap, absmax), upper = _mm256_mul_ps(upperMap, absmax);
        __m256i largest = _mm256_setzero_si256();
        for (size_t i = start; i < start + b.blockSize; i += 8) {
            __m256 reference = loadEight(type, c.reference, i);
            largest = _mm256_max_epu32(largest, _mm256_and_si256(_mm256_castps_si256(reference), magnitudeMask));
            addEightAVX2(&low, &high, reference, lookUpEight(lower, upper, b.packed + i / 2));
        }
        noteBlock(type, sums, c, start, largestOfEightAVX2(largest), takeLargestAVX2(&low, &high));
    }
    storeSumsAVX2(sums, 0, low);
    storeSumsAVX2(sums, 4, high);
}

QK_TARGET_AVX512 QK_INLINE void addBlocksAVX512(qk_float type, qk_error_sums *sums, comparison4 c) {
    const qk_blocks4 b = c.blocks;
    const __m512 quantMap = _mm512_loadu_ps(b.quantMap);
    sums_avx512 v = loadSumsAVX512(sums);
    for (size_t start = 0; start + b.blockSize <= b.count; start += b.blockSize) {
        __m512 values = _mm512_mul_ps(quantMap, _mm512_set1_ps(b.absmax[start / b.blockSize]));
        __m512i largest = _mm512_setzero_si512();
        for (size_t i = start; i < start + b.blockSize; i += 16) {
            __m512 reference = loadSixteen(type, c.reference, i);
            largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(reference), _mm512_set1_epi32(0x7fffffff)));
            addSixteenAVX512(&v, reference, lookUpSixteen(values, b.packed + i / 2));
        }
        noteBlock(type, sums, c, start, _mm512_reduce_max_epu32(largest), takeLargestAVX512(&v));
    }
    storeSumsAVX512(sums, v);
}

QK_TARGET_AVX2 static void addSameAnyAVX2(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t end) {
    QK_RETURN_FOR_STORED(addSameAVX2, type, sums, values, start, end);
}

QK_TARGET_AVX512 static void addSameAnyAVX512(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t end) {
    QK_RETURN_FOR_STORED(addSameAVX512, type, sums, values, start, end);
}

QK_TARGET_AVX2 static void addBlocksAnyAVX2(qk_float type, qk_error_sums *sums, comparison4 c) {
    QK_RETURN_FOR_STORED(addBlocksAVX2, type, sums, c);
}

QK_TARGET_AVX512 static void addBlocksAnyAVX512(qk_float type, qk_error_sums *sums, comparison4 c) {
    QK_RETURN_FOR_STORED(addBlocksAVX512, type, sums, c);
}
#endif

static void addSameAnyScalar(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t end) {
    QK_RETURN_FOR_STORED(addSameScalar, type, sums, values, start, end);
}

void qk_error_add_at(qk_simd level, qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    size_t i = 0;
#if defined(__x86_64__) || defined(__aarch64__)
    i = untilLaneZero(sums, count);
    addScalar(sums, reference, actual, i);
    size_t vectorized = (count - i) / QK_ERROR_LANES * QK_ERROR_LANES;
    if (level == QK_SCALAR) vectorized = 0;
#if defined(__aarch64__)
    else addVectorsNEON(sums, reference + i, actual + i, vectorized);
#else
    else if (level == QK_AVX512) addVectorsAVX512(sums, reference + i, actual + i, vectorized);
    else addVectorsAVX2(sums, reference + i, actual + i, vectorized);
#endif
    i += vectorized;
#endif
    (void)level;
    addScalar(sums, reference + i, actual + i, count - i);
}

void qk_error_add(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    qk_error_add_at(qk_simd_best(), sums, reference, actual, count);
}

void qk_error_add_same_at(qk_simd level, qk_error_sums *sums, qk_float type, const void *values, size_t count) {
    size_t i = 0;
#if defined(__x86_64__) || defined(__aarch64__)
    i = untilLaneZero(sums, count);
    addSameAnyScalar(type, sums, values, 0, i);
    size_t end = level == QK_SCALAR ? i : i + (count - i) / QK_ERROR_LANES * QK_ERROR_LANES;
#if defined(__aarch64__)
    if (level >= QK_NEON) addSameAnyNEON(type, sums, values, i, end);
#else
    if (level == QK_AVX512) addSameAnyAVX512(type, sums, values, i, end);
    else if (level == QK_AVX2) addSameAnyAVX2(type, sums, values, i, end);
#endif
    i = end;
#endif
    (void)level;
    addSameAnyScalar(type, sums, values, i, count);
}

void qk_error_add_same(qk_error_sums *sums, qk_float type, const void *values, size_t count) {
    qk_error_add_same_at(qk_simd_best(), sums, type, values, count);
}

void qk_error_add4_at(
    qk_simd level, qk_error_sums *sums, qk_float type, const void *reference, qk_blocks4 blocks, float *absmax,
    double *largestError
) {
    const comparison4 c = {reference, blocks, absmax, largestError};
    size_t wholeCount = blocks.count - blocks.count % blocks.blockSize;
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: addBlocksAnyAVX512(type, sums, c); break;
    case QK_AVX2: addBlocksAnyAVX2(type, sums, c); break;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: addBlocksAnyNEON(type, sums, c); break;
#endif
    default: wholeCount = 0;
    }
    QK_RETURN_FOR_STORED(addBlocksScalar, type, sums, c, wholeCount);
}

void qk_error_add4(
    qk_error_sums *sums, qk_float type, const void *reference, qk_blocks4 blocks, float *absmax, double *largestError
) {
    qk_error_add4_at(qk_simd_best(), sums, type, reference, blocks, absmax, largestError);
}

void qk_error_append(qk_error_sums *sums, const qk_error_sums *next) {
    for (size_t lane = 0; lane < QK_ERROR_LANES; lane++) {
        sums->referenceSquares[lane] += next->referenceSquares[lane];
        sums->actualSquares[lane] += next->actualSquares[lane];
        sums->products[lane] += next->products[lane];
        sums->errorSquares[lane] += next->errorSquares[lane];
        sums->errorMagnitudes[lane] += next->errorMagnitudes[lane];
    }
    noteError(sums, next->largestError, sums->count + next->largestErrorIndex);
    sums->count += next->count;
}

static double laneSum(const double v[QK_ERROR_LANES]) {
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

qk_error_totals qk_error_total(const qk_error_sums *sums) {
    return (qk_error_totals){
        laneSum(sums->referenceSquares), laneSum(sums->actualSquares), laneSum(sums->products), laneSum(sums->errorSquares),
        laneSum(sums->errorMagnitudes), sums->largestError, sums->largestErrorIndex,
    };
}
