/// Private: looking up packed 4-bit codes, a vector at a time. The earlier of two elements is in the upper half of its byte.
#ifndef QK_CODES_H
#define QK_CODES_H

#include "qk_lanes.h"

#if defined(__x86_64__)
/// 8 values from the 4 bytes at `packed`.
QK_TARGET_AVX2 QK_INLINE __m256 lookUpEight(__m256 lower, __m256 upper, const uint8_t *packed) {
    uint32_t pairs;
    memcpy(&pairs, packed, 4);
    __m256i codes = _mm256_srlv_epi32(
        _mm256_set1_epi32((int)pairs), _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24));
    __m256i fourthBit = _mm256_slli_epi32(codes, 28);
    return _mm256_blendv_ps(
        _mm256_permutevar8x32_ps(lower, codes), _mm256_permutevar8x32_ps(upper, codes), _mm256_castsi256_ps(fourthBit));
}

/// 16 values from the 8 bytes at `packed`.
QK_TARGET_AVX512 QK_INLINE __m512 lookUpSixteen(__m512 values, const uint8_t *packed) {
    // Each byte in the lane of two values; the permutation looks at the lowest 4 bits of each half only.
    __m512i pairs = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)packed));
    __m512i codes = _mm512_or_si512(_mm512_srli_epi64(pairs, 4), _mm512_slli_epi64(pairs, 32));
    return _mm512_permutexvar_ps(codes, values);
}
#endif

#endif
