/// Private: looking up packed 4-bit codes, a vector at a time. The earlier of two elements is in the upper half of its byte.
#ifndef QK_CODES_H
#define QK_CODES_H

#include <stdbool.h>

#include "qk_lanesNEON.h"

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
#elif defined(__aarch64__)
/// 16 float32 values, byte by byte: bytes 0 of all values, then bytes 1, 2 and 3.
typedef struct {
    uint8x16_t planes[4];
} valuePlanes;

QK_INLINE valuePlanes planesOfValues(const float values[16]) {
    const uint8x16x4_t planes = vld4q_u8((const uint8_t *)values);
    return (valuePlanes){{planes.val[0], planes.val[1], planes.val[2], planes.val[3]}};
}

/// 16 codes in order from the 8 bytes at `packed`; the earlier one of each in the upper half, or in the lower one.
QK_INLINE uint8x16_t codesOfSixteen(const uint8_t *packed, bool lowerFirst) {
    const uint8x8_t pairs = vld1_u8(packed), upper = vshr_n_u8(pairs, 4), lower = vand_u8(pairs, vdup_n_u8(15));
    const uint8x16_t first = vcombine_u8(lowerFirst ? lower : upper, lower), second = vcombine_u8(lowerFirst ? upper : lower, lower);
    return vzip1q_u8(first, second);
}

/// The values of 16 codes.
QK_INLINE void lookUpSixteen(const valuePlanes *v, uint8x16_t codes, float32x4_t values[4]) {
    const uint8x16_t bytes[4] = {
        vqtbl1q_u8(v->planes[0], codes), vqtbl1q_u8(v->planes[1], codes), vqtbl1q_u8(v->planes[2], codes),
        vqtbl1q_u8(v->planes[3], codes)};
    const uint16x8_t low[2] = {
        vreinterpretq_u16_u8(vzip1q_u8(bytes[0], bytes[1])), vreinterpretq_u16_u8(vzip2q_u8(bytes[0], bytes[1]))};
    const uint16x8_t high[2] = {
        vreinterpretq_u16_u8(vzip1q_u8(bytes[2], bytes[3])), vreinterpretq_u16_u8(vzip2q_u8(bytes[2], bytes[3]))};
    UNROLL for (size_t i = 0; i < 2; i++) {
        values[2 * i] = vreinterpretq_f32_u16(vzip1q_u16(low[i], high[i]));
        values[2 * i + 1] = vreinterpretq_f32_u16(vzip2q_u16(low[i], high[i]));
    }
}
#endif

#endif
