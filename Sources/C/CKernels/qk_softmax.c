#include "qk_softmax.h"

#include <math.h>

#include "qk_functions.h"

/// scale x, or cap tanh(scale x / cap) with a cap above 0, in place.
QK_INLINE void scaleAndCap(float *x, size_t count, float scale, float cap) {
    if (cap > 0) {
        for (size_t i = 0; i < count; i++) x[i] = cap * tanhOf(x[i] * scale / cap);
    } else if (scale != 1) {
        for (size_t i = 0; i < count; i++) x[i] *= scale;
    }
}

/// Slope of the capping that has given y.
QK_INLINE float slopeOfCap(float y, float cap) { return cap > 0 ? 1 - y / cap * (y / cap) : 1; }

QK_INLINE float largestOf(const float *x, size_t count) {
    float lanes[SUM_LANES];
    for (size_t lane = 0; lane < SUM_LANES; lane++) lanes[lane] = -INFINITY;
    size_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (size_t lane = 0; lane < SUM_LANES; lane++) lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
    for (size_t lane = 0; i < count; i++, lane++) lanes[lane] = x[i] > lanes[lane] ? x[i] : lanes[lane];
    float largest = lanes[0];
    for (size_t lane = 1; lane < SUM_LANES; lane++) largest = lanes[lane] > largest ? lanes[lane] : largest;
    return largest;
}

/// In place; the largest value and the sum of e^(x - largest).
QK_INLINE double softmaxShareOfRow(float *x, size_t count, float *largest) {
    const float most = largestOf(x, count);
    for (size_t i = 0; i < count; i++) x[i] = expOf(x[i] - most);
    QK_SUM(sum, count, (double)x[i]);
    const float factor = (float)(1 / sum);
    for (size_t i = 0; i < count; i++) x[i] *= factor;
    *largest = most;
    return sum;
}

/// In place; the logarithm of the sum of e^x where it is asked for.
QK_INLINE void softmaxOfRow(float *x, size_t count, float *logSum) {
    float largest;
    const double sum = softmaxShareOfRow(x, count, &largest);
    if (logSum) *logSum = (float)((double)largest + log(sum));
}

QK_INLINE void softmaxShare(float *scores, size_t count, float cap, float *largest, double *sum) {
    scaleAndCap(scores, count, 1, cap);
    *sum = softmaxShareOfRow(scores, count, largest);
}

QK_INLINE void clear(float *values, size_t count) { memset(values, 0, count * sizeof *values); }

QK_INLINE void softmax(
    float *scores, size_t rows, size_t keys, size_t visible, size_t window, float scale, float cap, float *logSums
) {
    for (size_t row = 0; row < rows; row++, scores += keys) {
        const size_t end = visible + row, start = window && end > window ? end - window : 0;
        scaleAndCap(scores + start, end - start, scale, cap);
        softmaxOfRow(scores + start, end - start, logSums ? logSums + row : 0);
        clear(scores, start);
        clear(scores + end, keys - end);
    }
}

/// With ds = p (dp - sum(p dp)) for the scores s that the softmax was taken of, times the slope of scale and cap.
QK_INLINE void softmaxBackwardOfRow(
    float *restrict p, float *restrict d, size_t count, float scale, float cap, float logSum
) {
    scaleAndCap(p, count, scale, cap);
    if (cap > 0) {
        // Scores are needed to the end, for the slope: probabilities are made twice.
        QK_SUM(shared, count, (double)expOf(p[i] - logSum) * (double)d[i]);
        for (size_t i = 0; i < count; i++) {
            const float slope = slopeOfCap(p[i], cap);
            p[i] = expOf(p[i] - logSum);
            d[i] = p[i] * (d[i] - (float)shared) * slope * scale;
        }
    } else {
        for (size_t i = 0; i < count; i++) p[i] = expOf(p[i] - logSum);
        QK_SUM(shared, count, (double)p[i] * (double)d[i]);
        for (size_t i = 0; i < count; i++) d[i] = p[i] * (d[i] - (float)shared) * scale;
    }
}

