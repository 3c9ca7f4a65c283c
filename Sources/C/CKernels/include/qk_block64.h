/// Blocks of 64 x 64 doubles, of which symmetric and triangular matrices are made.
///
///     block (I, J) of a matrix:   element [c][r] is the one of row 64 I + r and column 64 J + c
///
/// Columns lie together, so that one loop serves products and factors alike. Every element is one chain of fused multiply-adds in
/// ascending order that begins with what it was: the same bits on every level and wherever a sum is cut.
#ifndef QK_BLOCK64_H
#define QK_BLOCK64_H

#include <stdbool.h>
#include <stddef.h>

#include "qk_simd.h"

enum {
    QK_BLOCK64 = 64,
    QK_BLOCK64_COUNT = 64 * 64,
};

/// c[i][j] += the sum over k below `depth` of a[k][i] b[k][j], or -= where `subtracts`; rows of 64 everywhere.
void qk_block64_multiply_at(qk_simd level, const double *a, const double *b, size_t depth, bool subtracts, double *c);

/// block = block + sums, of as many floats.
void qk_block64_add_at(qk_simd level, const float *sums, double *block);

/// block = factor block.
void qk_block64_scale_at(qk_simd level, double factor, double *block);

/// The Cholesky factor of a symmetric block in its place, 0 above the diagonal.
///
/// - Returns: whether it is positive definite; if not, nothing about the block is known.
bool qk_block64_factor(qk_simd level, double *block);

/// block = block times the inverse of the transposed `factor`, a triangular block.
void qk_block64_solve_at(qk_simd level, const double *factor, double *block);

/// The block of the reversed matrix, in its place: element [c][r] becomes [63 - r][63 - c] divided by `divisors[c]`.
void qk_block64_reverse(double *block, const double *divisors);

#endif
