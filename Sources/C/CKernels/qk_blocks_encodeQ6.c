#include "qk_blocks_lanes.h"

// The search that ggml makes for scales without a minimum. Drawing of the block: qk_blocks_super.c.

/// Sums of 8 groups of 16, for the codes that a factor gives.
QK_INLINE void sumsOf8(
    eightFloats factor, const eightFloats *x, const eightFloats *weights, eightFloats *sumXL, eightFloats *sumL2
) {
    eightFloats sumOfProducts = allOf(0), sumOfSquares = allOf(0);
    for (size_t j = 0; j < 16; j++) {
        const eightFloats code = clampedIntegers8(factor * x[j], -32, 31);
        sumOfProducts += weights[j] * x[j] * code;
        sumOfSquares += weights[j] * code * code;
    }
    *sumXL = sumOfProducts;
    *sumL2 = sumOfSquares;
}

/// Scales of 8 groups of 16 without a minimum, and the factors that give their codes, `clamped(factor * element)`: 0 for a group
/// of nothing.
QK_INLINE void searchWithoutMinimum(const float *values, float scales[8], float factors[8]) {
    eightFloats x[16], weights[16], sumXL, sumL2;
    takeGroups(values, 16, x);
    for (size_t j = 0; j < 16; j++) weights[j] = x[j] * x[j];
    const eightFloats largest = signedLargest8(x, 16);
    eightFloats bestFactor = allOf(-32) / largest;
    sumsOf8(bestFactor, x, weights, &sumXL, &sumL2);
    eightFloats scale = select8(sumL2 != allOf(0), sumXL / sumL2, allOf(0)), best = scale * sumXL;
    for (int32_t k = -9; k <= 9; k++) {
        if (k == 0) continue;
        const eightFloats factor = allOf(-(32.0f + 0.1f * (float)k)) / largest;
        sumsOf8(factor, x, weights, &sumXL, &sumL2);
        const eightFloats newScale = sumXL / sumL2;
        const eightBits isBetter = (sumL2 > allOf(0)) & (sumXL * sumXL > best * sumL2);
        scale = select8(isBetter, newScale, scale);
        best = select8(isBetter, newScale * sumXL, best);
        bestFactor = select8(isBetter, factor, bestFactor);
    }
    const eightBits isNothing = magnitudes8(largest) < allOf(QK_NOTHING);
    scale = select8(isNothing, allOf(0), scale);
    bestFactor = select8(isNothing, allOf(0), bestFactor);
    memcpy(scales, &scale, 32);
    memcpy(factors, &bestFactor, 32);
}

/// Codes of a group of Q6_K for the scale as it is stored; where there is none, those of the search.
QK_INLINE void finalSignedCodes(const float *restrict x, float scale, float factor, uint8_t *restrict codes) {
    if (scale != 0)
        for (size_t j = 0; j < 16; j++) codes[j] = (uint8_t)(clampedInteger(x[j] / scale, -32, 31) + 32);
    else if (factor != 0)
        for (size_t j = 0; j < 16; j++) codes[j] = (uint8_t)(clampedInteger(factor * x[j], -32, 31) + 32);
    else
        memset(codes, 0, 16);
}

// Where a sum is beyond float32 the scale is NaN, and ggml passes over it. Such values are far beyond the scales of float16.

QK_INLINE bool encode_Q6_K(const float *restrict values, uint8_t *restrict block) {
    float scales[16], factors[16];
    for (size_t i = 0; i < 2; i++) searchWithoutMinimum(values + 128 * i, scales + 8 * i, factors + 8 * i);
    const float largest = signedLargest(scales, 16);
    if (largest < QK_NOTHING && largest > -QK_NOTHING) {
        memset(block, 0, BYTES_Q6_K);
        return areFinite(scales, 16);
    }
    const float inverse = -128.0f / largest, d = storeHalf(1 / inverse, block + 208);
    uint8_t codes[256], upper[256];
    for (size_t g = 0; g < 16; g++) {
        const int32_t nearest = nearestInteger(inverse * scales[g]);
        block[192 + g] = (uint8_t)(nearest < 127 ? nearest : 127);
        finalSignedCodes(values + 16 * g, d * (float)(int8_t)block[192 + g], factors[g], codes + 16 * g);
    }
    for (size_t c = 0; c < 2; c++)
        for (size_t l = 0; l < 64; l++)
            block[64 * c + l] = (uint8_t)((codes[128 * c + l] & 15) | (codes[128 * c + 64 + l] & 15) << 4);
    for (size_t i = 0; i < 256; i++) upper[i] = codes[i] >> 4;
    joinPlanes(upper, block + 128);
    return areFinite(scales, 16) && isFiniteHalf(block + 208);
}

QK_ENCODER(Q6_K)
