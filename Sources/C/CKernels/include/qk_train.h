/// What training needs beside matrix products: each layer's forward pass with its backward pass beside it, and optimizers.
///
///     rows     positions (tokens), each `width` floats, one after another
///     d...     gradient of the loss with respect to what follows
///
/// Sums run over 16 lanes, element i in lane i % 16, whatever the instructions: results are the same bits on every level.
/// Spans do not overlap unless it is said.
#ifndef QK_TRAIN_H
#define QK_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

// Norms

/// y = x / sqrt(mean(x^2) + epsilon) * weight; the reciprocal root of each row is kept for the backward pass.
void qk_rmsnorm_forward(
    const float *x, const float *weight, size_t rows, size_t width, float epsilon, float *reciprocals, float *y);
void qk_rmsnorm_forward_at(
    qk_simd level, const float *x, const float *weight, size_t rows, size_t width, float epsilon, float *reciprocals, float *y);

/// dx += the gradient through the norm.
void qk_rmsnorm_backward(
    const float *dy, const float *x, const float *weight, const float *reciprocals, size_t rows, size_t width, float *dx);
void qk_rmsnorm_backward_at(
    qk_simd level, const float *dy, const float *x, const float *weight, const float *reciprocals, size_t rows, size_t width,
    float *dx);

/// y = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias.
void qk_layernorm_forward(
    const float *x, const float *weight, const float *bias, size_t rows, size_t width, float epsilon, float *means,
    float *reciprocals, float *y);
void qk_layernorm_forward_at(
    qk_simd level, const float *x, const float *weight, const float *bias, size_t rows, size_t width, float epsilon,
    float *means, float *reciprocals, float *y);

/// dx += the gradient through the norm.
void qk_layernorm_backward(
    const float *dy, const float *x, const float *weight, const float *means, const float *reciprocals, size_t rows,
    size_t width, float *dx);
void qk_layernorm_backward_at(
    qk_simd level, const float *dy, const float *x, const float *weight, const float *means, const float *reciprocals,
    size_t rows, size_t width, float *dx);

/// dweight += sum over rows of dy * normalized x, for `columns` columns of rows that are `width` long; `means` is null for
/// RMSNorm. Rows are added in order.
void qk_norm_weightGradient(
    const float *dy, const float *x, const float *means, const float *reciprocals, size_t rows, size_t width, size_t columns,
    float *dweight);
void qk_norm_weightGradient_at(
    qk_simd level, const float *dy, const float *x, const float *means, const float *reciprocals, size_t rows, size_t width,
    size_t columns, float *dweight);

/// dbias += sum over rows of dy, for `columns` columns of rows that are `width` long.
void qk_bias_gradient(const float *dy, size_t rows, size_t width, size_t columns, float *dbias);
void qk_bias_gradient_at(qk_simd level, const float *dy, size_t rows, size_t width, size_t columns, float *dbias);

/// y += bias in each row.
void qk_bias_forward(const float *bias, size_t rows, size_t width, float *y);
void qk_bias_forward_at(qk_simd level, const float *bias, size_t rows, size_t width, float *y);

/// y += x.
void qk_accumulate(const float *x, size_t count, float *y);
void qk_accumulate_at(qk_simd level, const float *x, size_t count, float *y);

// Activations

/// y = gate * sigmoid(gate) * up.
void qk_gatedSilu_forward(const float *gate, const float *up, size_t count, float *y);
void qk_gatedSilu_forward_at(qk_simd level, const float *gate, const float *up, size_t count, float *y);

/// Gradients of both inputs; dy, in `gradients`, is replaced by that of the gate.
void qk_gatedSilu_backward(float *gradients, const float *gate, const float *up, size_t count, float *dup);
void qk_gatedSilu_backward_at(qk_simd level, float *gradients, const float *gate, const float *up, size_t count, float *dup);

/// y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), the GELU of GPT-2.
void qk_geluTanh_forward(const float *x, size_t count, float *y);
void qk_geluTanh_forward_at(qk_simd level, const float *x, size_t count, float *y);

/// The gradient of the input replaces dy in `gradients`.
void qk_geluTanh_backward(float *gradients, const float *x, size_t count);
void qk_geluTanh_backward_at(qk_simd level, float *gradients, const float *x, size_t count);

/// y = x Phi(x) with the normal distribution function Phi, GELU as it is defined.
void qk_gelu_forward(const float *x, size_t count, float *y);
void qk_gelu_forward_at(qk_simd level, const float *x, size_t count, float *y);

/// The gradient of the input replaces dy in `gradients`.
void qk_gelu_backward(float *gradients, const float *x, size_t count);
void qk_gelu_backward_at(qk_simd level, float *gradients, const float *x, size_t count);

/// y = max(x, 0).
void qk_relu_forward(const float *x, size_t count, float *y);
void qk_relu_forward_at(qk_simd level, const float *x, size_t count, float *y);

/// The gradient of the input replaces dy in `gradients`: none where x is 0, as in PyTorch.
void qk_relu_backward(float *gradients, const float *x, size_t count);
void qk_relu_backward_at(qk_simd level, float *gradients, const float *x, size_t count);

