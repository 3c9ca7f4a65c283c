#include "qk_blocksWeighted.h"

#include "qk_blocks_searches.h"

// The searches of ggml where an importance matrix is given. Drawings of the blocks: qk_blocks_simple.c, _super.c, _table.c.

/// The sum of squares, one after another.
QK_INLINE float squaresOf(const float *x, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) sum += x[i] * x[i];
    return sum;
}

/// Weights of 8 groups of `count` elements: importance times the root of `mean` and the square.
QK_INLINE void weightsOf8(
    size_t count, const eightFloats *x, const float *importance, eightFloats mean, eightFloats *weights
) {
    takeGroups(importance, count, weights);
    for (size_t j = 0; j < count; j++) weights[j] *= rootsOf8(mean + x[j] * x[j]);
}

// MARK: - Scales of scales

/// A scale for 8 numbers that are not negative, and their codes from 0 to 63, by weighted squares; at last single codes are moved.
QK_INLINE float sixBitScale(const float *x, const float *weights, uint8_t *codes) {
    enum { COUNT = 8, LARGEST = 63 };
    const float most = greatest(x, COUNT);
    memset(codes, 0, COUNT);
    if (most < QK_NOTHING) return 0;
    float bestFactor = LARGEST / most, best = 0;
    for (int32_t k = -5; k <= 4; k++) {
        // The first one is that without a step; it does not stop at the largest code, which it does not pass.
        if (k == 0) continue;
        const float factor = k == -5 ? bestFactor : (0.1f * (float)k + LARGEST) / most, scale = 1 / factor;
        float error = 0;
        for (size_t i = 0; i < COUNT; i++) {
            int32_t code = nearestInteger(factor * x[i]);
            if (k > -5 && code > LARGEST) code = LARGEST;
            const float difference = x[i] - scale * (float)code;
            error += weights[i] * difference * difference;
        }
        if (k > -5 && error >= best) continue;
        best = error;
        bestFactor = factor;
    }
    float sumXL = 0, sumL2 = 0;
    for (size_t i = 0; i < COUNT; i++) {
        const int32_t code = nearestInteger(bestFactor * x[i]);
        codes[i] = (uint8_t)(code < LARGEST ? code : LARGEST);
        sumXL += weights[i] * x[i] * (float)codes[i];
        sumL2 += weights[i] * (float)codes[i] * (float)codes[i];
    }
    for (int32_t round = 0; round < 5; round++) {
        bool isChanged = false;
        for (size_t i = 0; i < COUNT; i++) {
            float otherXL = sumXL - weights[i] * x[i] * (float)codes[i], otherL2 = sumL2 - weights[i] * (float)codes[i] * (float)codes[i];
            if (!(otherXL > 0 && otherL2 > 0)) continue;
            const int32_t nearest = nearestInteger(x[i] * otherL2 / otherXL), code = nearest < LARGEST ? nearest : LARGEST;
            if (code == codes[i]) continue;
            otherXL += weights[i] * x[i] * (float)code;
            otherL2 += weights[i] * (float)code * (float)code;
            if (!(otherXL * otherXL * sumL2 > sumXL * sumXL * otherL2)) continue;
            codes[i] = (uint8_t)code;
            sumXL = otherXL;
            sumL2 = otherL2;
            isChanged = true;
        }
        if (!isChanged) break;
    }
    return sumL2 > 0 ? sumXL / sumL2 : 0;
}

// MARK: - K

QK_INLINE bool weighEightGroups(
    const search s, const float *restrict values, const float *importance, uint8_t *restrict head, uint8_t *restrict codes
) {
    eightFloats x[32], weights[32], sum = allOf(0);
    takeGroups(values, 32, x);
    weightsOf8(32, x, importance, allOf(2 * squaresOf(values, 256) / 256), weights);
    for (size_t j = 0; j < 32; j++) sum += weights[j];
    float sums[8];
    memcpy(sums, &sum, 32);
    fit f;
    searchWithMinimum(s, x, weights, &f);
    uint8_t scales[8], minimums[8];
    const float d = storeHalf(sixBitScale(f.scale, sums, scales), head);
    const float dmin = storeHalf(sixBitScale(f.minimum, sums, minimums), head + 2);
    memset(head + 4, 0, 12);
    for (size_t g = 0; g < 8; g++) {
        storeSixBits(head, g, scales[g], minimums[g]);
        finalCodes(
            values + 32 * g, 32, d * (float)scales[g], dmin * (float)minimums[g], f.factor[g], f.lowest[g], s.largestCode,
            codes + 32 * g);
    }
    return isFiniteFit(&f) && isFiniteHalf(head) && isFiniteHalf(head + 2);
}

