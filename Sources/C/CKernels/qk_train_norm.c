#include "qk_train_lanes.h"

#include <math.h>

// With xhat = x * r (RMSNorm) or (x - mean) * r (LayerNorm), y = xhat * w and g = dy * w:
//
//     RMSNorm     dx = r * (g - xhat * mean(g * xhat))
//     LayerNorm   dx = r * (g - mean(g) - xhat * mean(g * xhat))

QK_INLINE void qk_rmsnorm_forward_body(
    const float *restrict x, const float *restrict weight, size_t rows, size_t width, float epsilon,
    float *restrict reciprocals, float *restrict y
) {
    for (size_t row = 0; row < rows; row++, x += width, y += width) {
        float lanes[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= width; i += LANES)
            for (int l = 0; l < LANES; l++) lanes[l] += x[i + (size_t)l] * x[i + (size_t)l];
        for (; i < width; i++) lanes[i % LANES] += x[i] * x[i];
        float r = 1.0f / sqrtf(sumOfLanes(lanes) / (float)width + epsilon);
        reciprocals[row] = r;
        for (i = 0; i < width; i++) y[i] = x[i] * r * weight[i];
    }
}

QK_INLINE void qk_rmsnorm_backward_body(
    const float *restrict dy, const float *restrict x, const float *restrict weight, const float *restrict reciprocals,
    size_t rows, size_t width, float *restrict dx
) {
    for (size_t row = 0; row < rows; row++, x += width, dy += width, dx += width) {
        const float r = reciprocals[row];
        float lanes[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= width; i += LANES)
            for (int l = 0; l < LANES; l++) lanes[l] += dy[i + (size_t)l] * weight[i + (size_t)l] * x[i + (size_t)l];
        for (; i < width; i++) lanes[i % LANES] += dy[i] * weight[i] * x[i];
        const float shared = sumOfLanes(lanes) * r / (float)width;
        for (i = 0; i < width; i++) dx[i] += r * (dy[i] * weight[i] - x[i] * r * shared);
    }
}

QK_INLINE void qk_layernorm_forward_body(
    const float *restrict x, const float *restrict weight, const float *restrict bias, size_t rows, size_t width,
    float epsilon, float *restrict means, float *restrict reciprocals, float *restrict y
) {
    for (size_t row = 0; row < rows; row++, x += width, y += width) {
        float lanes[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= width; i += LANES)
            for (int l = 0; l < LANES; l++) lanes[l] += x[i + (size_t)l];
        for (; i < width; i++) lanes[i % LANES] += x[i];
        const float mean = sumOfLanes(lanes) / (float)width;
        // From the differences: the mean of squares less the square of the mean would cancel.
        float squares[LANES] = {0};
        for (i = 0; i + LANES <= width; i += LANES)
            for (int l = 0; l < LANES; l++) squares[l] += (x[i + (size_t)l] - mean) * (x[i + (size_t)l] - mean);
        for (; i < width; i++) squares[i % LANES] += (x[i] - mean) * (x[i] - mean);
        const float r = 1.0f / sqrtf(sumOfLanes(squares) / (float)width + epsilon);
        means[row] = mean;
        reciprocals[row] = r;
        for (i = 0; i < width; i++) y[i] = (x[i] - mean) * r * weight[i] + bias[i];
    }
}

QK_INLINE void qk_layernorm_backward_body(
    const float *restrict dy, const float *restrict x, const float *restrict weight, const float *restrict means,
    const float *restrict reciprocals, size_t rows, size_t width, float *restrict dx
) {
    for (size_t row = 0; row < rows; row++, x += width, dy += width, dx += width) {
        const float r = reciprocals[row], mean = means[row];
        float sums[LANES] = {0}, products[LANES] = {0};
        size_t i = 0;
        for (; i + LANES <= width; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                float g = dy[i + (size_t)l] * weight[i + (size_t)l];
                sums[l] += g;
                products[l] += g * (x[i + (size_t)l] - mean);
            }
        }
        for (; i < width; i++) {
            float g = dy[i] * weight[i];
            sums[i % LANES] += g;
            products[i % LANES] += g * (x[i] - mean);
        }
        const float meanOfG = sumOfLanes(sums) / (float)width, shared = sumOfLanes(products) * r / (float)width;
        for (i = 0; i < width; i++) dx[i] += r * (dy[i] * weight[i] - meanOfG - (x[i] - mean) * r * shared);
    }
}

QK_INLINE void qk_norm_weightGradient_body(
    const float *restrict dy, const float *restrict x, const float *restrict means, const float *restrict reciprocals,
    size_t rows, size_t width, size_t columns, float *restrict dweight
) {
    for (size_t row = 0; row < rows; row++, x += width, dy += width) {
        const float r = reciprocals[row], mean = means ? means[row] : 0.0f;
        for (size_t i = 0; i < columns; i++) dweight[i] += dy[i] * ((x[i] - mean) * r);
    }
}

QK_INLINE void qk_bias_gradient_body(
    const float *restrict dy, size_t rows, size_t width, size_t columns, float *restrict dbias
) {
    for (size_t row = 0; row < rows; row++, dy += width)
        for (size_t i = 0; i < columns; i++) dbias[i] += dy[i];
}

QK_INLINE void qk_bias_forward_body(const float *restrict bias, size_t rows, size_t width, float *restrict y) {
    for (size_t row = 0; row < rows; row++, y += width)
        for (size_t i = 0; i < width; i++) y[i] += bias[i];
}

QK_INLINE void qk_accumulate_body(const float *restrict x, size_t count, float *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] += x[i];
}

QK_DEFINE(
    qk_rmsnorm_forward, (x, weight, rows, width, epsilon, reciprocals, y), const float *x, const float *weight, size_t rows,
    size_t width, float epsilon, float *reciprocals, float *y)
QK_DEFINE(
    qk_rmsnorm_backward, (dy, x, weight, reciprocals, rows, width, dx), const float *dy, const float *x, const float *weight,
    const float *reciprocals, size_t rows, size_t width, float *dx)
QK_DEFINE(
    qk_layernorm_forward, (x, weight, bias, rows, width, epsilon, means, reciprocals, y), const float *x, const float *weight,
    const float *bias, size_t rows, size_t width, float epsilon, float *means, float *reciprocals, float *y)
QK_DEFINE(
    qk_layernorm_backward, (dy, x, weight, means, reciprocals, rows, width, dx), const float *dy, const float *x,
    const float *weight, const float *means, const float *reciprocals, size_t rows, size_t width, float *dx)
QK_DEFINE(
    qk_norm_weightGradient, (dy, x, means, reciprocals, rows, width, columns, dweight), const float *dy, const float *x,
    const float *means, const float *reciprocals, size_t rows, size_t width, size_t columns, float *dweight)
QK_DEFINE(qk_bias_gradient, (dy, rows, width, columns, dbias), const float *dy, size_t rows, size_t width, size_t columns, float *dbias)
QK_DEFINE(qk_bias_forward, (bias, rows, width, y), const float *bias, size_t rows, size_t width, float *y)
QK_DEFINE(qk_accumulate, (x, count, y), const float *x, size_t count, float *y)