/// y = x * sigmoid(x).
void qk_silu_forward(const float *x, size_t count, float *y);
void qk_silu_forward_at(qk_simd level, const float *x, size_t count, float *y);

/// The gradient of the input replaces dy in `gradients`.
void qk_silu_backward(float *gradients, const float *x, size_t count);
void qk_silu_backward_at(qk_simd level, float *gradients, const float *x, size_t count);

/// What identifies one use of randomness: equal streams give equal numbers, also after a restart.
typedef struct {
    uint64_t seed;
    uint32_t step;
    uint32_t site;
} qk_random_stream;

enum { QK_RANDOM_GROUP = 64 };

/// Words 64 `group` and on of the stream: Philox4x32-10 with counter (block, block >> 32, step, site) and the seed as key. Of
/// each group of 16 blocks, word 16 w + l is word w of block l.
void qk_random_words(qk_random_stream stream, uint64_t group, uint32_t words[QK_RANDOM_GROUP]);

/// y = x / (1 - p) where element number `start` + i of the stream is kept, and 0 elsewhere, for `count` elements;
/// `start` is a multiple of 64. Kept is what has a word of at least `threshold`, 2^32 p; `scale` is 1 / (1 - p). `y` may be `x`.
void qk_dropout(qk_random_stream stream, uint32_t threshold, float scale, const float *x, size_t start, size_t count, float *y);
void qk_dropout_at(
    qk_simd level, qk_random_stream stream, uint32_t threshold, float scale, const float *x, size_t start, size_t count,
    float *y);

/// y += the gradient dx of `qk_dropout`'s input, where dy is that of its output: dropping is its own transpose.
void qk_dropout_add(
    qk_random_stream stream, uint32_t threshold, float scale, const float *dy, size_t start, size_t count, float *dx);
void qk_dropout_add_at(
    qk_simd level, qk_random_stream stream, uint32_t threshold, float scale, const float *dy, size_t start, size_t count,
    float *dx);

// Attention

/// Rotates halves of each head by the angles of its position, in place: (a, b) -> (a cos - b sin, b cos + a sin).
/// With `sign` -1 instead of 1 it turns back, which is the backward pass.
///
/// - `x`: rows of `heads` heads of 2 `half` floats, `stride` floats from row to row
/// - `cosines`, `sines`: `half` of each per row, one row after another
void qk_rope(float *x, size_t rows, size_t stride, size_t heads, size_t half, const float *cosines, const float *sines, float sign);
void qk_rope_at(
    qk_simd level, float *x, size_t rows, size_t stride, size_t heads, size_t half, const float *cosines, const float *sines,
    float sign);

/// Softmax of scores in place. Row r sees keys from max(0, visible + r - window) up to but not including visible + r, all
/// from 0 where `window` is 0; what it does not see becomes 0. `logSums` receives log(sum(exp(scale * score))) of each row.
void qk_attention_softmax(
    float *scores, size_t rows, size_t keys, size_t visible, size_t window, float scale, float *logSums);
void qk_attention_softmax_at(
    qk_simd level, float *scores, size_t rows, size_t keys, size_t visible, size_t window, float scale, float *logSums);

/// The same probabilities from the kept `logSums`, and in `gradients`, which holds those of the probabilities on entry,
/// the gradients of the scores.
void qk_attention_backward(
    float *scores, float *gradients, size_t rows, size_t keys, size_t visible, size_t window, float scale, const float *logSums);
void qk_attention_backward_at(
    qk_simd level, float *scores, float *gradients, size_t rows, size_t keys, size_t visible, size_t window, float scale,
    const float *logSums);

// Loss

/// Cross-entropy of one row: -log softmax(logits)[target]. The logits become the gradient times `weight`.
void qk_crossEntropy(float *logits, size_t count, size_t target, float weight, double *loss);
void qk_crossEntropy_at(qk_simd level, float *logits, size_t count, size_t target, float weight, double *loss);

// Optimizers

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
void qk_adamw_step(qk_adamw c, const float *gradients, size_t count, float *moments1, float *moments2, float *parameters);
void qk_adamw_step_at(
    qk_simd level, qk_adamw c, const float *gradients, size_t count, float *moments1, float *moments2, float *parameters);

/// p = decay * p - rate * scale * gradient.
void qk_sgd_step(float decay, float rate, float scale, const float *gradients, size_t count, float *parameters);
void qk_sgd_step_at(
    qk_simd level, float decay, float rate, float scale, const float *gradients, size_t count, float *parameters);

/// Codes each of `count` values as the nearest of the ascending `map`, after division by the largest magnitude of its
/// block; that magnitude goes to `absmax`. A block of zeros has absmax 0.
void qk_moments_encode(const float map[256], const float *values, size_t count, size_t blockSize, uint8_t *codes, float *absmax);

/// values[i] = map[codes[i]] * absmax of its block.
void qk_moments_decode(
    const float map[256], const uint8_t *codes, const float *absmax, size_t count, size_t blockSize, float *values);

/// Sum of squares in double precision.
void qk_sumOfSquares(const float *values, size_t count, double *sum);
void qk_sumOfSquares_at(qk_simd level, const float *values, size_t count, double *sum);

#endif
