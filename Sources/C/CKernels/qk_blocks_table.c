#include "qk_blocks_parts.h"
#include "qk_blocks_tables.h"
#include "qk_lanesNEON.h"

// Codes that stand for values of a table, and ternary ones.

/// Twice the values of 4-bit floats with two exponent bits and one of mantissa (E2M1). Code 8 is 0, not -0.
static const int8_t doubledE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

#if defined(__x86_64__)
QK_TARGET_AVX2 static inline void lookUpNibblesAVX2(const int8_t table[16], const uint8_t *bytes, int8_t *values) {
    const __m128i map = _mm_loadu_si128((const __m128i *)table), nibble = _mm_set1_epi8(15);
    const __m128i pairs = _mm_loadu_si128((const __m128i *)bytes);
    const __m128i lower = _mm_and_si128(pairs, nibble), upper = _mm_and_si128(_mm_srli_epi16(pairs, 4), nibble);
    _mm_storeu_si128((__m128i *)values, _mm_shuffle_epi8(map, lower));
    _mm_storeu_si128((__m128i *)(values + 16), _mm_shuffle_epi8(map, upper));
}
#endif

/// Values of 32 codes in 16 bytes: the lower nibbles come first.
QK_INLINE void lookUpNibbles(qk_simd level, const int8_t table[16], const uint8_t *restrict bytes, int8_t *restrict values) {
#if defined(__x86_64__)
    if (level != QK_SCALAR) {
        lookUpNibblesAVX2(table, bytes, values);
        return;
    }
#elif defined(__aarch64__)
    if (level != QK_SCALAR) {
        const int8x16_t map = vld1q_s8(table);
        const uint8x16_t pairs = vld1q_u8(bytes);
        vst1q_s8(values, vqtbl1q_s8(map, vandq_u8(pairs, vdupq_n_u8(15))));
        vst1q_s8(values + 16, vqtbl1q_s8(map, vshrq_n_u8(pairs, 4)));
        return;
    }
#endif
    (void)level;
    for (size_t j = 0; j < 16; j++) {
        values[j] = table[bytes[j] & 15];
        values[16 + j] = table[bytes[j] >> 4];
    }
}

//        0   2                   18
// IQ4_NL | d | 16 bytes: nibbles |                                       d K[n]
QK_INLINE void IQ4_NL(qk_simd level, const uint8_t *restrict block, float *restrict values) {
    int8_t codes[32];
    lookUpNibbles(level, qk_nonlinear, block + 2, codes);
    scaleCodes(codes, 32, halfAt(block), values);
}

//        0   2                 4                 8                      136
// IQ4_XS | d | upper bits of s | lower bits of s | 8 groups of 16 bytes |         (d (s - 32)) K[n]
//
// s of group g: four bits in the nibbles of the 4 bytes, the lower one first, and two above them from bit 2 g of the 16.
QK_INLINE void IQ4_XS(qk_simd level, const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    const uint16_t upper = shortAt(block + 2);
    for (size_t g = 0; g < 8; g++) {
        const int s = (block[4 + g / 2] >> 4 * (g % 2) & 15) | (upper >> 2 * g & 3) << 4;
        int8_t codes[32];
        lookUpNibbles(level, qk_nonlinear, block + 8 + 16 * g, codes);
        scaleCodes(codes, 32, d * (float)(s - 32), values + 32 * g);
    }
}

/// 2^(exponent - 128): half the value of an exponent byte of the OCP MX formats: the values of the codes are doubled. 255, there
/// a NaN, is none here.
QK_INLINE float halfOfE8M0(uint8_t exponent) {
    return floatOf(exponent < 2 ? (uint32_t)0x00200000 << exponent : (uint32_t)(exponent - 1) << 23);
}

//       0   1                   17
// MXFP4 | e | 16 bytes: nibbles |                                       2^(e - 128) E[n]
QK_INLINE void MXFP4(qk_simd level, const uint8_t *restrict block, float *restrict values) {
    int8_t codes[32];
    lookUpNibbles(level, doubledE2M1, block + 1, codes);
    scaleCodes(codes, 32, halfOfE8M0(block[0]), values);
}

/// Half the value of an unsigned float with four exponent bits and three of mantissa. The eighth bit is ignored, but that 0x7f, the
/// NaN, is 0, and 0xff is not.
QK_INLINE float halfOfUE4M3(uint8_t byte) {
    const uint32_t exponent = byte >> 3 & 15, mantissa = byte & 7;
    if (byte == 0x7f) return 0;
    return exponent == 0 ? (float)mantissa * 0x1p-10f : floatOf((exponent + 119) << 23 | mantissa << 20);
}

//       0                    4                              36
// NVFP4 | scales of 4 groups | 4 groups of 8 bytes: nibbles |             u(s) E[n]
//
// Of 8 bytes, too, the lower nibbles come first.
QK_INLINE void NVFP4(qk_simd level, const uint8_t *restrict block, float *restrict values) {
    for (size_t g = 0; g < 4; g += 2) {
        // Lower nibbles of both groups, then the upper ones of both.
        int8_t codes[32];
        lookUpNibbles(level, doubledE2M1, block + 4 + 8 * g, codes);
        for (size_t i = 0; i < 2; i++) {
            const float scale = halfOfUE4M3(block[g + i]);
            float *restrict group = values + 16 * (g + i);
            scaleCodes(codes + 8 * i, 8, scale, group);
            scaleCodes(codes + 16 + 8 * i, 8, scale, group + 8);
        }
    }
}

/// Digit `n` of `count` bytes in base 3, less 1. A byte is a fraction of 256 with five digits, rounded up, so that n
/// multiplications by 3, modulo 256, and one more bring the digit above the byte.
QK_INLINE void trits(const uint8_t *restrict bytes, size_t count, size_t n, int8_t *restrict codes) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    const uint8_t power = powers[n];
    for (size_t i = 0; i < count; i++) codes[i] = (int8_t)(((uint16_t)(uint8_t)(bytes[i] * power) * 3 >> 8) - 1);
}

//       0                             48                         52  54
// TQ1_0 | 48 bytes: five trits t each | 4 bytes: four trits each | d |         t d
//
// Digit n of the first 32 bytes: elements 32 n on; of the next 16: 160 + 16 n; of the last 4: 240 + 4 n.
QK_INLINE void TQ1_0(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[256];
    for (size_t n = 0; n < 5; n++) trits(block, 32, n, codes + 32 * n);
    for (size_t n = 0; n < 5; n++) trits(block + 32, 16, n, codes + 160 + 16 * n);
    for (size_t n = 0; n < 4; n++) trits(block + 48, 4, n, codes + 240 + 4 * n);
    scaleCodes(codes, 256, halfAt(block + 52), values);
}

//       0                  64  66
// TQ2_0 | 64 bytes: planes | d |         (q - 1) d
//
// q of element 128 c + 32 p + l: bits 2 p and 2 p + 1 of byte 32 c + l.
QK_INLINE void TQ2_0(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[256];
    for (size_t c = 0; c < 2; c++)
        for (size_t p = 0; p < 4; p++)
            for (size_t l = 0; l < 32; l++) codes[128 * c + 32 * p + l] = (int8_t)((block[32 * c + l] >> 2 * p & 3) - 1);
    scaleCodes(codes, 256, halfAt(block + 64), values);
}

QK_DECODER_OF(IQ4_NL)
QK_DECODER_OF(IQ4_XS)
QK_DECODER_OF(MXFP4)
QK_DECODER_OF(NVFP4)
QK_DECODER(TQ1_0)
QK_DECODER(TQ2_0)
