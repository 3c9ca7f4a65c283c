#include "qk_blocks_lanes.h"

// The search that ggml makes for scales and minimums of its "K-quants", where no importance matrix is given. Drawings of the
// blocks: qk_blocks_super.c.

/// How the minimum and the scale of a group are looked for.
typedef struct {
    size_t count;
    int32_t largestCode;
    /// Trial k divides the range by `largestCode + first + step * k`.
    float first, step;
    int32_t lastTrial;
    /// Errors count by their magnitude, not by their square.
    bool byMagnitude;
} search;

/// Of 8 groups.
typedef struct {
    /// Elements are near `scale * code - minimum`. Neither is negative, but for a scale where nothing fits.
    float scale[8], minimum[8];
    /// The codes: `clamped(factor * (element - lowest))`.
    float factor[8], lowest[8];
} fit;

QK_INLINE eightFloats codesOf8(eightFloats factor, eightFloats lowest, eightFloats x, int32_t largestCode) {
    return clampedIntegers8(factor * (x - lowest), 0, largestCode);
}

QK_INLINE eightFloats weightedError(
    const search s, const eightFloats *x, const eightFloats *weights, const eightFloats *codes, eightFloats scale,
    eightFloats lowest
) {
    eightFloats sum = allOf(0);
    for (size_t j = 0; j < s.count; j++) {
        const eightFloats difference = scale * codes[j] + lowest - x[j];
        sum += weights[j] * (s.byMagnitude ? magnitudes8(difference) : difference * difference);
    }
    return sum;
}

/// Weighted least squares, from several first guesses of the codes. Each guess begins at the best minimum that was found so far.
QK_INLINE void searchWithMinimum(const search s, const eightFloats *x, const eightFloats *weights, fit *result) {
    eightFloats least = x[0], most = x[0], sumW = weights[0], sumX = weights[0] * x[0];
    for (size_t j = 1; j < s.count; j++) {
        least = select8(x[j] < least, x[j], least);
        most = select8(x[j] > most, x[j], most);
        sumW += weights[j];
        sumX += weights[j] * x[j];
    }
    eightFloats lowest = select8(least > allOf(0), allOf(0), least);
    const eightBits isFlat = most == lowest;
    const eightFloats flatMinimum = -lowest;
    eightFloats codes[32];
    eightFloats factor = allOf((float)s.largestCode) / (most - lowest), scale = allOf(1) / factor;
    for (size_t j = 0; j < s.count; j++) codes[j] = codesOf8(factor, lowest, x[j], s.largestCode);
    eightFloats best = weightedError(s, x, weights, codes, scale, lowest), bestFactor = factor, bestLowest = lowest;
    for (int32_t k = 0; k <= s.lastTrial; k++) {
        factor = allOf(s.first + s.step * (float)k + (float)s.largestCode) / (most - lowest);
        eightFloats sumL = allOf(0), sumL2 = allOf(0), sumXL = allOf(0);
        for (size_t j = 0; j < s.count; j++) {
            const eightFloats code = codesOf8(factor, lowest, x[j], s.largestCode), weighted = weights[j] * code;
            codes[j] = code;
            sumL += weighted;
            sumL2 += weighted * code;
            sumXL += weighted * x[j];
        }
        const eightFloats determinant = sumW * sumL2 - sumL * sumL;
        eightFloats newScale = (sumW * sumXL - sumX * sumL) / determinant;
        eightFloats newLowest = (sumL2 * sumX - sumL * sumXL) / determinant;
        const eightBits isAbove = newLowest > allOf(0);
        newLowest = select8(isAbove, allOf(0), newLowest);
        newScale = select8(isAbove, sumXL / sumL2, newScale);
        const eightFloats error = weightedError(s, x, weights, codes, newScale, newLowest);
        const eightBits isBetter = (determinant > allOf(0)) & (error < best);
        best = select8(isBetter, error, best);
        bestFactor = select8(isBetter, factor, bestFactor);
        bestLowest = select8(isBetter, lowest, bestLowest);
        scale = select8(isBetter, newScale, scale);
        lowest = select8(isBetter, newLowest, lowest);
    }
    scale = select8(isFlat, allOf(0), scale);
    lowest = select8(isFlat, flatMinimum, -lowest);
    bestFactor = select8(isFlat, allOf(0), bestFactor);
    memcpy(result->scale, &scale, 32);
    memcpy(result->minimum, &lowest, 32);
    memcpy(result->factor, &bestFactor, 32);
    memcpy(result->lowest, &bestLowest, 32);
}

/// Whether sums stayed within float32. Where one did not, ggml goes on with what is left; the values are far beyond the scales of
/// float16 then.
QK_INLINE bool isFiniteFit(const fit *f) { return areFinite(f->scale, 8) && areFinite(f->minimum, 8); }

/// 0 where none is greater.
QK_INLINE float greatest(const float *values, size_t count) {
    float greatest = 0;
    for (size_t i = 0; i < count; i++) greatest = values[i] > greatest ? values[i] : greatest;
    return greatest;
}

/// Codes of `count` elements for the scale and minimum as they are stored; where there is no scale, those of the search.
QK_INLINE void finalCodes(
    const float *restrict x, size_t count, float scale, float minimum, float factor, float lowest, int32_t largestCode,
    uint8_t *restrict codes
) {
    if (scale != 0)
        for (size_t j = 0; j < count; j++) codes[j] = (uint8_t)clampedInteger((x[j] + minimum) / scale, 0, largestCode);
    else
        for (size_t j = 0; j < count; j++) codes[j] = (uint8_t)clampedInteger(factor * (x[j] - lowest), 0, largestCode);
}

