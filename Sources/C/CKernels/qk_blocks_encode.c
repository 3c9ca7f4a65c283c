#include "qk_blocks_searches.h"

// Blocks of 32 with one scale, and perhaps an offset: no search. Drawings: qk_blocks_simple.c.

enum { BLOCK = 32 };

/// Bits of 32 floats. As signed integers the greatest is the greatest float that is not negative, if there is one; without a sign
/// it is the negative one of the largest magnitude, if there is one.
typedef struct {
    eightBits vectors[BLOCK / 8];
} blockBits;

typedef uint32_t eightUnsigned __attribute__((vector_size(32)));

QK_INLINE blockBits bitsOfBlock(const float *x) {
    blockBits bits;
    memcpy(&bits, x, sizeof bits);
    return bits;
}

QK_INLINE int32_t greatestSigned(const blockBits *bits) {
    eightBits greatest = bits->vectors[0];
    for (size_t i = 1; i < BLOCK / 8; i++) greatest = __builtin_elementwise_max(greatest, bits->vectors[i]);
    return __builtin_reduce_max(greatest);
}

QK_INLINE uint32_t greatestUnsigned(const blockBits *bits) {
    eightUnsigned greatest = (eightUnsigned)bits->vectors[0];
    for (size_t i = 1; i < BLOCK / 8; i++) greatest = __builtin_elementwise_max(greatest, (eightUnsigned)bits->vectors[i]);
    return __builtin_reduce_max(greatest);
}

/// The value of the largest magnitude, with its sign; the first of several. +0 where all are zero.
QK_INLINE float signedLargestOfBlock(const float *restrict x) {
    const blockBits bits = bitsOfBlock(x);
    const int32_t greatest = greatestSigned(&bits);
    const uint32_t largest = greatestUnsigned(&bits);
    const uint32_t positive = greatest > 0 ? (uint32_t)greatest : 0, negative = largest >> 31 ? largest & 0x7fffffff : 0;
    if (positive != negative) return floatOf(positive > negative ? positive : largest);
    if (positive == 0) return 0;
    for (size_t j = 0; j < BLOCK; j++)
        if ((bitsOf(x[j]) & 0x7fffffff) == negative) return x[j];
    __builtin_unreachable();
}

/// Bits of a float as an integer that is ordered as floats are, -0 before 0, and back.
QK_INLINE int32_t orderedBits(int32_t bits) { return bits ^ (int32_t)((uint32_t)(bits >> 31) >> 1); }

/// The least and the greatest; of equal ones the first.
QK_INLINE void rangeOfBlock(const float *restrict x, float *least, float *greatest) {
    blockBits bits = bitsOfBlock(x);
    for (size_t i = 0; i < BLOCK / 8; i++) bits.vectors[i] ^= bits.vectors[i] >> 31 & 0x7fffffff;
    const int32_t high = greatestSigned(&bits);
    // The greatest complement.
    for (size_t i = 0; i < BLOCK / 8; i++) bits.vectors[i] = ~bits.vectors[i];
    const int32_t low = ~greatestSigned(&bits);
    *least = floatOf((uint32_t)orderedBits(low));
    *greatest = floatOf((uint32_t)orderedBits(high));
    if (*least != 0) return;
    // Of zeros of both signs the first is stored.
    for (size_t j = 0; j < BLOCK; j++) {
        if (x[j] != 0) continue;
        *least = x[j];
        if (*greatest == 0) *greatest = x[j];
        return;
    }
}

/// 1 / d, and 0 for 0. Infinite for subnormal d, which as a float16 are 0, too: the codes mean nothing then, and are 0.
QK_INLINE float inverseOf(float d) { return d != 0 ? 1 / d : 0; }

QK_INLINE bool isInfinite(float value) { return (bitsOf(value) & 0x7fffffff) == 0x7f800000; }

/// `truncated((x - offset) * inverse + rounding)`, at most `largest`.
QK_INLINE void truncatedCodes(
    const float *restrict x, float offset, float inverse, float rounding, int32_t largest, uint8_t *restrict codes
) {
    if (isInfinite(inverse)) {
        memset(codes, 0, BLOCK);
        return;
    }
    for (size_t j = 0; j < BLOCK; j++) {
        const int32_t code = (int32_t)((x[j] - offset) * inverse + rounding);
        codes[j] = (uint8_t)(code < largest ? code : largest);
    }
}

QK_INLINE bool encode_Q4_0(const float *restrict x, uint8_t *restrict block) {
    uint8_t codes[BLOCK];
    const float d = signedLargestOfBlock(x) / -8;
    storeHalf(d, block);
    if (!isFiniteHalf(block)) return false;
    truncatedCodes(x, 0, inverseOf(d), 8.5f, 15, codes);
    joinNibbles(codes, block + 2);
    return true;
}

QK_INLINE bool encode_Q5_0(const float *restrict x, uint8_t *restrict block) {
    uint8_t codes[BLOCK];
    const float d = signedLargestOfBlock(x) / -16;
    storeHalf(d, block);
    if (!isFiniteHalf(block)) return false;
    truncatedCodes(x, 0, inverseOf(d), 16.5f, 31, codes);
    joinFifthBits(codes, block + 2);
    joinNibbles(codes, block + 6);
    return true;
}

/// d and m, and the codes.
QK_INLINE void encodeRange(const float *restrict x, int32_t largest, uint8_t *restrict block, uint8_t *restrict codes) {
    float least, greatest;
    rangeOfBlock(x, &least, &greatest);
    const float d = (greatest - least) / (float)largest;
    storeHalf(d, block);
    storeHalf(least, block + 2);
    truncatedCodes(x, least, inverseOf(d), 0.5f, largest, codes);
}

QK_INLINE bool encode_Q4_1(const float *restrict x, uint8_t *restrict block) {
    uint8_t codes[BLOCK];
    encodeRange(x, 15, block, codes);
    joinNibbles(codes, block + 4);
    return isFiniteHalf(block) && isFiniteHalf(block + 2);
}

QK_INLINE bool encode_Q5_1(const float *restrict x, uint8_t *restrict block) {
    uint8_t codes[BLOCK];
    encodeRange(x, 31, block, codes);
    joinFifthBits(codes, block + 4);
    joinNibbles(codes, block + 8);
    return isFiniteHalf(block) && isFiniteHalf(block + 2);
}

QK_INLINE bool encode_Q8_0(const float *restrict x, uint8_t *restrict block) {
    blockBits bits = bitsOfBlock(x);
    for (size_t i = 0; i < BLOCK / 8; i++) bits.vectors[i] &= 0x7fffffff;
    const float d = floatOf(greatestUnsigned(&bits)) / 127, inverse = inverseOf(d);
    storeHalf(d, block);
    if (!isFiniteHalf(block)) return false;
    int8_t *restrict codes = (int8_t *)block + 2;
    if (isInfinite(inverse)) {
        memset(codes, 0, BLOCK);
        return true;
    }
    for (size_t j = 0; j < BLOCK; j++) {
        // Halves go away from zero: with the float below 0.5 added, sums round to the next integer from them on, and not before.
        const float scaled = x[j] * inverse;
        codes[j] = (int8_t)(scaled + __builtin_copysignf(0x1.fffffep-2f, scaled));
    }
    return true;
}

QK_CHECKING_ENCODER(Q4_0)
QK_ENCODER(Q4_1)
QK_CHECKING_ENCODER(Q5_0)
QK_ENCODER(Q5_1)
QK_CHECKING_ENCODER(Q8_0)