QK_INLINE bool weigh_Q4_K(const float *restrict values, const float *importance, uint8_t *restrict block) {
    uint8_t codes[256];
    const bool isFinite = weighEightGroups((search){32, 15, -0.9f, 0.05f, 36, false}, values, importance, block, codes);
    joinPairsOfGroups(codes, block + 16);
    return isFinite;
}

QK_INLINE bool weigh_Q5_K(const float *restrict values, const float *importance, uint8_t *restrict block) {
    uint8_t codes[256];
    const bool isFinite = weighEightGroups((search){32, 31, -0.9f, 0.05f, 36, false}, values, importance, block, codes);
    joinFiveBits(codes, block + 16);
    return isFinite;
}

QK_INLINE bool weigh_Q6_K(const float *restrict values, const float *importance, uint8_t *restrict block) {
    float scales[16], factors[16];
    for (size_t i = 0; i < 2; i++) {
        eightFloats x[16], weights[16];
        takeGroups(values + 128 * i, 16, x);
        takeGroups(importance + 128 * i, 16, weights);
        searchWithoutMinimum(16, 32, x, weights, scales + 8 * i, factors + 8 * i);
    }
    return storeQ6K(values, scales, factors, block);
}

QK_INLINE bool weigh_IQ4_XS(const float *restrict values, const float *importance, uint8_t *restrict block) {
    eightFloats x[32], weights[32];
    float scales[8];
    takeGroups(values, 32, x);
    weightsOf8(32, x, importance, allOf(squaresOf(values, 256) * (2.0f / 256)), weights);
    searchInTable(x, weights, scales);
    return storeIQ4XS(values, scales, block);
}

/// Rows of blocks of 256.
#define QK_WEIGHER(format) \
    QK_INLINE void format##_weighRun( \
        const float *values, size_t rowCount, size_t columnCount, const float *importance, uint8_t *blocks, size_t *firstUnsound) { \
        const size_t inRow = columnCount / 256; \
        for (size_t i = 0; i < rowCount * inRow; i++) { \
            const float *x = values + 256 * i; \
            if (areFinite(x, 256) && weigh_##format(x, importance + i % inRow * 256, blocks + i * BYTES_##format)) continue; \
            *firstUnsound = i; \
            return; \
        } \
    } \
    static QK_FOR_LEVELS( \
        format##_weighAt, format##_weighRun, (values, rowCount, columnCount, importance, blocks, firstUnsound), const float *values, \
        size_t rowCount, size_t columnCount, const float *importance, uint8_t *blocks, size_t *firstUnsound)

QK_WEIGHER(Q4_K)
QK_WEIGHER(Q5_K)
QK_WEIGHER(Q6_K)
QK_WEIGHER(IQ4_XS)

// MARK: - Blocks of 32

/// Eight blocks at a time, the codes of each with its scale, and perhaps its minimum.
typedef struct {
    float scales[8], minimums[8], factors[8], lowest[8];
} blockFits;

QK_INLINE void weigh_IQ4_NL(const float *values, const eightFloats *x, const float *importance, eightFloats mean, blockFits *f) {
    (void)values;
    (void)mean;
    eightFloats weights[32], sum = allOf(0);
    for (size_t j = 0; j < 32; j++) sum += x[j] * x[j];
    weightsOf8(32, x, importance, sum * allOf(2.0f / 32), weights);
    searchInTable(x, weights, f->scales);
}

QK_INLINE void weighSigned(int32_t limit, const eightFloats *x, const float *importance, eightFloats mean, blockFits *f) {
    eightFloats weights[32];
    weightsOf8(32, x, importance, mean, weights);
    searchWithoutMinimum(32, limit, x, weights, f->scales, f->factors);
}

QK_INLINE void weighRange(int32_t largest, const eightFloats *x, const float *importance, eightFloats mean, blockFits *f) {
    eightFloats weights[32];
    weightsOf8(32, x, importance, mean, weights);
    fit found;
    searchWithMinimum((search){32, largest, -0.9f, 0.05f, 36, false}, x, weights, &found);
    memcpy(f->scales, found.scale, 32);
    memcpy(f->minimums, found.minimum, 32);
    memcpy(f->factors, found.factor, 32);
    memcpy(f->lowest, found.lowest, 32);
}

QK_INLINE bool storeSigned(const float *x, int32_t limit, const blockFits *f, size_t i, uint8_t *restrict block) {
    uint8_t codes[32];
    for (size_t j = 0; j < 32; j++)
        codes[j] = f->factors[i] != 0 ? (uint8_t)(clampedInteger(f->factors[i] * x[j], -limit, limit - 1) + limit) : 0;
    storeHalf(f->scales[i], block);
    if (limit == 16) joinFifthBits(codes, block + 2);
    joinNibbles(codes, block + (limit == 16 ? 6 : 2));
    return isFiniteHalf(block);
}

QK_INLINE bool storeRange(const float *x, int32_t largest, const blockFits *f, size_t i, uint8_t *restrict block) {
    uint8_t codes[32];
    for (size_t j = 0; j < 32; j++) codes[j] = (uint8_t)clampedInteger(f->factors[i] * (x[j] - f->lowest[i]), 0, largest);
    storeHalf(f->scales[i], block);
    storeHalf(-f->minimums[i], block + 2);
    if (largest == 31) joinFifthBits(codes, block + 4);
    joinNibbles(codes, block + (largest == 31 ? 8 : 4));
    return isFiniteHalf(block) && isFiniteHalf(block + 2);
}

#define STORE_NL(x, f, i, block) (storeHalf((f)->scales[i], block), encodeNibbles(x, (f)->scales[i], (block) + 2), isFiniteHalf(block))

/// `weigh` finds what eight blocks need, `store` stores one of them.
#define QK_SMALL_WEIGHER(format, weigh, store) \
    QK_INLINE void format##_weighRun( \
        const float *values, size_t rowCount, size_t columnCount, const float *importance, uint8_t *blocks, size_t *firstUnsound) { \
        const size_t inRow = columnCount / 32; \
        for (size_t row = 0; row < rowCount; row++) { \
            const float *start = values + row * columnCount; \
            const eightFloats mean = allOf(squaresOf(start, columnCount) / (float)columnCount); \
            for (size_t first = 0; first < inRow; first += 8) { \
                const size_t count = inRow - first < 8 ? inRow - first : 8; \
                float padded[256] = {0}, weights[256] = {0}; \
                memcpy(padded, start + 32 * first, 4 * 32 * count); \
                memcpy(weights, importance + 32 * first, 4 * 32 * count); \
                eightFloats x[32]; \
                takeGroups(padded, 32, x); \
                blockFits f; \
                weigh; \
                for (size_t i = 0; i < count; i++) { \
                    uint8_t *block = blocks + (row * inRow + first + i) * BYTES_##format; \
                    if (areFinite(padded + 32 * i, 32) && (store)) continue; \
                    *firstUnsound = row * inRow + first + i; \
                    return; \
                } \
            } \
        } \
    } \
    static QK_FOR_LEVELS( \
        format##_weighAt, format##_weighRun, (values, rowCount, columnCount, importance, blocks, firstUnsound), const float *values, \
        size_t rowCount, size_t columnCount, const float *importance, uint8_t *blocks, size_t *firstUnsound)

