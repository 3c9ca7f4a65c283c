#include "qk_blocks_searches.h"

// Codes that stand for values of a table: the scale is searched for as ggml does. Drawings: qk_blocks_table.c.

/// Errors count by the squares of the elements.
QK_INLINE void searchBySquares(const float *values, float scales[8]) {
    eightFloats x[32], weights[32];
    takeGroups(values, 32, x);
    for (size_t j = 0; j < 32; j++) weights[j] = x[j] * x[j];
    searchInTable(x, weights, scales);
}

QK_INLINE bool encode_IQ4_XS(const float *restrict values, uint8_t *restrict block) {
    float scales[8];
    searchBySquares(values, scales);
    return storeIQ4XS(values, scales, block);
}

QK_ENCODER(IQ4_XS)

/// Eight blocks at a time; the last ones with zeros behind them.
QK_INLINE void IQ4_NL_encodeRun(const float *values, size_t blockCount, uint8_t *blocks, size_t *firstUnsound) {
    for (size_t start = 0; start < blockCount; start += 8) {
        const size_t count = blockCount - start < 8 ? blockCount - start : 8;
        float padded[256] = {0}, scales[8];
        const float *x = values + 32 * start;
        if (count < 8) x = memcpy(padded, x, 4 * 32 * count);
        searchBySquares(x, scales);
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
