/// Products of 4-bit weights with activations of 8 bits, in integers: for those who take speed before the last digits.
///
/// A code stands for one of 16 signed bytes k, at the scale at which these are nearest to the quant map (`qk_matmul8_prepare`). Of
/// activations 8 neighbours share a scale, which is a multiple m a of one for the row, with m of 14 bits:
///
///     M = max|x| of the row,  a = M / (127 * 16383)
///     m = ceil(16383 max|x| / M) of 8 neighbours,  q = round(x * (127 * 16383 / M / m)) to nearest even       (M < 1e-30: all 0)
///
/// 64 weights of a row lie in one block and have one constant w. They are summed in 8 lanes of those neighbours, S = sum of q k exactly;
/// lanes of all blocks are added in order, and then the lanes:
///
///     y[lane] = fma(float(S[lane] m[lane]), w, y[lane])
///     y = (((y0 + y4) + (y2 + y6)) + ((y1 + y5) + (y3 + y7))) * (a * unit)
///
/// |S m| is below 2^31, and each operation is rounded to float32 by itself, so the same bits come out on every level, and whether a row of
/// x is multiplied alone or with others.
///
/// Beside q, what a level needs of it is kept. AVX2 multiplies magnitudes, as unsigned bytes, with codes that have taken the signs, in 16
/// bits (a pair is at most 2 * 127^2), and sums these, times m, in 32. Unsigned bytes of VNNI are k + 128, and -128 times the sum of q in
/// each lane is where its sums begin; they meet m as float32, which rounds the same product once as well.
#ifndef QK_MATMUL8_H
#define QK_MATMUL8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qk_matrix.h"

enum {
    /// Bytes that a quantized row takes for 64 elements.
    QK_MATMUL8_BYTES = 160,
};

/// Finds the bytes that stand for the codes of a packed matrix, and their unit. Without it, and with other storage, the matrix is not
/// supported.
void qk_matmul8_prepare(qk_matrix *matrix);

/// Whether these products are defined for the matrix: prepared codes whose rows are whole groups of 64 in blocks of at least 64.
bool qk_matmul8_supports(const qk_matrix *matrix);

/// Quantizes row `row` of `rowCount` rows of x for `qk_matmul8_dots_at` on the same level, to its place among them. A row is whole groups
/// of 64, takes QK_MATMUL8_BYTES for each, and has one scale; that of a row that is not finite is not.
void qk_matmul8_quantize_at(
    qk_simd level, const float *x, size_t columnCount, size_t row, size_t rowCount, uint8_t *quantized, float *scales);

/// y[t][row - firstRow] = row . x[t] for `rowCount` rows and `vectorCount` quantized rows of x.
void qk_matmul8_dots_at(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const uint8_t *quantized, const float *scales,
    size_t vectorCount, float *y, size_t yStride);

#endif
