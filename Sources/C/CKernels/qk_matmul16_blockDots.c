#include "qk_matmul16_blockPieces.h"

// Rows of blocks against few rows of x.

enum {
    /// Columns that are multiplied before the next rows are taken: sums of x are kept for as many.
    PIECE = 4096,
    /// Rows of x that are multiplied with a piece before the next piece.
    VECTORS = 8,
};

QK_INLINE void addPieceScalar(blockKind kind, const blockPiece *p, xPiece x, float sums[ROWS]) {
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t start = 0; start < p->count; start += CHUNK) {
            const size_t count = p->count - start < CHUNK ? p->count - start : CHUNK, span = spanOf(kind);
            int16_t values[CHUNK], other[CHUNK];
            chunkTail tail;
            takeChunk(kind, p->rows[row] + bytesOf(kind, start), count, values, &tail);
            inOrderOfTiles(kind, x.values + start, count, other);
            for (size_t s = 0; s < count / span; s++) {
                int32_t sum = 0;
                for (size_t k = s * span; k < (s + 1) * span; k++) sum += values[k] * other[k];
                const float xScale = x.scales[(start + s * span) / GROUP], d = tail.scales[scaleOf(kind, s)];
                sums[row] = __builtin_fmaf((float)sum, d * xScale, sums[row]);
                if (!hasOffsets(kind)) continue;
                sums[row] = __builtin_fmaf((float)x.sums[start / 32 + s], tail.offsets[s] * xScale, sums[row]);
            }
            if (!hasMinimums(kind)) continue;
            int32_t sum = 0;
            for (size_t g = 0; g < 8; g++) sum += tail.minimums[g] * x.sums[start / 32 + g];
            sums[row] = __builtin_fmaf(-(float)sum, tail.scales[1] * x.scales[start / GROUP], sums[row]);
        }
    }
}

static void addAnyPieceScalar(const qk_matrix *m, const blockPiece *p, xPiece x, float sums[ROWS]) {
    QK_FOR_KINDS(addPieceScalar, m, p, x, sums)
}

/// Sums of the elements of x that are multiplied with a block of 32 nibbles.
static void sumBlocks(const int16_t *x, size_t count, int32_t *sums) {
    for (size_t i = 0; i < count / 32; i++) {
        sums[i] = 0;
        for (size_t run = 0; run < 4; run++)
            for (size_t k = 0; k < 8; k++) sums[i] += x[runOfBlock(i, run) + k];
    }
}

/// Sums of those that are multiplied with a group of Q4_K or Q5_K.
static void sumGroups(const int16_t *x, size_t count, int32_t *sums) {
    for (size_t i = 0; i < count / 32; i++) {
        sums[i] = 0;
        for (size_t run = 0; run < 2; run++)
            for (size_t k = 0; k < 16; k++) sums[i] += x[runOfGroup(i, run) + k];
    }
}

static void addAnyPiece(qk_simd level, const qk_matrix *m, const blockPiece *p, xPiece x, float sums[ROWS]) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: case QK_AVX2: qk_matmul16_addPieceAVX2(m, p, x, sums); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: qk_matmul16_addPieceDOT(m, p, x, sums); return;
    case QK_NEON: qk_matmul16_addPieceNEON(m, p, x, sums); return;
#endif
    default: addAnyPieceScalar(m, p, x, sums);
    }
}

void qk_matmul16_blockDots(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const int16_t *quantized, const float *scales,
    size_t vectorCount, float *y, size_t yStride
) {
    const blockKind kind = (blockKind)matrix->blockFormat->identifier;
    const size_t width = matrix->columnCount, rowBytes = bytesOf(kind, width);
    for (size_t t = 0; t < vectorCount; t++) memset(y + t * yStride, 0, rowCount * sizeof *y);
    for (size_t vector = 0; vector < vectorCount; vector += VECTORS) {
        const size_t vectors = vectorCount - vector < VECTORS ? vectorCount - vector : VECTORS;
        for (size_t first = 0; first < width; first += PIECE) {
            int32_t sums[VECTORS][PIECE / 32];
#if defined(__aarch64__)
            int16_t planes[VECTORS][PIECE];
#endif
            xPiece x[VECTORS];
            blockPiece piece = {{0}, NULL, width > PIECE ? rowBytes : 0, width - first < PIECE ? width - first : PIECE};
            for (size_t t = 0; t < vectors; t++) {
                x[t] = (xPiece){
                    quantized + (vector + t) * width + first, scales + ((vector + t) * width + first) / GROUP, sums[t]};
                if (hasNibbleBlocks(kind)) sumBlocks(x[t].values, piece.count, sums[t]);
                if (hasMinimums(kind)) sumGroups(x[t].values, piece.count, sums[t]);
#if defined(__aarch64__)
                if (level < QK_NEON_DOT) continue;
                qk_matmul16_fillPlanes(matrix, x[t].values, piece.count, (int8_t *)planes[t]);
                x[t].values = planes[t];
#endif
            }
            for (size_t start = 0; start < rowCount; start += ROWS) {
                const size_t count = rowCount - start < ROWS ? rowCount - start : ROWS;
                const uint8_t *blocks = matrix->values + (firstRow + start) * rowBytes + bytesOf(kind, first);
                piece.ahead = blocks + ROWS * rowBytes;
                for (size_t i = 0; i < ROWS; i++) piece.rows[i] = blocks + (i < count ? i : count - 1) * rowBytes;
                for (size_t t = 0; t < vectors; t++) {
                    float *place = y + (vector + t) * yStride + start, totals[ROWS] = {0};
                    memcpy(totals, place, count * sizeof *y);
                    addAnyPiece(level, matrix, &piece, x[t], totals);
                    memcpy(place, totals, count * sizeof *y);
                }
            }
        }
    }
}
