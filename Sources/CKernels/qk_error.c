#include "qk_error.h"

#include "qk_lanes.h"

/// Element `index` of the stream. Products of two float32 are exact in double, so only the last sum rounds more than once.
QK_INLINE void addOne(qk_error_sums *sums, float reference, float actual) {
    const uint64_t index = sums->count++;
    const size_t lane = index % QK_ERROR_LANES;
    const double r = reference, a = actual, error = a - r, square = error * error, magnitude = error < 0 ? -error : error;
    sums->referenceSquares[lane] += r * r;
    sums->actualSquares[lane] += a * a;
    sums->products[lane] += r * a;
    sums->errorSquares[lane] += square;
    sums->errorMagnitudes[lane] += magnitude;
    if (magnitude > sums->largestError[lane]) {
        sums->largestError[lane] = magnitude;
        sums->largestErrorIndex[lane] = index;
    }
}

#if defined(__x86_64__)
/// Four of the eight lanes.
typedef struct {
    __m256d referenceSquares, actualSquares, products, errorSquares, errorMagnitudes, largestError;
    __m256i largestErrorIndex;
} sums_avx2;

QK_TARGET_AVX2 QK_INLINE sums_avx2 loadSumsAVX2(const qk_error_sums *sums, size_t lane) {
    return (sums_avx2){
        _mm256_loadu_pd(sums->referenceSquares + lane), _mm256_loadu_pd(sums->actualSquares + lane),
        _mm256_loadu_pd(sums->products + lane), _mm256_loadu_pd(sums->errorSquares + lane),
        _mm256_loadu_pd(sums->errorMagnitudes + lane), _mm256_loadu_pd(sums->largestError + lane),
        _mm256_loadu_si256((const __m256i *)(sums->largestErrorIndex + lane)),
    };
}

QK_TARGET_AVX2 QK_INLINE void storeSumsAVX2(qk_error_sums *sums, size_t lane, sums_avx2 v) {
    _mm256_storeu_pd(sums->referenceSquares + lane, v.referenceSquares);
    _mm256_storeu_pd(sums->actualSquares + lane, v.actualSquares);
    _mm256_storeu_pd(sums->products + lane, v.products);
    _mm256_storeu_pd(sums->errorSquares + lane, v.errorSquares);
    _mm256_storeu_pd(sums->errorMagnitudes + lane, v.errorMagnitudes);
    _mm256_storeu_pd(sums->largestError + lane, v.largestError);
    _mm256_storeu_si256((__m256i *)(sums->largestErrorIndex + lane), v.largestErrorIndex);
}

QK_TARGET_AVX2 QK_INLINE sums_avx2 addFourAVX2(sums_avx2 v, const float *reference, const float *actual, __m256i index) {
    __m256d r = _mm256_cvtps_pd(_mm_loadu_ps(reference)), a = _mm256_cvtps_pd(_mm_loadu_ps(actual));
    __m256d error = _mm256_sub_pd(a, r), magnitude = _mm256_andnot_pd(_mm256_set1_pd(-0.0), error);
    __m256d isLarger = _mm256_cmp_pd(magnitude, v.largestError, _CMP_GT_OQ);
    __m256d largerIndex = _mm256_blendv_pd(
        _mm256_castsi256_pd(v.largestErrorIndex), _mm256_castsi256_pd(index), isLarger);
    return (sums_avx2){
        _mm256_fmadd_pd(r, r, v.referenceSquares), _mm256_fmadd_pd(a, a, v.actualSquares),
        _mm256_fmadd_pd(r, a, v.products), _mm256_add_pd(v.errorSquares, _mm256_mul_pd(error, error)),
        _mm256_add_pd(v.errorMagnitudes, magnitude), _mm256_blendv_pd(v.largestError, magnitude, isLarger), _mm256_castpd_si256(largerIndex),
    };
}

/// `count`, a multiple of 8, elements from lane 0 on.
QK_TARGET_AVX2 static void addVectorsAVX2(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    sums_avx2 low = loadSumsAVX2(sums, 0), high = loadSumsAVX2(sums, 4);
    __m256i index = _mm256_add_epi64(_mm256_set1_epi64x((long long)sums->count), _mm256_setr_epi64x(0, 1, 2, 3));
    for (size_t i = 0; i < count; i += QK_ERROR_LANES) {
        low = addFourAVX2(low, reference + i, actual + i, index);
        index = _mm256_add_epi64(index, _mm256_set1_epi64x(4));
        high = addFourAVX2(high, reference + i + 4, actual + i + 4, index);
        index = _mm256_add_epi64(index, _mm256_set1_epi64x(4));
    }
    storeSumsAVX2(sums, 0, low);
    storeSumsAVX2(sums, 4, high);
    sums->count += count;
}

