#include "qk_optimizer.h"

#include <math.h>

#include "qk_levels.h"

QK_INLINE void adamwStep(
    qk_adamw c, const float *restrict gradients, size_t count, float *restrict moments1, float *restrict moments2,
    float *restrict parameters
) {
    for (size_t i = 0; i < count; i++) {
        float g = gradients[i] * c.gradientScale;
        float p = parameters[i] * c.decay;
        float m = moments1[i] + c.gain1 * (g - moments1[i]);
        float v = moments2[i] * c.keep2 + c.gain2 * g * g;
        moments1[i] = m;
        moments2[i] = v;
        parameters[i] = p - c.stepSize * m / (sqrtf(v) / c.correction2 + c.epsilon);
    }
}

QK_INLINE void sgdStep(
    float decay, float rate, float scale, const float *restrict gradients, size_t count, float *restrict parameters
) {
    for (size_t i = 0; i < count; i++) parameters[i] = decay * parameters[i] - rate * (scale * gradients[i]);
}

/// Lanes in order.
QK_INLINE void sumOfSquares(const float *restrict values, size_t count, double *sum) {
    double lanes[SUM_LANES] = {0};
    size_t i = 0;
    for (; i + SUM_LANES <= count; i += SUM_LANES)
        for (size_t l = 0; l < SUM_LANES; l++) lanes[l] += (double)values[i + l] * (double)values[i + l];
    for (; i < count; i++) lanes[i % SUM_LANES] += (double)values[i] * (double)values[i];
    *sum = 0;
    for (size_t l = 0; l < SUM_LANES; l++) *sum += lanes[l];
}

/// Index of the nearest entry; the lower one of two that are equally near.
static uint8_t nearest(const float map[256], float value) {
    size_t low = 0, high = 255;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (map[middle] <= value) low = middle;
        else high = middle;
    }
    return (uint8_t)(value - map[low] <= map[high] - value ? low : high);
}

void qk_moments_encode(
    const float map[256], const float *values, size_t count, size_t blockSize, uint8_t *codes, float *absmax
) {
    for (size_t start = 0; start < count; start += blockSize) {
        const size_t end = count - start < blockSize ? count : start + blockSize;
        float maximum = 0;
        for (size_t i = start; i < end; i++) maximum = fabsf(values[i]) > maximum ? fabsf(values[i]) : maximum;
        *absmax++ = maximum;
        for (size_t i = start; i < end; i++) codes[i] = nearest(map, maximum > 0 ? values[i] / maximum : 0.0f);
    }
}

void qk_moments_decode(
    const float map[256], const uint8_t *codes, const float *absmax, size_t count, size_t blockSize, float *values
) {
    for (size_t i = 0; i < count; i++) values[i] = map[codes[i]] * absmax[i / blockSize];
}

QK_FOR_LEVELS(
    qk_adamw_step_at, adamwStep, (c, gradients, count, moments1, moments2, parameters), qk_adamw c, const float *gradients,
    size_t count, float *moments1, float *moments2, float *parameters)
QK_FOR_LEVELS(
    qk_sgd_step_at, sgdStep, (decay, rate, scale, gradients, count, parameters), float decay, float rate, float scale,
    const float *gradients, size_t count, float *parameters)
QK_FOR_LEVELS(qk_sumOfSquares_at, sumOfSquares, (values, count, sum), const float *values, size_t count, double *sum)
