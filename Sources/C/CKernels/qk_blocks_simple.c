#include "qk_blocks_parts.h"

// Blocks of 32 to 128 elements with one scale d, and perhaps an offset m, both float16. Nibbles lie in halves, not in pairs:
// byte j has element j in its lower and element 16 + j in its upper half.

//      0   2                   18
// Q4_0 | d | 16 bytes: nibbles |                                       (n - 8) d
QK_INLINE void Q4_0(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[32];
    splitNibbles(block + 2, codes);
    for (size_t j = 0; j < 32; j++) codes[j] = (int8_t)(codes[j] - 8);
    scaleCodes(codes, 32, halfAt(block), values);
}

//      0   2   4                   20
// Q4_1 | d | m | 16 bytes: nibbles |                                   n d + m
QK_INLINE void Q4_1(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[32];
    splitNibbles(block + 4, codes);
    scaleAndAdd(codes, 32, halfAt(block), halfAt(block + 2), values);
}

/// Nibbles with a fifth bit: bit j of a word is that of element j.
QK_INLINE void fiveBits(const uint8_t *restrict word, const uint8_t *restrict nibbles, int8_t *restrict codes) {
    splitNibbles(nibbles, codes);
    const uint32_t upper = wordAt(word);
    for (size_t j = 0; j < 32; j++) codes[j] = (int8_t)(codes[j] | (int8_t)((upper >> j & 1) << 4));
}

//      0   2            6                   22
// Q5_0 | d | 32 bits: h | 16 bytes: nibbles |                        (n + 16 h - 16) d
QK_INLINE void Q5_0(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[32];
    fiveBits(block + 2, block + 6, codes);
    for (size_t j = 0; j < 32; j++) codes[j] = (int8_t)(codes[j] - 16);
    scaleCodes(codes, 32, halfAt(block), values);
}

//      0   2   4            8                   24
// Q5_1 | d | m | 32 bits: h | 16 bytes: nibbles |                    (n + 16 h) d + m
QK_INLINE void Q5_1(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[32];
    fiveBits(block + 4, block + 8, codes);
    scaleAndAdd(codes, 32, halfAt(block), halfAt(block + 2), values);
}

//      0   2                    34
// Q8_0 | d | 32 signed bytes: q |                                  q d
QK_INLINE void Q8_0(const uint8_t *restrict block, float *restrict values) {
    scaleCodes((const int8_t *)block + 2, 32, halfAt(block), values);
}

//      0   2                           18
// Q1_0 | d | 128 bits, lowest first: b |                               b ? d : -d
QK_INLINE void Q1_0(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t i = 0; i < 16; i++)
        for (size_t j = 0; j < 8; j++) values[8 * i + j] = d * (float)((int32_t)(block[2 + i] >> j & 1) * 2 - 1);
}

//      0   2                                  18
// Q2_0 | d | 64 times 2 bits, lowest first: q |                        (q - 1) d
QK_INLINE void Q2_0(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t i = 0; i < 16; i++)
        for (size_t j = 0; j < 4; j++) values[4 * i + j] = d * (float)((int32_t)(block[2 + i] >> 2 * j & 3) - 1);
}

QK_DECODER(Q4_0)
QK_DECODER(Q4_1)
QK_DECODER(Q5_0)
QK_DECODER(Q5_1)
QK_DECODER(Q8_0)
QK_DECODER(Q1_0)
QK_DECODER(Q2_0)