QK_SMALL_WEIGHER(IQ4_NL, weigh_IQ4_NL(padded, x, weights, mean, &f), STORE_NL(padded + 32 * i, &f, i, block))
QK_SMALL_WEIGHER(Q4_0, weighSigned(8, x, weights, mean, &f), storeSigned(padded + 32 * i, 8, &f, i, block))
QK_SMALL_WEIGHER(Q5_0, weighSigned(16, x, weights, mean, &f), storeSigned(padded + 32 * i, 16, &f, i, block))
QK_SMALL_WEIGHER(Q4_1, weighRange(15, x, weights, mean, &f), storeRange(padded + 32 * i, 15, &f, i, block))
QK_SMALL_WEIGHER(Q5_1, weighRange(31, x, weights, mean, &f), storeRange(padded + 32 * i, 31, &f, i, block))

// MARK: - All of them

typedef void weigher(qk_simd, const float *, size_t, size_t, const float *, uint8_t *, size_t *);

static weigher *weigherOf(const qk_blockFormat *format) {
    switch (format->identifier) {
    case 2: return Q4_0_weighAt;
    case 3: return Q4_1_weighAt;
    case 6: return Q5_0_weighAt;
    case 7: return Q5_1_weighAt;
    case 12: return Q4_K_weighAt;
    case 13: return Q5_K_weighAt;
    case 14: return Q6_K_weighAt;
    case 20: return IQ4_NL_weighAt;
    case 23: return IQ4_XS_weighAt;
    default: return NULL;
    }
}

bool qk_blocks_areWeighted(const qk_blockFormat *format) { return weigherOf(format) != NULL; }

size_t qk_blocks_encodeWeighted(
    qk_simd level, const qk_blockFormat *format, const float *values, size_t rowCount, size_t columnCount, const float *importance,
    uint8_t *blocks
) {
    size_t firstUnsound = rowCount * (columnCount / format->elementCount);
    weigherOf(format)(level, values, rowCount, columnCount, importance, blocks, &firstUnsound);
    return firstUnsound;
}
