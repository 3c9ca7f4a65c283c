/// Private: what kernels know of each way to store a weight. A new one is a row of the table in qk_matrix.c.
#ifndef QK_ENCODINGS_H
#define QK_ENCODINGS_H

#include <stdbool.h>

#include "qk_matrix.h"

/// Rows from `firstRow` on times few vectors, as `qk_matdot_at` is given them.
typedef struct {
    const qk_matrix *matrix;
    size_t firstRow, rowCount;
    const float *x;
    size_t xStride;
    float *y;
    size_t yStride;
} qk_products;

typedef struct {
    /// Elements `column` to `column + count` of a row as float32: with this alone a weight can be multiplied, a piece at a time.
    void (*expand)(qk_simd level, const qk_matrix *matrix, size_t row, size_t column, size_t count, float *destination);
    /// Products with rows as they lie, with the bits of those of expanded rows; null, or false for one it does not take.
    bool (*dots)(qk_simd level, qk_products products, size_t vectorCount);
    /// Whether `qk_matmul16` multiplies such a weight in integers; null for none.
    bool (*hasIntegers)(const qk_matrix *matrix);
} qk_encoding;

const qk_encoding *qk_encoding_of(const qk_matrix *matrix);

bool qk_matdot_dense(qk_simd level, qk_products products, size_t vectorCount);
bool qk_matmul16_takesPacked(const qk_matrix *matrix);
bool qk_matmul16_takesBytes(const qk_matrix *matrix);
bool qk_matmul16_takesBlocks(const qk_matrix *matrix);

#endif
