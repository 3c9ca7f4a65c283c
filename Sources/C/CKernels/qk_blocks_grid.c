#include "qk_blocks_grids1.h"
#include "qk_blocks_grids2.h"
#include "qk_blocks_grids3.h"
#include "qk_blocks_parts.h"

// 256 elements in 32 groups g of 8, each a point of a codebook ("grid") with signs of its own. Four groups make a part i of 32.

/// Signs of 8 elements in 7 bits: the eighth makes their number even.
QK_INLINE uint32_t evenSigns(uint32_t bits) {
    uint32_t parity = bits ^ bits >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return bits | (parity & 1) << 7;
}

/// `scale * value`, negative where bit j of `signs` is set.
QK_INLINE float withSign(float scale, uint32_t value, uint32_t signs, size_t j) {
    return floatOf(bitsOf(scale * (float)(int32_t)value) ^ (signs >> j & 1) << 31);
}

/// A point of 8 fields of 2 bits: 0, 1, 2 are 8, 25, 43.
QK_INLINE void point2(uint32_t word, float scale, uint32_t signs, float *restrict values) {
    for (size_t j = 0; j < 8; j++) {
        const uint32_t field = word >> 2 * j & 3;
        values[j] = withSign(scale, 8 + 17 * field + (field >> 1), signs, j);
    }
}

//         0   2                                                              66
// IQ2_XXS | d | 8 parts of 8 bytes: 4 indices, 28 bits of signs, 4 bits of s |         (d (s + 1/2) / 4) grid
QK_INLINE void IQ2_XXS(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t i = 0; i < 8; i++) {
        const uint8_t *part = block + 2 + 8 * i;
        const uint32_t rest = wordAt(part + 4);
        const float scale = d * (0.5f + (float)(int32_t)(rest >> 28)) * 0.25f;
        for (size_t l = 0; l < 4; l++)
            point2(iq2xxsGrid[part[l]], scale, evenSigns(rest >> 7 * l & 127), values + 32 * i + 8 * l);
    }
}

/// The scale of groups 4 i + l of IQ2_XS and IQ2_S: of the two nibbles of a byte, the lower for l < 2.
QK_INLINE float scaleOfIQ2(float d, uint8_t pair, size_t l) {
    return d * (0.5f + (float)(int32_t)(pair >> 4 * (l / 2) & 15)) * 0.25f;
}

//        0   2                                          66                         74
// IQ2_XS | d | 32 words: index (9 bits), signs (7 bits) | 8 bytes: s of two halves |         (d (s + 1/2) / 4) grid
QK_INLINE void IQ2_XS(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t g = 0; g < 32; g++) {
        const uint32_t word = shortAt(block + 2 + 2 * g);
        const float scale = scaleOfIQ2(d, block[66 + g / 4], g % 4);
        point2(iq2xsGrid[word & 511], scale, evenSigns(word >> 9), values + 8 * g);
    }
}

//       0   2                   34                66                             74                         82
// IQ2_S | d | 32 bytes: indices | 32 bytes: signs | 32 pairs of bits: upper ones | 8 bytes: s of two halves |
//
// (d (s + 1/2) / 4) grid. The pairs of bits are above those of the indices.
QK_INLINE void IQ2_S(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t g = 0; g < 32; g++) {
        const size_t i = g / 4, l = g % 4, index = block[2 + g] | (size_t)(block[66 + i] >> 2 * l & 3) << 8;
        point2(iq2sGrid[index], scaleOfIQ2(d, block[74 + i], l), block[34 + g], values + 8 * g);
    }
}

/// Two points of 4 fields of 3 bits, together.
QK_INLINE uint32_t twoPoints(uint32_t first, uint32_t second) { return first | second << 12; }

//         0   2                   66                                       98
// IQ3_XXS | d | 64 bytes: indices | 8 words: 28 bits of signs, 4 bits of s |         (d (s + 1/2) / 2) grid
QK_INLINE void IQ3_XXS(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t g = 0; g < 32; g++) {
        const uint32_t rest = wordAt(block + 66 + 4 * (g / 4)), signs = evenSigns(rest >> 7 * (g % 4) & 127);
        const float scale = d * (0.5f + (float)(int32_t)(rest >> 28)) * 0.5f;
        const uint32_t fields = twoPoints(iq3xxsGrid[block[2 + 2 * g]], iq3xxsGrid[block[3 + 2 * g]]);
        for (size_t j = 0; j < 8; j++) {
            const uint32_t field = fields >> 3 * j & 7;
            values[8 * g + j] = withSign(scale, 4 + 8 * field + ((field + 1) >> 3 << 1), signs, j);
        }
    }
}

