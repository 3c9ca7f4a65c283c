/// Products of 4-bit or 8-bit weights with activations of 13 bits, in integers.
///
/// What follows is about packed codes and bytes. Blocks of GGUF files (Q4_0 to Q5_1, Q8_0, Q4_K to Q6_K) are multiplied with the same
/// functions and in the same manner, but the integers are exact, and scales belong to other numbers of elements:
/// qk_matmul16_blocks.h. Rows of x are quantized for one format each.
///
/// Activations are quantized in groups of 64: q = round(x * 4095 / max|x|), at most 4095 in magnitude, and a float32 scale.
/// A code stands for one of 16 integers of at most 8192 in magnitude (or is a signed byte), and a group of 64 weights of a row
/// lies in one block, so it has one scale. Sums of a group fit 32 bits exactly, and
///
///     y = sum over groups g, in order:  fma(float(sum of q w in g), weightScale[g] * activationScale[g], y)
///
/// with the product of the scales rounded. Each part is one correctly rounded float32 operation on exact integers, so the same
/// bits come out on every level, and whether a row of x is multiplied alone or with others. Against float32 arithmetic the
/// rounding of activations and codes adds a relative error of about 2e-4 of a product's standard deviation.
///
/// Rows of the matrix have a whole number of groups, in blocks of at least 64: see `qk_matmul16_supports`.
#ifndef QK_MATMUL16_H
#define QK_MATMUL16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qk_matrix.h"

enum {
    QK_GROUP = 64,
    /// Rows of weights that are multiplied together in `qk_matmul16_dots`.
    QK_MATMUL16_ROWS = 8,
    /// Depth of a tile, in elements, and the distance of its rows.
    QK_MATMUL16_DEPTH = 256,
    QK_MATMUL16_STRIDE = 288,
};

/// Whether these products are defined for the matrix: packed codes whose rows are whole groups in blocks of at least 64
/// elements, bytes in blocks of 64, or blocks of these four formats whose rows are whole groups.
bool qk_matmul16_supports(const qk_matrix *matrix);

/// Elements of a quantized row: `columnCount` rounded up to whole groups.
size_t qk_matmul16_width(size_t columnCount);

/// Quantizes a row of x for products with `matrix`: `qk_matmul16_width` integers, in the order in which this level unpacks
/// weights, and a scale for each group. What lies below 1e-30 counts as 0; a group with a NaN gets a NaN for its scale.
void qk_matmul16_quantize_at(
    qk_simd level, const qk_matrix *matrix, const float *x, int16_t *quantized, float *scales);

/// A row of QK_MATRIX_BYTES: round(x * 127 / max|x|) for each group, zeros up to whole groups, and max|x| / 127.
void qk_matmul16_bytes(const float *x, size_t count, int8_t *bytes, float *scales);

/// y[t][row - firstRow] = row . x[t] for `rowCount` rows and `vectorCount` quantized rows of x, which lie one after the other.
void qk_matmul16_dots_at(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const int16_t *quantized, const float *scales,
    size_t vectorCount, float *y, size_t yStride);

/// Elements `column` to `column + count` of `rowCount` rows as integers, and their groups' scales; both numbers are whole
/// groups, and at most QK_MATMUL16_DEPTH elements. Rows of the tile are QK_MATMUL16_STRIDE apart, those of the scales
/// QK_MATMUL16_DEPTH / 64.
void qk_matmul16_expand_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t rowCount, size_t column, size_t count, int16_t *tile,
    float *scales);

/// The panel whose column j is quantized row j: pairs of elements, `qk_matmul_width` columns beside each other, for all
/// `qk_matmul16_width` elements; and [groups][width] scales. Columns from `rows` on are 0.
void qk_matmul16_panel_at(
    qk_simd level, const qk_matrix *matrix, const int16_t *quantized, const float *scales, size_t rows, int16_t *panel,
    float *panelScales);

/// c = or += tile . panel, for a depth of whole groups, with a tile of this matrix. `tile` has rows of QK_MATMUL16_STRIDE
/// elements, `tileScales` as many rows of QK_MATMUL16_DEPTH / 64.
void qk_matmul16_tile_at(
    qk_simd level, const qk_matrix *matrix, const int16_t *tile, const float *tileScales, size_t rows, size_t depth,
    const int16_t *panel, const float *panelScales, float *c, size_t cStride, bool adds);

#endif