QK_INLINE void softmaxBackward(
    float *scores, float *gradients, size_t rows, size_t keys, size_t visible, size_t window, float scale, float cap,
    const float *logSums
) {
    for (size_t row = 0; row < rows; row++, scores += keys, gradients += keys) {
        const size_t end = visible + row, start = window && end > window ? end - window : 0;
        softmaxBackwardOfRow(scores + start, gradients + start, end - start, scale, cap, logSums[row]);
        clear(scores, start);
        clear(scores + end, keys - end);
        clear(gradients, start);
        clear(gradients + end, keys - end);
    }
}

QK_INLINE void cap(float limit, size_t count, float *x) { scaleAndCap(x, count, 1, limit); }

QK_INLINE void crossEntropy(float *logits, size_t count, size_t target, float weight, float cap, double *loss) {
    scaleAndCap(logits, count, 1, cap);
    const float largest = largestOf(logits, count), wanted = logits[target];
    double total;
    if (cap > 0) {
        // As in the backward pass of the softmax.
        QK_SUM(sum, count, (double)expOf(logits[i] - largest));
        const float scale = (float)((double)weight / sum);
        for (size_t i = 0; i < count; i++) logits[i] = expOf(logits[i] - largest) * scale * slopeOfCap(logits[i], cap);
        total = sum;
    } else {
        for (size_t i = 0; i < count; i++) logits[i] = expOf(logits[i] - largest);
        QK_SUM(sum, count, (double)logits[i]);
        const float scale = (float)((double)weight / sum);
        for (size_t i = 0; i < count; i++) logits[i] *= scale;
        total = sum;
    }
    logits[target] -= weight * slopeOfCap(wanted, cap);
    *loss = log(total) + (double)largest - (double)wanted;
}

QK_INLINE void divergence(float *restrict logits, float *restrict wanted, size_t count, float weight, float cap, double *result) {
    scaleAndCap(logits, count, 1, cap);
    scaleAndCap(wanted, count, 1, cap);
    const float largest = largestOf(logits, count), top = largestOf(wanted, count);
    QK_SUM(moved, count, (double)expOf(wanted[i] - top) * ((double)wanted[i] - (double)logits[i]));
    for (size_t i = 0; i < count; i++) wanted[i] = expOf(wanted[i] - top);
    QK_SUM(all, count, (double)wanted[i]);
    const float share = (float)((double)weight / all);
    double total;
    if (cap > 0) {
        // As in the cross-entropy.
        QK_SUM(sum, count, (double)expOf(logits[i] - largest));
        const float scale = (float)((double)weight / sum);
        for (size_t i = 0; i < count; i++)
            logits[i] = (expOf(logits[i] - largest) * scale - wanted[i] * share) * slopeOfCap(logits[i], cap);
        total = sum;
    } else {
        for (size_t i = 0; i < count; i++) logits[i] = expOf(logits[i] - largest);
        QK_SUM(sum, count, (double)logits[i]);
        const float scale = (float)((double)weight / sum);
        for (size_t i = 0; i < count; i++) logits[i] = logits[i] * scale - wanted[i] * share;
        total = sum;
    }
    *result = moved / all - (log(all) + (double)top) + (log(total) + (double)largest);
}

QK_FOR_LEVELS(
    qk_softmax_at, softmax, (scores, rows, keys, visible, window, scale, cap, logSums), float *scores, size_t rows, size_t keys,
    size_t visible, size_t window, float scale, float cap, float *logSums)
QK_FOR_LEVELS(
    qk_softmax_backward_at, softmaxBackward, (scores, gradients, rows, keys, visible, window, scale, cap, logSums),
    float *scores, float *gradients, size_t rows, size_t keys, size_t visible, size_t window, float scale, float cap,
    const float *logSums)
QK_FOR_LEVELS(
    qk_softmax_share_at, softmaxShare, (scores, count, cap, largest, sum), float *scores, size_t count, float cap, float *largest,
    double *sum)
QK_FOR_LEVELS(qk_cap_at, cap, (limit, count, x), float limit, size_t count, float *x)
QK_FOR_LEVELS(
    qk_crossEntropy_at, crossEntropy, (logits, count, target, weight, cap, loss), float *logits, size_t count, size_t target,
    float weight, float cap, double *loss)
QK_FOR_LEVELS(
    qk_divergence_at, divergence, (logits, wanted, count, weight, cap, result), float *logits, float *wanted, size_t count, float weight,
    float cap, double *result)