//       0   2                   66                            74                106                  110
// IQ3_S | d | 64 bytes: indices | 8 bytes: ninth bits of them | 32 bytes: signs | 4 bytes: nibbles s |         (d (1 + 2 s)) grid
QK_INLINE void IQ3_S(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t g = 0; g < 32; g++) {
        const size_t i = g / 4, ninth = block[66 + i] >> 2 * (g % 4);
        const int32_t s = block[106 + i / 2] >> 4 * (i % 2) & 15;
        const float scale = d * (float)(1 + 2 * s);
        const uint32_t fields = twoPoints(
            iq3sGrid[block[2 + 2 * g] | (ninth & 1) << 8], iq3sGrid[block[3 + 2 * g] | (ninth >> 1 & 1) << 8]);
        for (size_t j = 0; j < 8; j++)
            values[8 * g + j] = withSign(scale, 1 + 2 * (fields >> 3 * j & 7), block[74 + g], j);
    }
}

/// A point of -1, 0 and 1, moved by 1/8: in eighths.
QK_INLINE void point1(uint32_t word, float scale, int32_t delta, float *restrict values) {
    for (size_t j = 0; j < 8; j++) values[j] = scale * ((float)((int32_t)(word >> 2 * j & 3) * 8 - 8 + delta) * 0.125f);
}

//       0   2                   34                                                      50
// IQ1_S | d | 32 bytes: indices | 8 words: 4 x 3 upper bits, 3 bits of s, sign of delta |         (d (2 s + 1)) (grid + delta)
QK_INLINE void IQ1_S(const uint8_t *restrict block, float *restrict values) {
    const float d = halfAt(block);
    for (size_t g = 0; g < 32; g++) {
        const uint32_t rest = shortAt(block + 34 + 2 * (g / 4));
        const float scale = d * (float)(2 * (int32_t)(rest >> 12 & 7) + 1);
        const size_t index = block[2 + g] | (size_t)(rest >> 3 * (g % 4) & 7) << 8;
        point1(iq1sGrid[index], scale, rest & 0x8000 ? -1 : 1, values + 8 * g);
    }
}

//       0                   32                                        48                                      56
// IQ1_M | 32 bytes: indices | 32 nibbles: 3 upper bits, sign of delta | 4 words: 4 x 3 bits of s, 4 bits of d |
//
// (d (2 s + 1)) (grid + delta). d is a float16 of the highest nibbles of the words, the lowest nibble first. The s of part i: in
// word i / 2, from bit 6 (i % 2) on, three bits for the first two groups and three for the others.
QK_INLINE void IQ1_M(const uint8_t *restrict block, float *restrict values) {
    uint32_t half = 0;
    for (size_t k = 0; k < 4; k++) half |= (uint32_t)(shortAt(block + 48 + 2 * k) >> 12) << 4 * k;
    const float d = widenF16((uint16_t)half);
    for (size_t g = 0; g < 32; g++) {
        const size_t i = g / 4, l = g % 4;
        const uint32_t scales = shortAt(block + 48 + 2 * (i / 2)), nibble = block[32 + g / 2] >> 4 * (g % 2) & 15;
        const float scale = d * (float)(2 * (int32_t)(scales >> (6 * (i % 2) + 3 * (l / 2)) & 7) + 1);
        point1(iq1sGrid[block[g] | (size_t)(nibble & 7) << 8], scale, nibble & 8 ? -1 : 1, values + 8 * g);
    }
}

QK_DECODER(IQ2_XXS)
QK_DECODER(IQ2_XS)
QK_DECODER(IQ2_S)
QK_DECODER(IQ3_XXS)
QK_DECODER(IQ3_S)
QK_DECODER(IQ1_S)
QK_DECODER(IQ1_M)
