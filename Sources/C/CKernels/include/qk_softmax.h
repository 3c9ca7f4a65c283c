/// Probabilities of scores and of logits, and their gradients.
///
/// Sums are held in 16 lanes of doubles, element i in lane i % 16: every level gives the same bits. A cap above 0 bounds what
/// goes in: cap tanh(x / cap), within 3 ulp.
#ifndef QK_SOFTMAX_H
#define QK_SOFTMAX_H

#include <stddef.h>

#include "qk_simd.h"

/// x = e^(x - max) / sum in place, for x = the scores times `scale`, then capped; within 3 ulp of what these give, all of it NaN
/// where a value is NaN or none is above -infinity.
///
/// Row r sees keys from max(0, visible + r - window) up to but not including visible + r, all from 0 where `window` is 0; what
/// it does not see becomes 0. `logSums` receives log(sum(e^x)) of each row, or is null.
void qk_softmax_at(
    qk_simd level, float *scores, size_t rows, size_t keys, size_t visible, size_t window, float scale, float cap,
    float *logSums);

/// The softmax of one row, capped before where `cap` is above 0, with what it takes to put it together with others: the largest value,
/// and the sum of e^(x - largest).
void qk_softmax_share_at(qk_simd level, float *scores, size_t count, float cap, float *largest, double *sum);

/// The same probabilities from the kept `logSums`, and in `gradients`, which holds those of the probabilities on entry, the
/// gradients of the scores.
void qk_softmax_backward_at(
    qk_simd level, float *scores, float *gradients, size_t rows, size_t keys, size_t visible, size_t window, float scale,
    float cap, const float *logSums);

/// x = limit tanh(x / limit) in place; as it is where `limit` is 0.
void qk_cap_at(qk_simd level, float limit, size_t count, float *x);

/// Cross-entropy of one row, -log softmax(x)[target] for x = the logits, capped. The logits become the gradient of them times
/// `weight`.
void qk_crossEntropy_at(qk_simd level, float *logits, size_t count, size_t target, float weight, float cap, double *loss);

/// Divergence of one row, sum p log(p / q) for p = softmax(wanted) and q = softmax(logits), both capped. The logits become the gradient
/// of them times `weight`, weight (q - p); what was wanted is overwritten.
void qk_divergence_at(
    qk_simd level, float *logits, float *wanted, size_t count, float weight, float cap, double *divergence);

#endif
