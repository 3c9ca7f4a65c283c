/// Private: searches for the scales of eight groups at a time, whatever their errors count, and what is stored for these scales.
#ifndef QK_BLOCKS_SEARCHES_H
#define QK_BLOCKS_SEARCHES_H

#include "qk_blocks_lanes.h"
#include "qk_blocks_tables.h"

// MARK: - Codes in bytes

/// The lower half of the first 16 codes and of the others.
QK_INLINE void joinNibbles(const uint8_t *restrict codes, uint8_t *restrict bytes) {
    for (size_t j = 0; j < 16; j++) bytes[j] = (uint8_t)((codes[j] & 15) | (codes[16 + j] & 15) << 4);
}

QK_INLINE void joinFifthBits(const uint8_t *restrict codes, uint8_t *restrict bytes) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 32; j++) bits |= (uint32_t)(codes[j] >> 4) << j;
    memcpy(bytes, &bits, 4);
}

/// The six bits of the scale and the minimum of group g, in the 12 bytes that follow two float16. In ascending order.
QK_INLINE void storeSixBits(uint8_t *restrict head, size_t g, uint8_t scale, uint8_t minimum) {
    if (g < 4) {
        head[4 + g] = scale;
        head[8 + g] = minimum;
    } else {
        head[8 + g] = (uint8_t)((scale & 15) | (minimum & 15) << 4);
        head[g] |= (uint8_t)(scale >> 4 << 6);
        head[4 + g] |= (uint8_t)(minimum >> 4 << 6);
    }
}

// MARK: - With a minimum

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

/// Lower nibbles of two groups in the bytes of a block.
QK_INLINE void joinPairsOfGroups(const uint8_t *restrict codes, uint8_t *restrict bytes) {
    for (size_t k = 0; k < 4; k++)
        for (size_t l = 0; l < 32; l++)
            bytes[32 * k + l] = (uint8_t)((codes[64 * k + l] & 15) | (codes[64 * k + 32 + l] & 15) << 4);
}

/// 256 codes of five bits: the fifth ones first.
QK_INLINE void joinFiveBits(const uint8_t *restrict codes, uint8_t *restrict bytes) {
    for (size_t l = 0; l < 32; l++) {
        uint8_t fifth = 0;
        for (size_t g = 0; g < 8; g++) fifth |= (uint8_t)(codes[32 * g + l] >> 4 << g);
        bytes[l] = fifth;
    }
    joinPairsOfGroups(codes, bytes + 32);
}

// MARK: - Without a minimum

/// Sums of 8 groups, for the codes that a factor gives.
QK_INLINE void sumsOfCodes8(
    size_t count, int32_t limit, eightFloats factor, const eightFloats *x, const eightFloats *weights, eightFloats *sumXL,
    eightFloats *sumL2
) {
    eightFloats sumOfProducts = allOf(0), sumOfSquares = allOf(0);
    for (size_t j = 0; j < count; j++) {
        const eightFloats code = clampedIntegers8(factor * x[j], -limit, limit - 1);
        sumOfProducts += weights[j] * x[j] * code;
        sumOfSquares += weights[j] * code * code;
    }
    *sumXL = sumOfProducts;
    *sumL2 = sumOfSquares;
}

