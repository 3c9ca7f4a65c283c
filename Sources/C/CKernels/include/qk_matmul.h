/// Products of float32 matrices, a tile at a time.
///
///     tile [rows][depth]    one operand, row by row, QK_MATMUL_STRIDE floats from row to row
///     panel [depth][width]  the other one, `width` columns beside each other
///     c [rows][width]       += tile . panel
///
/// Depth is cut into pieces of QK_MATMUL_DEPTH. Each element of a piece is one chain of fused multiply-adds in ascending
/// order, starting at 0, and the pieces are added in order: the same bits on every level and for any cutting into tiles.
#ifndef QK_MATMUL_H
#define QK_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "qk_matrix.h"
#include "qk_simd.h"

enum {
    QK_MATMUL_DEPTH = 256,
    /// Not a power of two: rows would share cache lines' places.
    QK_MATMUL_STRIDE = 272,
    /// The largest width of a panel.
    QK_MATMUL_WIDTH = 32,
};

/// Columns of a panel: 16, or 32 with AVX-512.
size_t qk_matmul_width(qk_simd level);

/// c = or += tile . panel, for at most QK_MATMUL_DEPTH of `depth`. All `width` columns of c are written.
void qk_matmul_tile_at(
    qk_simd level, const float *tile, size_t rows, size_t depth, const float *panel, float *c, size_t cStride, bool adds);

/// The panel whose column j is row j of x (depth elements, `stride` apart from row to row); columns from `rows` on are 0.
void qk_matmul_panel_at(qk_simd level, const float *x, size_t stride, size_t rows, size_t depth, float *panel);

/// Panels of `depth` rows of a stored matrix from `row` on, and `columnCount` of its columns: ceil(columnCount / width) panels
/// one after the other. Columns beyond `columnCount` are 0.
void qk_matmul_expandPanels_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t depth, size_t column, size_t columnCount, float *panels);

/// destination [columnCount][rowCount] = source [rowCount][columnCount] transposed.
void qk_matmul_transpose_at(
    qk_simd level, const float *source, size_t sourceStride, size_t rowCount, size_t columnCount, float *destination,
    size_t stride);

/// result [rowCount][columnCount] = alpha tile + beta result; where beta is 0 the result is not read.
void qk_matmul_store_at(
    qk_simd level, const float *tile, size_t tileStride, size_t rowCount, size_t columnCount, float alpha, float beta,
    float *result, size_t stride);

/// The same with a tile that is [columnCount][rowCount].
void qk_matmul_storeTransposed_at(
    qk_simd level, const float *tile, size_t tileStride, size_t rowCount, size_t columnCount, float alpha, float beta,
    float *result, size_t stride);

#endif
