/// Private: the 4-bit code of a value of a block that is scaled to one.
#ifndef QK_QUANTIZE4_SEARCH_H
#define QK_QUANTIZE4_SEARCH_H

#include "qk_lanes.h"

typedef struct {
    /// Ascending; float32 bit patterns, because the nearest decimals lie on the wrong side of some ties.
    uint32_t thresholds[15];
    /// Of each interval.
    uint8_t codes[16];
} code_table;

/// float32(1e-38), a subnormal: what bitsandbytes divides by in a block of zeros.
#define SMALLEST_DIVISOR 0x006ce3eeu

/// Of a largest magnitude, which may be NaN.
QK_INLINE float divisorOf(uint32_t magnitude) {
    return floatOf(magnitude > SMALLEST_DIVISOR ? magnitude : SMALLEST_DIVISOR);
}

#define INFINITY_BITS 0x7f800000u

#if defined(__x86_64__)
/// A binary search of four compares: the k-th looks up its threshold with the answers so far, in a table that fits one
/// register. Ends as the interval of each value.
typedef struct {
    __m256 first, second, third, fourth;
    __m256i codes;
} search_avx2;

QK_TARGET_AVX2 QK_INLINE search_avx2 makeSearchAVX2(const code_table *table) {
    const int *t = (const int *)table->thresholds;
    return (search_avx2){
        _mm256_castsi256_ps(_mm256_set1_epi32(t[7])),
        _mm256_castsi256_ps(_mm256_setr_epi32(t[3], t[11], 0, 0, 0, 0, 0, 0)),
        _mm256_castsi256_ps(_mm256_setr_epi32(t[1], t[5], t[9], t[13], 0, 0, 0, 0)),
        _mm256_castsi256_ps(_mm256_setr_epi32(t[0], t[2], t[4], t[6], t[8], t[10], t[12], t[14])),
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table->codes)),
    };
}

/// Appends one answer (scaled > threshold) to the bits of `interval`.
QK_TARGET_AVX2 QK_INLINE __m256i appendAnswerAVX2(__m256i interval, __m256 scaled, __m256 threshold) {
    __m256i answer = _mm256_castps_si256(_mm256_cmp_ps(scaled, threshold, _CMP_GT_OQ));
    return _mm256_sub_epi32(_mm256_add_epi32(interval, interval), answer);
}

QK_TARGET_AVX2 QK_INLINE __m256i intervalsAVX2(const search_avx2 *search, __m256 scaled) {
    __m256i interval = appendAnswerAVX2(_mm256_setzero_si256(), scaled, search->first);
    interval = appendAnswerAVX2(interval, scaled, _mm256_permutevar8x32_ps(search->second, interval));
    interval = appendAnswerAVX2(interval, scaled, _mm256_permutevar8x32_ps(search->third, interval));
    return appendAnswerAVX2(interval, scaled, _mm256_permutevar8x32_ps(search->fourth, interval));
}

/// Codes and packs the intervals of 32 consecutive values into 16 bytes.
QK_TARGET_AVX2 QK_INLINE __m128i packAVX2(const search_avx2 *search, __m256i a, __m256i b, __m256i c, __m256i d) {
    __m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));
    // Packing works within the halves: restore the order in units of four values.
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    bytes = _mm256_shuffle_epi8(search->codes, bytes);
    __m256i pairs = _mm256_maddubs_epi16(bytes, _mm256_set1_epi16(0x0110));   // even * 16 + odd
    return _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

QK_TARGET_AVX2 QK_INLINE uint32_t largestAVX2(__m256i magnitudes) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(magnitudes), _mm256_extracti128_si256(magnitudes, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}
#endif

#endif
