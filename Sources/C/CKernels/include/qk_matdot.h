/// Products of rows, or columns, of a stored matrix with few vectors, in float32.
#ifndef QK_MATDOT_H
#define QK_MATDOT_H

#include <stddef.h>

#include "qk_matrix.h"

enum {
    /// Vectors that are multiplied at once.
    QK_MATDOT_VECTORS = 4,
    /// Columns that `qk_matdot_columns_at` takes at once.
    QK_MATDOT_COLUMNS = 512,
};

/// y[t][row - firstRow] = row . x[t], for `rowCount` rows and at most QK_MATDOT_VECTORS vectors.
///
/// Element i belongs to lane i % 32, each lane a chain of fused multiply-adds; the lanes are added in halves. The same bits
/// on every level and for any number of vectors.
void qk_matdot_at(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const float *x, size_t xStride,
    size_t vectorCount, float *y, size_t yStride);

/// y[t][column - firstColumn] = sum over rows of x[t][row] and the row's element, for at most QK_MATDOT_COLUMNS columns and
/// QK_MATDOT_VECTORS vectors of `rowCount` elements.
///
/// Each sum is in pieces of QK_MATMUL_DEPTH rows, as in `qk_matmul.h`: the same bits as there.
void qk_matdot_columns_at(
    qk_simd level, const qk_matrix *matrix, size_t firstColumn, size_t columnCount, const float *x, size_t xStride,
    size_t vectorCount, float *y, size_t yStride);

#endif