/// Scales of 8 groups without a minimum, and the factors that give their codes, `clamped(factor * element)`, from -limit to limit - 1: 0 for
/// a group of nothing.
QK_INLINE void searchWithoutMinimum(
    size_t count, int32_t limit, const eightFloats *x, const eightFloats *weights, float scales[8], float factors[8]
) {
    eightFloats sumXL, sumL2;
    const eightFloats largest = signedLargest8(x, count);
    eightFloats bestFactor = allOf(-(float)limit) / largest;
    sumsOfCodes8(count, limit, bestFactor, x, weights, &sumXL, &sumL2);
    eightFloats scale = select8(sumL2 != allOf(0), sumXL / sumL2, allOf(0)), best = scale * sumXL;
    for (int32_t k = -9; k <= 9; k++) {
        if (k == 0) continue;
        const eightFloats factor = allOf(-((float)limit + 0.1f * (float)k)) / largest;
        sumsOfCodes8(count, limit, factor, x, weights, &sumXL, &sumL2);
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

/// A block of Q6_K, whose groups have these scales. Whether all is finite.
QK_INLINE bool storeQ6K(
    const float *restrict values, const float scales[16], const float factors[16], uint8_t *restrict block
) {
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

// MARK: - In a table

/// The nearest values of the table, the greater one of two. Between neighbours the middle decides; all middles are halves.
QK_INLINE eightFloats nearestOfTable8(eightFloats x) {
    eightFloats nearest = allOf(qk_nonlinear[0]);
    UNROLL for (size_t i = 1; i < 16; i++) {
        const float middle = 0.5f * (float)(qk_nonlinear[i - 1] + qk_nonlinear[i]);
        const float step = (float)(qk_nonlinear[i] - qk_nonlinear[i - 1]);
        nearest += (eightFloats)((x >= allOf(middle)) & (eightBits)allOf(step));
    }
    return nearest;
}

QK_INLINE uint8_t nearestCode(float x) {
    uint8_t code = 0;
    UNROLL for (size_t i = 1; i < 16; i++) code += 2 * x >= (float)(qk_nonlinear[i - 1] + qk_nonlinear[i]);
    return code;
}

/// Sums of 8 groups of 32, for the values that a factor gives.
QK_INLINE void sumsInTable8(
    eightFloats factor, const eightFloats *x, const eightFloats *weights, eightFloats *sumQX, eightFloats *sumQ2
) {
    eightFloats sumOfProducts = allOf(0), sumOfSquares = allOf(0);
    for (size_t j = 0; j < 32; j++) {
        const eightFloats q = nearestOfTable8(factor * x[j]);
        sumOfProducts += weights[j] * q * x[j];
        sumOfSquares += weights[j] * q * q;
    }
    *sumQX = sumOfProducts;
    *sumQ2 = sumOfSquares;
}

/// Scales of 8 groups of 32 in the table, not rounded yet; 0 for a group of nothing.
QK_INLINE void searchInTable(const eightFloats *x, const eightFloats *weights, float scales[8]) {
    eightFloats sumQX, sumQ2;
    const eightFloats largest = signedLargest8(x, 32);
    sumsInTable8(allOf(1) / (-largest / allOf(qk_nonlinear[0])), x, weights, &sumQX, &sumQ2);
    eightFloats d = select8(sumQ2 > allOf(0), sumQX / sumQ2, allOf(0)), best = d * sumQX;
    for (int32_t k = -7; k <= 7; k++) {
        sumsInTable8(allOf((float)k + (float)qk_nonlinear[0]) / largest, x, weights, &sumQX, &sumQ2);
        const eightFloats next = sumQX / sumQ2;
        const eightBits isBetter = (sumQ2 > allOf(0)) & (sumQX * sumQX > best * sumQ2);
        d = select8(isBetter, next, d);
        best = select8(isBetter, next * sumQX, best);
    }
    d = select8(magnitudes8(largest) < allOf(QK_NOTHING), allOf(0), d);
    memcpy(scales, &d, 32);
}

/// 32 codes for a scale, as nibbles.
QK_INLINE void encodeNibbles(const float *restrict x, float scale, uint8_t *restrict bytes) {
    const float inverse = scale != 0 ? 1 / scale : 0;
    uint8_t codes[32];
    for (size_t j = 0; j < 32; j++) codes[j] = nearestCode(inverse * x[j]);
    for (size_t j = 0; j < 16; j++) bytes[j] = (uint8_t)(codes[j] | codes[16 + j] << 4);
}

/// A block of IQ4_XS, whose groups have these scales. Whether all is finite.
QK_INLINE bool storeIQ4XS(const float *restrict values, const float scales[8], uint8_t *restrict block) {
    const float d = -signedLargest(scales, 8) / 32, inverse = d != 0 ? 1 / d : 0;
    storeHalf(d, block);
    uint32_t upper = 0;
    memset(block + 4, 0, 4);
    for (size_t g = 0; g < 8; g++) {
        const int32_t multiple = clampedInteger(inverse * scales[g], -32, 31);
        encodeNibbles(values + 32 * g, d * (float)multiple, block + 8 + 16 * g);
        const uint32_t stored = (uint32_t)(multiple + 32);
        block[4 + g / 2] |= (uint8_t)((stored & 15) << 4 * (g % 2));
        upper |= stored >> 4 << 2 * g;
    }
    const uint16_t word = (uint16_t)upper;
    memcpy(block + 2, &word, 2);
    return areFinite(scales, 8) && isFiniteHalf(block);
}

#endif
