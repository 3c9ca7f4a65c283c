/// Private: loading any stored type as float32 and storing float32 as any output type, one element or one vector at a time.
///
/// The functions are inlined with a constant type, so that the switch disappears and each loop is compiled per type.
#ifndef QK_LANES_H
#define QK_LANES_H

#include <stdint.h>
#include <string.h>

#include "qk_float.h"

// The target with FMA would otherwise round a*b+c once instead of twice.
#pragma STDC FP_CONTRACT OFF

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stored types are read as little endian"
#endif

#define QK_INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
/// Of a loop in which an element depends on those of the same index alone: what is written may be an operand. The compiler
/// would see an overlap then and take one element after the other.
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

/// `return function(type, ...)` with the type, any stored one, as a constant.
#define QK_RETURN_FOR_STORED(function, type, ...) \
    switch (type) { \
    case QK_F32: return function(QK_F32, __VA_ARGS__); \
    case QK_F64: return function(QK_F64, __VA_ARGS__); \
    case QK_F16: return function(QK_F16, __VA_ARGS__); \
    case QK_BF16: return function(QK_BF16, __VA_ARGS__); \
    case QK_F8_E4M3: return function(QK_F8_E4M3, __VA_ARGS__); \
    case QK_F8_E5M2: return function(QK_F8_E5M2, __VA_ARGS__); \
    } \
    __builtin_trap()

/// `return function(type, ...)` with the type, one that can be stored to, as a constant.
#define QK_RETURN_FOR_OUTPUT(function, type, ...) \
    switch (type) { \
    case QK_F32: return function(QK_F32, __VA_ARGS__); \
    case QK_F16: return function(QK_F16, __VA_ARGS__); \
    case QK_BF16: return function(QK_BF16, __VA_ARGS__); \
    default: __builtin_trap(); \
    }

QK_INLINE uint32_t bitsOf(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

QK_INLINE float floatOf(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

QK_INLINE float widenF16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7fff;
    uint32_t bits = (magnitude << 13) + (112u << 23);                       // exponent bias 15 -> 127
    if (magnitude < 0x400) bits = bitsOf((float)(int32_t)magnitude * 0x1p-24f);      // zero and subnormals
    if (magnitude >= 0x7c00) bits = 0x7f800000 | magnitude << 13;
    if (magnitude > 0x7c00) bits |= 0x400000;
    return floatOf(sign | bits);
}

QK_INLINE uint16_t narrowF16(float value) {
    uint32_t bits = bitsOf(value), magnitude = bits & 0x7fffffff;
    uint32_t half = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    // Below 2^-14 the spacing of float16 is 2^-24, which is that of float32 from 0.5 on.
    if (magnitude < 0x38800000) half = bitsOf(floatOf(magnitude) + 0.5f) - 0x3f000000;
    if (magnitude >= 0x47800000) half = 0x7c00;
    if (magnitude > 0x7f800000) half = 0x7e00 | (magnitude >> 13 & 0x3ff);
    return (uint16_t)(bits >> 16 & 0x8000) | (uint16_t)half;
}

QK_INLINE uint16_t narrowBF16(float value) {
    uint32_t bits = bitsOf(value);
    uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    if ((bits & 0x7fffffff) > 0x7f800000) rounded = bits | 0x400000;
    return (uint16_t)(rounded >> 16);
}

/// The float16 that is the value times 2^-8, or its NaN.
QK_INLINE uint16_t halfOfE4M3(uint8_t byte) {
    uint16_t magnitude = (byte & 0x7f) == 0x7f ? 0x7e00 : (uint16_t)((byte & 0x7f) << 7);
    return (uint16_t)((byte & 0x80) << 8) | magnitude;
}

/// Element `i` of `type` at `source`.
QK_INLINE float loadOne(qk_float type, const uint8_t *source, size_t i) {
    uint16_t half;
    float single;
    double wide;
    switch (type) {
    case QK_F32: memcpy(&single, source + 4 * i, 4); return single;
    case QK_F64: memcpy(&wide, source + 8 * i, 8); return (float)wide;
    case QK_F16: memcpy(&half, source + 2 * i, 2); return widenF16(half);
    case QK_BF16: memcpy(&half, source + 2 * i, 2); return floatOf((uint32_t)half << 16);
    case QK_F8_E4M3: return widenF16(halfOfE4M3(source[i])) * 256;
    case QK_F8_E5M2: return widenF16((uint16_t)(source[i] << 8));
    }
    __builtin_trap();
}

/// Stores element `i` as `type`: QK_F32, QK_F16 or QK_BF16.
QK_INLINE void storeOne(qk_float type, uint8_t *destination, size_t i, float value) {
    uint16_t half;
    switch (type) {
    case QK_F32: memcpy(destination + 4 * i, &value, 4); return;
    case QK_F16: half = narrowF16(value); memcpy(destination + 2 * i, &half, 2); return;
    case QK_BF16: half = narrowBF16(value); memcpy(destination + 2 * i, &half, 2); return;
    default: __builtin_trap();
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define QK_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))
#define QK_TARGET_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")))

/// Bytes of float8 as the float16 of `halfOfE4M3`.
QK_TARGET_AVX2 QK_INLINE __m128i halvesOfE4M3(__m128i bytes) {
    __m128i wide = _mm_cvtepu8_epi16(bytes);
    __m128i magnitude = _mm_and_si128(wide, _mm_set1_epi16(0x7f));
    __m128i isNaN = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7f));
    __m128i half = _mm_blendv_epi8(_mm_slli_epi16(magnitude, 7), _mm_set1_epi16(0x7e00), isNaN);
    return _mm_or_si128(half, _mm_slli_epi16(_mm_and_si128(wide, _mm_set1_epi16(0x80)), 8));
}

