/// Private: rows of blocks, and pieces of x that are multiplied with them.
#ifndef QK_MATMUL16_BLOCKPIECES_H
#define QK_MATMUL16_BLOCKPIECES_H

#include "qk_matmul16_blocks.h"

/// Rows that are multiplied together, and one piece of their columns.
typedef struct {
    /// Blocks of the piece. Beyond the last row: the last row again.
    const uint8_t *rows[ROWS];
    /// From a row's piece to that of the row that is multiplied after it.
    size_t nextRow;
    size_t count;
} blockPiece;

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
/// sums += rows . x
void qk_matmul16_addPieceNEON(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]);
/// The same with what `qk_matmul16_fillPlanes` has made of the values of x.
void qk_matmul16_addPieceDOT(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]);
/// 2 `count` bytes: `count` integers of x in planes, see `qk_matmul16_blockDotsDOT.c`.
void qk_matmul16_fillPlanes(const qk_matrix *matrix, const int16_t *x, size_t count, int8_t *planes);
#endif

#endif
