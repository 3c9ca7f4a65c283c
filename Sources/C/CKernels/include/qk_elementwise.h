/// Sums and products element by element. Every level gives the same bits.
#ifndef QK_ELEMENTWISE_H
#define QK_ELEMENTWISE_H

#include <stdbool.h>
#include <stddef.h>

#include "qk_simd.h"

/// y = e^x, within 1 ulp. `y` may be `x`.
void qk_exp_at(qk_simd level, const float *x, size_t count, float *y);

/// x *= factor.
void qk_scale_at(qk_simd level, float factor, size_t count, float *x);

/// y += x in each row of y: a bias, or with one row any sum.
void qk_addToRows_at(qk_simd level, const float *x, size_t rows, size_t width, float *y);

/// sums += each row of x in order, `columns` columns of rows that are `width` long: the gradient of a bias.
void qk_addRows_at(qk_simd level, const float *x, size_t rows, size_t width, size_t columns, float *sums);

/// y = x, but limit or -limit beyond them; NaN stays NaN. `y` may be `x`.
void qk_clamp_at(qk_simd level, float limit, const float *x, size_t count, float *y);

/// gradients = 0 where the clamping of x has changed it: the backward pass.
void qk_clamp_backward_at(qk_simd level, float limit, const float *x, size_t count, float *gradients);

/// Heads that are rotated: the first 2 `half` of their `headWidth` floats are pairs, the rest stays.
typedef struct {
    size_t heads, headWidth, half;
    /// Pairs are (2i, 2i + 1) instead of (i, i + half).
    bool neighbours;
} qk_rotation;

/// Rotates pairs of each head by the angles of its row, in place: (a, b) -> (a cos - b sin, b cos + a sin), the second product
/// of each rounded and the first fused. With `sign` -1 instead of 1 it turns back, which is the backward pass.
///
/// - `x`: rows of heads, `stride` floats from row to row
/// - `cosines`, `sines`: `half` of each per row, one row after another
void qk_rotate_at(
    qk_simd level, const qk_rotation *rotation, float *x, size_t rows, size_t stride, const float *cosines, const float *sines,
    float sign);

#endif
