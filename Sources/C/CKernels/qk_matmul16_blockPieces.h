/// Private: rows of blocks, and pieces of x that are multiplied with them.
#ifndef QK_MATMUL16_BLOCKPIECES_H
#define QK_MATMUL16_BLOCKPIECES_H

#include "qk_matmul16_blocks.h"
#include "qk_matmul16_neon.h"

/// Rows that are multiplied together, and one piece of their columns.
typedef struct {
    /// Blocks of the piece. Beyond the last row: the last row again.
    const uint8_t *rows[ROWS];
    /// What is read after these rows: their successors' piece.
    const uint8_t *ahead;
    /// From a row to the next where the piece is a part of each; 0 where it is all of them.
    size_t rowBytes;
    size_t count;
} blockPiece;

/// Asks for the successor of `byteCount` bytes at `offset` of a row; of whole rows, whose successors are one run, for what comes in its
/// turn as it lies in memory.
QK_INLINE void fetchAhead(const blockPiece *p, size_t row, size_t offset, size_t byteCount) {
    const uint8_t *ahead = p->ahead + (p->rowBytes ? offset + row * p->rowBytes : ROWS * offset + row * byteCount);
    for (size_t i = 0; i < byteCount; i += 64) __builtin_prefetch(ahead + i, 0, 3);
}

/// A piece of a row of x: integers, a scale for each 64, the sum of each 32 that are a block or a group (of those with nibbles or minimums).
typedef struct {
    const int16_t *values;
    const float *scales;
    const int32_t *sums;
} xPiece;

#if defined(__x86_64__)
/// sums += rows . x
void qk_matmul16_addPieceAVX2(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]);
#elif defined(__aarch64__)
/// Float16 numbers of 4 rows.
QK_INLINE float32x4_t halvesOfFour(const uint8_t *const rows[4], size_t offset) {
    const uint16x4_t halves = {
        shortAt(rows[0] + offset), shortAt(rows[1] + offset), shortAt(rows[2] + offset), shortAt(rows[3] + offset)};
    return widenFourHalves(halves);
}

/// Adds sums of a span of each row: `fma(float(sums), d * xScale, total)`, d being at `offset`.
QK_INLINE void addSpan(
    const blockPiece *p, const int32x4_t products[ROWS], size_t offset, float xScale, float32x4_t totals[2]
) {
    UNROLL for (size_t i = 0; i < 2; i++)
        totals[i] = addScaled(sumsOfFour(products + 4 * i), halvesOfFour(p->rows + 4 * i, offset), xScale, totals[i]);
}

/// sums += rows . x
void qk_matmul16_addPieceNEON(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]);
/// The same with what `qk_matmul16_fillPlanes` has made of the values of x.
void qk_matmul16_addPieceDOT(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]);
/// 2 `count` bytes: `count` integers of x in planes, see `qk_matmul16_blockDotsDOT.c`.
void qk_matmul16_fillPlanes(const qk_matrix *matrix, const int16_t *x, size_t count, int8_t *planes);
#endif

#endif
