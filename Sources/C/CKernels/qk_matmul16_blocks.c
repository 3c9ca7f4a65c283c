#include "qk_matmul16_blocks.h"

bool qk_matmul16_takesBlocks(const qk_matrix *matrix) {
    switch (matrix->blockFormat->identifier) {
    case IS_Q4_0: case IS_Q4_1: case IS_Q5_0: case IS_Q5_1: case IS_Q8_0: case IS_Q4_K: case IS_Q5_K: case IS_Q6_K:
        return matrix->columnCount % GROUP == 0;
    default: return false;
    }
}

QK_INLINE void quantizeSpans(blockKind kind, const float *x, size_t count, int16_t *quantized, float *scales) {
    const size_t span = xSpanOf(kind);
    for (size_t start = 0; start < count; start += span) {
        int16_t natural[CHUNK];
        const float scale = quantizeGroup(x + start, span, ACTIVATION_LIMIT, natural);
        for (size_t g = 0; g < span / GROUP; g++) {
            scales[start / GROUP + g] = scale;
            for (size_t i = 0; i < GROUP; i++)
                quantized[start + GROUP * g + i] = natural[GROUP * g + elementOf(kind, i / 16, i % 16)];
        }
    }
}

QK_INLINE void quantizeAny(const qk_matrix *matrix, const float *x, int16_t *quantized, float *scales) {
    QK_FOR_KINDS(quantizeSpans, matrix, x, matrix->columnCount, quantized, scales)
}

QK_FOR_LEVELS(
    qk_matmul16_quantizeForBlocks_at, quantizeAny, (matrix, x, quantized, scales), const qk_matrix *matrix, const float *x,
    int16_t *quantized, float *scales)

/// Rows of a tile, the rest of each chunk behind its integers.
QK_INLINE void takeRows(
    blockKind kind, const qk_matrix *m, size_t row, size_t rowCount, size_t column, size_t count, int16_t *tile
) {
    const size_t rowBytes = bytesOf(kind, m->columnCount);
    const uint8_t *blocks = m->values + row * rowBytes + bytesOf(kind, column);
    for (size_t i = 0; i < rowCount; i++, blocks += rowBytes, tile += QK_MATMUL16_STRIDE) {
        chunkTail tail = {{0}, {0}};
        takeChunk(kind, blocks, count, tile, &tail);
        memcpy(tile + CHUNK, &tail, sizeof tail);
    }
}

QK_INLINE void takeAnyRows(const qk_matrix *m, size_t row, size_t rowCount, size_t column, size_t count, int16_t *tile) {
    QK_FOR_KINDS(takeRows, m, m, row, rowCount, column, count, tile)
}

QK_FOR_LEVELS(
    qk_matmul16_expandBlocks, takeAnyRows, (matrix, row, rowCount, column, count, tile), const qk_matrix *matrix, size_t row,
    size_t rowCount, size_t column, size_t count, int16_t *tile)