QK_TARGET_AVX2 QK_INLINE __m256 loadEight(qk_float type, const uint8_t *source, size_t i) {
    switch (type) {
    case QK_F32: return _mm256_loadu_ps((const float *)(source + 4 * i));
    case QK_F64: {
        __m128 low = _mm256_cvtpd_ps(_mm256_loadu_pd((const double *)(source + 8 * i)));
        __m128 high = _mm256_cvtpd_ps(_mm256_loadu_pd((const double *)(source + 8 * i + 32)));
        return _mm256_set_m128(high, low);
    }
    case QK_F16: return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(source + 2 * i)));
    case QK_BF16: {
        __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(source + 2 * i)));
        return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
    }
    case QK_F8_E4M3: {
        __m128i half = halvesOfE4M3(_mm_loadl_epi64((const __m128i *)(source + i)));
        return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256));
    }
    case QK_F8_E5M2: {
        __m128i wide = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(source + i)));
        return _mm256_cvtph_ps(_mm_slli_epi16(wide, 8));
    }
    }
    __builtin_trap();
}

QK_TARGET_AVX2 QK_INLINE __m128i narrowEightF16(__m256 value) {
    return _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT);
}

QK_TARGET_AVX2 QK_INLINE __m128i narrowEightBF16(__m256 value) {
    __m256i bits = _mm256_castps_si256(value);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    __m256i isNaN = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    __m256i upper = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, isNaN), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

QK_TARGET_AVX2 QK_INLINE void storeEight(qk_float type, uint8_t *destination, size_t i, __m256 value) {
    switch (type) {
    case QK_F32: _mm256_storeu_ps((float *)(destination + 4 * i), value); return;
    case QK_F16: _mm_storeu_si128((__m128i *)(destination + 2 * i), narrowEightF16(value)); return;
    case QK_BF16: _mm_storeu_si128((__m128i *)(destination + 2 * i), narrowEightBF16(value)); return;
    default: __builtin_trap();
    }
}

QK_TARGET_AVX512 QK_INLINE __m512 loadSixteen(qk_float type, const uint8_t *source, size_t i) {
    switch (type) {
    case QK_F32: return _mm512_loadu_ps(source + 4 * i);
    case QK_F64: {
        __m256 low = _mm512_cvtpd_ps(_mm512_loadu_pd(source + 8 * i));
        __m256 high = _mm512_cvtpd_ps(_mm512_loadu_pd(source + 8 * i + 64));
        return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
    }
    case QK_F16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(source + 2 * i)));
    case QK_BF16: {
        __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(source + 2 * i)));
        return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
    }
    case QK_F8_E4M3: case QK_F8_E5M2: {
        __m256 low = loadEight(type, source, i), high = loadEight(type, source, i + 8);
        return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
    }
    }
    __builtin_trap();
}

QK_TARGET_AVX512 QK_INLINE __m256i narrowSixteenF16(__m512 value) {
    return _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT);
}

/// Not VCVTNEPS2BF16: that one flushes subnormals.
QK_TARGET_AVX512 QK_INLINE __m256i narrowSixteenBF16(__m512 value) {
    __m512i bits = _mm512_castps_si512(value);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 isNaN = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, isNaN, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

QK_TARGET_AVX512 QK_INLINE void storeSixteen(qk_float type, uint8_t *destination, size_t i, __m512 value) {
    switch (type) {
    case QK_F32: _mm512_storeu_ps(destination + 4 * i, value); return;
    case QK_F16: _mm256_storeu_si256((__m256i *)(destination + 2 * i), narrowSixteenF16(value)); return;
    case QK_BF16: _mm256_storeu_si256((__m256i *)(destination + 2 * i), narrowSixteenBF16(value)); return;
    default: __builtin_trap();
    }
}
#endif

#endif
