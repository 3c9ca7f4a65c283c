/// Elements of a product of two thin matrices, as LoRA adds them to a weight.
#ifndef QK_LOWRANK_H
#define QK_LOWRANK_H

#include <stddef.h>

#include "qk_simd.h"

/// Elements `start` .. `start + count` (row by row) of `scale * (left @ right)`.
///
///     left   [rows, rank]      right  [rank, columns]      element (i, j) = scale * sum over k of left[i, k] * right[k, j]
///
/// The sum is taken in the order of k, each step one fused multiply-add, then multiplied once: the same bits on every
/// level and wherever the elements are cut, and those of PyTorch's float32 product of matrices of this kind.
///
/// - adds: whether the elements are added to what `out` holds (one more rounding) instead of replacing it.
void qk_lowRank(
    const float *left, const float *right, size_t rank, size_t columns, float scale, size_t start, size_t count, int adds, float *out);
void qk_lowRank_at(
    qk_simd level, const float *left, const float *right, size_t rank, size_t columns, float scale, size_t start, size_t count, int adds,
    float *out);

#endif