/// The multiple of greatest / 63 that is nearest, as a byte, at most 63.
QK_INLINE uint8_t sixBits(float inverse, float value) {
    const uint8_t nearest = (uint8_t)nearestInteger(inverse * value);
    return nearest < 63 ? nearest : 63;
}

/// The head of Q4_K and Q5_K, and the codes of all elements. Whether all is finite.
QK_INLINE bool encodeEightGroups(const search s, const float *restrict values, uint8_t *restrict head, uint8_t *restrict codes) {
    eightFloats x[32], weights[32], sum = allOf(0);
    takeGroups(values, 32, x);
    for (size_t j = 0; j < 32; j++) sum += x[j] * x[j];
    const eightFloats root = rootsOf8(sum / allOf(32));
    for (size_t j = 0; j < 32; j++) weights[j] = root + magnitudes8(x[j]);
    fit f;
    searchWithMinimum(s, x, weights, &f);
    const float maxScale = greatest(f.scale, 8), maxMinimum = greatest(f.minimum, 8);
    const float inverseScale = maxScale > 0 ? 63.0f / maxScale : 0, inverseMinimum = maxMinimum > 0 ? 63.0f / maxMinimum : 0;
    const float d = storeHalf(maxScale / 63.0f, head), dmin = storeHalf(maxMinimum / 63.0f, head + 2);
    memset(head + 4, 0, 12);
    for (size_t g = 0; g < 8; g++) {
        const uint8_t scale = sixBits(inverseScale, f.scale[g]), minimum = sixBits(inverseMinimum, f.minimum[g]);
        if (g < 4) {
            head[4 + g] = scale;
            head[8 + g] = minimum;
        } else {
            head[8 + g] = (uint8_t)((scale & 15) | (minimum & 15) << 4);
            head[g] |= (uint8_t)(scale >> 4 << 6);
            head[4 + g] |= (uint8_t)(minimum >> 4 << 6);
        }
        finalCodes(
            values + 32 * g, 32, d * (float)scale, dmin * (float)minimum, f.factor[g], f.lowest[g], s.largestCode, codes + 32 * g);
    }
    return isFiniteFit(&f) && isFiniteHalf(head) && isFiniteHalf(head + 2);
}

/// Lower nibbles of two groups in the bytes of a block.
QK_INLINE void joinPairsOfGroups(const uint8_t *restrict codes, uint8_t *restrict bytes) {
    for (size_t k = 0; k < 4; k++)
        for (size_t l = 0; l < 32; l++)
            bytes[32 * k + l] = (uint8_t)((codes[64 * k + l] & 15) | (codes[64 * k + 32 + l] & 15) << 4);
}

QK_INLINE bool encode_Q4_K(const float *restrict values, uint8_t *restrict block) {
    uint8_t codes[256];
    const bool isFinite = encodeEightGroups((search){32, 15, -1, 0.1f, 20, false}, values, block, codes);
    joinPairsOfGroups(codes, block + 16);
    return isFinite;
}

QK_INLINE bool encode_Q5_K(const float *restrict values, uint8_t *restrict block) {
    uint8_t codes[256];
    const bool isFinite = encodeEightGroups((search){32, 31, -0.5f, 0.1f, 15, false}, values, block, codes);
    for (size_t l = 0; l < 32; l++) {
        uint8_t fifth = 0;
        for (size_t g = 0; g < 8; g++) fifth |= (uint8_t)(codes[32 * g + l] >> 4 << g);
        block[16 + l] = fifth;
    }
    joinPairsOfGroups(codes, block + 48);
    return isFinite;
}

QK_INLINE bool encode_Q2_K(const float *restrict values, uint8_t *restrict block) {
    const search s = {16, 3, -0.5f, 0.1f, 15, true};
    fit fits[2];
    for (size_t i = 0; i < 2; i++) {
        eightFloats x[16], weights[16];
        takeGroups(values + 128 * i, 16, x);
        for (size_t j = 0; j < 16; j++) weights[j] = magnitudes8(x[j]);
        searchWithMinimum(s, x, weights, &fits[i]);
    }
    float maxScale = greatest(fits[0].scale, 8), maxMinimum = greatest(fits[0].minimum, 8);
    const float otherScale = greatest(fits[1].scale, 8), otherMinimum = greatest(fits[1].minimum, 8);
    maxScale = otherScale > maxScale ? otherScale : maxScale;
    maxMinimum = otherMinimum > maxMinimum ? otherMinimum : maxMinimum;
    const float inverseScale = maxScale > 0 ? 15.0f / maxScale : 0, inverseMinimum = maxMinimum > 0 ? 15.0f / maxMinimum : 0;
    const float d = storeHalf(maxScale / 15.0f, block + 80), dmin = storeHalf(maxMinimum / 15.0f, block + 82);
    uint8_t codes[256];
    for (size_t g = 0; g < 16; g++) {
        const fit *f = &fits[g / 8];
        const uint32_t scale = (uint32_t)nearestInteger(inverseScale * f->scale[g % 8]);
        const uint32_t minimum = (uint32_t)nearestInteger(inverseMinimum * f->minimum[g % 8]);
        block[g] = (uint8_t)(scale | minimum << 4);
        finalCodes(
            values + 16 * g, 16, d * (float)(block[g] & 15), dmin * (float)(block[g] >> 4), f->factor[g % 8], f->lowest[g % 8],
            s.largestCode, codes + 16 * g);
    }
    joinPlanes(codes, block + 16);
    return isFiniteFit(&fits[0]) && isFiniteFit(&fits[1]) && isFiniteHalf(block + 80) && isFiniteHalf(block + 82);
}

QK_ENCODER(Q2_K)
QK_ENCODER(Q4_K)
QK_ENCODER(Q5_K)
