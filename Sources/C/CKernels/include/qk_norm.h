/// Norms of rows, forward and backward.
///
/// Sums are held in 16 lanes of doubles, element i in lane i % 16: every level gives the same bits.
#ifndef QK_NORM_H
#define QK_NORM_H

#include <stdbool.h>
#include <stddef.h>

#include "qk_simd.h"

typedef struct {
    /// `width` floats; `bias` may be null.
    const float *weight, *bias;
    size_t width;
    float epsilon;
    /// LayerNorm, y = (x - mean) / sqrt(variance + epsilon) * w + bias with the variance of all values (divided by width),
    /// instead of RMSNorm, y = x / sqrt(mean(x^2) + epsilon) * w, which has no bias.
    bool centers;
    /// w is weight + 1 instead of weight.
    bool addsOne;
    /// Rows that have weights of their own, `stride` floats from one to the next: row r has those of r % period. At least 1.
    size_t period, stride;
} qk_norm;

/// y = norm(x) for rows one after another: RMSNorm within 3 ulp, LayerNorm within 4 of the larger of y and bias. `y` may be `x`.
///
/// - `means`, `reciprocals`: one float a row, of the mean (LayerNorm only) and the reciprocal root, for the backward pass; or null
void qk_norm_at(
    qk_simd level, const qk_norm *norm, const float *x, size_t rows, float *means, float *reciprocals, float *y);

/// dx += the gradient through the norm. Spans do not overlap.
void qk_norm_backward_at(
    qk_simd level, const qk_norm *norm, const float *dy, const float *x, size_t rows, const float *means,
    const float *reciprocals, float *dx);

/// dweight += sum over rows of dy * normalized x, for `columns` columns of rows that are `stride` floats apart; `means` is null for
/// RMSNorm. Statistics are `step` floats apart. Rows are added in order.
void qk_norm_weightGradient_at(
    qk_simd level, const float *dy, const float *x, const float *means, const float *reciprocals, size_t rows, size_t stride,
    size_t step, size_t columns, float *dweight);

#endif
