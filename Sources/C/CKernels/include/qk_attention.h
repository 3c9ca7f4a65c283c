/// Causal attention of a group of heads that share keys and values.
///
/// Positions are cut into spans of 512, wherever a query stands: the softmax and the sum of values are those of a span, and spans are
/// put together in order, each by its share.
///
///     positions    0 ... 511 | 512 ... 1023 | 1024 ...            of span s: largest score m_s, sum of e^(score - m_s) n_s, mix y_s
///
///     m = max(m, m_s)   a = n e^(m before - m)   b = n_s e^(m_s - m)   n = a + b   y = fma(y_s, b / n, y (a / n))
///
/// So scores take no more memory than a span has positions, spans can be computed on several threads, and a query that sees one span
/// alone has the plain softmax. A sink is where m begins, with n = 1 and y = 0.
#ifndef QK_ATTENTION_H
#define QK_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>

#include "qk_float.h"
#include "qk_simd.h"

enum {
    /// Keys that are widened and used together.
    QK_ATTENTION_KEYS = 32,
    /// Positions whose softmax is taken together, from a multiple of it on.
    QK_ATTENTION_SPAN = 512,
};

typedef struct {
    /// Of keys and values: QK_F32, QK_F16 or QK_BF16.
    qk_float type;
    /// Of position 0, for one head of keys and values; `stride` elements from position to position.
    const void *keys, *values;
    size_t stride;
    /// Of each position from 0 on: keys and values are signed bytes then, and `type` says nothing; NULL for floats.
    const float *keyScales, *valueScales;
    size_t headSize;
    /// Query heads that share them: they lie beside each other.
    size_t groupSize;
    /// What scores are multiplied by, usually 1 / sqrt(headSize).
    float scale;
    /// Bound of scores, cap tanh(score / cap); 0 for none.
    float cap;
    /// Positions that a query sees, its own included; SIZE_MAX for all before it.
    size_t window;
    /// Positions of a chunk: a query sees those of its own alone, from position - position % chunk on; 0 for no chunks.
    size_t chunk;
    /// What is added to scores after they are multiplied: slope * position of the key, of each head (ALiBi); null for nothing.
    const float *slopes;
    /// Whether slope * position is rounded to bfloat16, and what it is multiplied by then.
    bool roundsBiases;
    float biasScale;
    /// For each head of the group a score of no position, which takes its share of the softmax and gives nothing; NULL for none.
    const float *sinks;
} qk_attention;

/// Of a softmax: the sum of e^(score - largest), 0 for no scores, and the largest.
typedef struct {
    double sum;
    float largest;
} qk_attention_share;

/// What is added to the scores of the key at a position, of a head with this slope.
float qk_attention_bias(const qk_attention *attention, float slope, size_t position);

/// Spans in which one of `queryCount` queries from `firstPosition` on sees something: from `first` to before `end`.
void qk_attention_spans(const qk_attention *attention, size_t queryCount, size_t firstPosition, size_t *first, size_t *end);

/// Floats of scratch that `qk_attend_span_at` and `qk_attend_at` need.
size_t qk_attention_scratchCount(const qk_attention *attention, size_t queryCount);

/// y = softmax(scale q.k) v for `queryCount` positions from `firstPosition` on, in float32.
///
/// `queries` and `y` have groupSize * headSize floats for each position, `queryStride` and `yStride` from position to position. A query
/// sees the keys up to its own position, `window` of them. Each product q.k has 16 lanes, element i in lane i % 16; the sum over
/// the values of a span is one chain of fused multiply-adds in the order of positions: the same bits on every level, and however
/// queries are grouped into calls.
void qk_attend_at(
    qk_simd level, const qk_attention *attention, const float *queries, size_t queryStride, size_t queryCount,
    size_t firstPosition, float *scratch, float *y, size_t yStride);

/// The same of one span alone: y[position][head] without gaps, and the share of each.
void qk_attend_span_at(
    qk_simd level, const qk_attention *attention, const float *queries, size_t queryStride, size_t queryCount,
    size_t firstPosition, size_t span, float *scratch, float *y, qk_attention_share *shares);

/// Where spans are put together: nothing, or sinks.
void qk_attention_begin(
    const qk_attention *attention, size_t queryCount, float *y, size_t yStride, qk_attention_share *shares);

/// Puts a span to those before it: `y` and `shares` become those of all.
void qk_attention_join_at(
    qk_simd level, const qk_attention *attention, size_t queryCount, const float *spanY, const qk_attention_share *spanShares,
    float *y, size_t yStride, qk_attention_share *shares);

#endif
