#include "qk_train_lanes.h"

#include <math.h>

QK_INLINE void qk_rope_body(
    float *x, size_t rows, size_t stride, size_t heads, size_t half, const float *restrict cosines, const float *restrict sines,
    float sign
) {
    for (size_t row = 0; row < rows; row++, x += stride, cosines += half, sines += half) {
        for (size_t head = 0; head < heads; head++) {
            float *restrict first = x + 2 * half * head, *restrict second = first + half;
            for (size_t i = 0; i < half; i++) {
                float a = first[i], b = second[i], sine = sign * sines[i];
                first[i] = a * cosines[i] - b * sine;
                second[i] = b * cosines[i] + a * sine;
            }
        }
    }
}

/// e^(scale * score - offset) in place for `count` scores; their sum.
QK_INLINE float exponentials(float *restrict scores, size_t count, float scale, float offset) {
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            float e = expOf(scores[i + (size_t)l] * scale - offset);
            scores[i + (size_t)l] = e;
            lanes[l] += e;
        }
    }
    for (; i < count; i++) {
        scores[i] = expOf(scores[i] * scale - offset);
        lanes[i % LANES] += scores[i];
    }
    return sumOfLanes(lanes);
}

/// The largest of at least one value; NaN where one is, which no maximum may hide.
QK_INLINE float largest(const float *restrict values, size_t count) {
    float lanes[LANES];
    for (int l = 0; l < LANES; l++) lanes[l] = values[0];
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] = lanes[l] >= values[i + (size_t)l] ? lanes[l] : values[i + (size_t)l];
    for (; i < count; i++) lanes[0] = lanes[0] >= values[i] ? lanes[0] : values[i];
    float maximum = lanes[0];
    for (int l = 1; l < LANES; l++) maximum = maximum >= lanes[l] ? maximum : lanes[l];
    return maximum;
}

QK_INLINE void clear(float *values, size_t count) {
    memset(values, 0, 4 * count);
}

QK_INLINE void qk_attention_softmax_body(
    float *scores, size_t rows, size_t keys, size_t visible, size_t window, float scale, float *logSums
) {
    for (size_t row = 0; row < rows; row++, scores += keys) {
        const size_t end = visible + row, start = window && end > window ? end - window : 0;
        float *seen = scores + start;
        // Scale is positive: the largest score stays the largest.
        const float maximum = largest(seen, end - start) * scale;
        const float sum = exponentials(seen, end - start, scale, maximum), reciprocal = 1.0f / sum;
        for (size_t i = 0; i < end - start; i++) seen[i] *= reciprocal;
        clear(scores, start);
        clear(scores + end, keys - end);
        logSums[row] = maximum + logf(sum);
    }
}

QK_INLINE void qk_attention_backward_body(
    float *restrict scores, float *restrict gradients, size_t rows, size_t keys, size_t visible, size_t window, float scale,
    const float *logSums
) {
    for (size_t row = 0; row < rows; row++, scores += keys, gradients += keys) {
        const size_t end = visible + row, start = window && end > window ? end - window : 0, count = end - start;
        float *restrict p = scores + start, *restrict d = gradients + start;
        exponentials(p, count, scale, logSums[row]);
        float lanes[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= count; i += LANES)
            for (int l = 0; l < LANES; l++) lanes[l] += p[i + (size_t)l] * d[i + (size_t)l];
        for (; i < count; i++) lanes[i % LANES] += p[i] * d[i];
        const float shared = sumOfLanes(lanes);
        for (i = 0; i < count; i++) d[i] = p[i] * (d[i] - shared) * scale;
        clear(scores, start);
        clear(scores + end, keys - end);
        clear(gradients, start);
        clear(gradients + end, keys - end);
    }
}

QK_INLINE void qk_crossEntropy_body(float *restrict logits, size_t count, size_t target, float weight, double *loss) {
    const float maximum = largest(logits, count), wanted = logits[target];
    const float sum = exponentials(logits, count, 1.0f, maximum), scale = weight / sum;
    for (size_t i = 0; i < count; i++) logits[i] *= scale;
    logits[target] -= weight;
    *loss = log((double)sum) + (double)maximum - (double)wanted;
}

QK_DEFINE(
    qk_rope, (x, rows, stride, heads, half, cosines, sines, sign), float *x, size_t rows, size_t stride, size_t heads,
    size_t half, const float *cosines, const float *sines, float sign)
QK_DEFINE(
    qk_attention_softmax, (scores, rows, keys, visible, window, scale, logSums), float *scores, size_t rows, size_t keys,
    size_t visible, size_t window, float scale, float *logSums)
QK_DEFINE(
    qk_attention_backward, (scores, gradients, rows, keys, visible, window, scale, logSums), float *scores, float *gradients,
    size_t rows, size_t keys, size_t visible, size_t window, float scale, const float *logSums)
QK_DEFINE(
    qk_crossEntropy, (logits, count, target, weight, loss), float *logits, size_t count, size_t target, float weight, double *loss)
