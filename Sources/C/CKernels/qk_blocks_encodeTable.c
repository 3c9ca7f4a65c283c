#include "qk_blocks_lanes.h"
#include "qk_blocks_tables.h"

// Codes that stand for values of a table: the scale is searched for as ggml does. Drawings: qk_blocks_table.c.

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
QK_INLINE void sumsOf8(
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

/// Scales of 8 groups of 32, not rounded yet; 0 for a group of nothing.
QK_INLINE void searchInTable(const float *values, float scales[8]) {
    eightFloats x[32], weights[32], sumQX, sumQ2;
    takeGroups(values, 32, x);
    for (size_t j = 0; j < 32; j++) weights[j] = x[j] * x[j];
    const eightFloats largest = signedLargest8(x, 32);
    sumsOf8(allOf(1) / (-largest / allOf(qk_nonlinear[0])), x, weights, &sumQX, &sumQ2);
    eightFloats d = select8(sumQ2 > allOf(0), sumQX / sumQ2, allOf(0)), best = d * sumQX;
    for (int32_t k = -7; k <= 7; k++) {
        sumsOf8(allOf((float)k + (float)qk_nonlinear[0]) / largest, x, weights, &sumQX, &sumQ2);
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

QK_INLINE bool encode_IQ4_XS(const float *restrict values, uint8_t *restrict block) {
    float scales[8];
    searchInTable(values, scales);
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

QK_ENCODER(IQ4_XS)

/// Eight blocks at a time; the last ones with zeros behind them.
QK_INLINE void IQ4_NL_encodeRun(const float *values, size_t blockCount, uint8_t *blocks, size_t *firstUnsound) {
    for (size_t start = 0; start < blockCount; start += 8) {
        const size_t count = blockCount - start < 8 ? blockCount - start : 8;
        float padded[256] = {0}, scales[8];
        const float *x = values + 32 * start;
        if (count < 8) x = memcpy(padded, x, 4 * 32 * count);
        searchInTable(x, scales);
        for (size_t i = 0; i < count; i++) {
            uint8_t *block = blocks + (start + i) * BYTES_IQ4_NL;
            storeHalf(scales[i], block);
            encodeNibbles(x + 32 * i, scales[i], block + 2);
            if (areFinite(x + 32 * i, 32) && isFiniteHalf(block)) continue;
            *firstUnsound = start + i;
            return;
        }
    }
}

static QK_FOR_LEVELS(
    IQ4_NL_encodeAt, IQ4_NL_encodeRun, (values, blockCount, blocks, firstUnsound), const float *values, size_t blockCount,
    uint8_t *blocks, size_t *firstUnsound)

size_t qk_encode_IQ4_NL(qk_simd level, const float *values, size_t blockCount, uint8_t *blocks) {
    size_t firstUnsound = blockCount;
    IQ4_NL_encodeAt(level, values, blockCount, blocks, &firstUnsound);
    return firstUnsound;
}
