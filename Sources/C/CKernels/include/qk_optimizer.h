/// Steps of optimizers.
#ifndef QK_OPTIMIZER_H
#define QK_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// Constants of one AdamW step, rounded from double once; `beta` and `1 - beta` are rounded apart, as PyTorch does.
typedef struct {
    /// 1 - learning rate * weight decay.
    float decay;
    /// 1 - beta1, beta2, 1 - beta2.
    float gain1, keep2, gain2;
    /// learning rate / (1 - beta1^t), and sqrt(1 - beta2^t).
    float stepSize, correction2;
    float epsilon;
    /// What gradients are multiplied with first.
    float gradientScale;
} qk_adamw;

/// One AdamW step on `count` parameters: decoupled decay, then the moments, then the update, in PyTorch's order.
void qk_adamw_step_at(
    qk_simd level, qk_adamw c, const float *gradients, size_t count, float *moments1, float *moments2, float *parameters);

/// p = decay * p - rate * scale * gradient.
void qk_sgd_step_at(
    qk_simd level, float decay, float rate, float scale, const float *gradients, size_t count, float *parameters);

/// Codes each of `count` values as the nearest of the ascending `map`, after division by the largest magnitude of its
/// block; that magnitude goes to `absmax`. A block of zeros has absmax 0.
void qk_moments_encode(const float map[256], const float *values, size_t count, size_t blockSize, uint8_t *codes, float *absmax);

/// values[i] = map[codes[i]] * absmax of its block.
void qk_moments_decode(
    const float map[256], const uint8_t *codes, const float *absmax, size_t count, size_t blockSize, float *values);

/// Sum of squares in double precision.
void qk_sumOfSquares_at(qk_simd level, const float *values, size_t count, double *sum);

#endif