QK_TARGET_AVX512 static void addVectorsAVX512(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    __m512d referenceSquares = _mm512_loadu_pd(sums->referenceSquares), actualSquares = _mm512_loadu_pd(sums->actualSquares);
    __m512d products = _mm512_loadu_pd(sums->products), errorSquares = _mm512_loadu_pd(sums->errorSquares);
    __m512d errorMagnitudes = _mm512_loadu_pd(sums->errorMagnitudes), largestError = _mm512_loadu_pd(sums->largestError);
    __m512i largestErrorIndex = _mm512_loadu_si512(sums->largestErrorIndex);
    __m512i index = _mm512_add_epi64(
        _mm512_set1_epi64((long long)sums->count), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
    for (size_t i = 0; i < count; i += QK_ERROR_LANES) {
        __m512d r = _mm512_cvtps_pd(_mm256_loadu_ps(reference + i)), a = _mm512_cvtps_pd(_mm256_loadu_ps(actual + i));
        __m512d error = _mm512_sub_pd(a, r), magnitude = _mm512_abs_pd(error);
        __mmask8 isLarger = _mm512_cmp_pd_mask(magnitude, largestError, _CMP_GT_OQ);
        referenceSquares = _mm512_fmadd_pd(r, r, referenceSquares);
        actualSquares = _mm512_fmadd_pd(a, a, actualSquares);
        products = _mm512_fmadd_pd(r, a, products);
        errorSquares = _mm512_add_pd(errorSquares, _mm512_mul_pd(error, error));
        errorMagnitudes = _mm512_add_pd(errorMagnitudes, magnitude);
        largestError = _mm512_mask_mov_pd(largestError, isLarger, magnitude);
        largestErrorIndex = _mm512_mask_mov_epi64(largestErrorIndex, isLarger, index);
        index = _mm512_add_epi64(index, _mm512_set1_epi64(QK_ERROR_LANES));
    }
    _mm512_storeu_pd(sums->referenceSquares, referenceSquares);
    _mm512_storeu_pd(sums->actualSquares, actualSquares);
    _mm512_storeu_pd(sums->products, products);
    _mm512_storeu_pd(sums->errorSquares, errorSquares);
    _mm512_storeu_pd(sums->errorMagnitudes, errorMagnitudes);
    _mm512_storeu_pd(sums->largestError, largestError);
    _mm512_storeu_si512(sums->largestErrorIndex, largestErrorIndex);
    sums->count += count;
}
#endif

void qk_error_add_at(qk_simd level, qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    size_t i = 0;
#if defined(__x86_64__)
    for (; i < count && sums->count % QK_ERROR_LANES != 0; i++) addOne(sums, reference[i], actual[i]);
    size_t vectorized = (count - i) / QK_ERROR_LANES * QK_ERROR_LANES;
    if (level == QK_SCALAR) vectorized = 0;
    else if (level == QK_AVX512) addVectorsAVX512(sums, reference + i, actual + i, vectorized);
    else addVectorsAVX2(sums, reference + i, actual + i, vectorized);
    i += vectorized;
#endif
    (void)level;
    for (; i < count; i++) addOne(sums, reference[i], actual[i]);
}

void qk_error_add(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    qk_error_add_at(qk_simd_best(), sums, reference, actual, count);
}

void qk_error_append(qk_error_sums *sums, const qk_error_sums *next) {
    for (size_t lane = 0; lane < QK_ERROR_LANES; lane++) {
        sums->referenceSquares[lane] += next->referenceSquares[lane];
        sums->actualSquares[lane] += next->actualSquares[lane];
        sums->products[lane] += next->products[lane];
        sums->errorSquares[lane] += next->errorSquares[lane];
        sums->errorMagnitudes[lane] += next->errorMagnitudes[lane];
        if (next->largestError[lane] > sums->largestError[lane]) {
            sums->largestError[lane] = next->largestError[lane];
            sums->largestErrorIndex[lane] = sums->count + next->largestErrorIndex[lane];
        }
    }
    sums->count += next->count;
}

static double laneSum(const double v[QK_ERROR_LANES]) {
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

qk_error_totals qk_error_total(const qk_error_sums *sums) {
    qk_error_totals totals = {
        laneSum(sums->referenceSquares), laneSum(sums->actualSquares), laneSum(sums->products),
        laneSum(sums->errorSquares), laneSum(sums->errorMagnitudes), 0, 0,
    };
    for (size_t lane = 0; lane < QK_ERROR_LANES; lane++) {
        double error = sums->largestError[lane];
        uint64_t index = sums->largestErrorIndex[lane];
        if (error > totals.largestError
            || (error != 0 && error == totals.largestError && index < totals.largestErrorIndex)) {
            totals.largestError = error;
            totals.largestErrorIndex = index;
        }
    }
    return totals;
}
