#include "qk_norm.h"

#include <math.h>

#include "qk_levels.h"

/// Of the row that is number `row`.
QK_INLINE size_t offsetOfRow(const qk_norm *norm, size_t row) {
    return norm->period > 1 ? row % norm->period * norm->stride : 0;
}

QK_INLINE float gainOf(const qk_norm *norm, const float *weight, size_t i) { return norm->addsOne ? weight[i] + 1 : weight[i]; }

QK_INLINE void normOfSquares(const qk_norm *norm, const float *x, size_t rows, float *reciprocals, float *y) {
    const size_t width = norm->width;
    for (size_t row = 0; row < rows; row++, x += width, y += width) {
        QK_SUM(squares, width, (double)x[i] * (double)x[i]);
        const float r = (float)(1 / sqrt(squares / (double)width + (double)norm->epsilon));
        const float *weight = norm->weight + offsetOfRow(norm, row);
        if (reciprocals) reciprocals[row] = r;
        if (norm->addsOne) {
            ELEMENTWISE for (size_t i = 0; i < width; i++) y[i] = x[i] * r * (weight[i] + 1);
        } else {
            ELEMENTWISE for (size_t i = 0; i < width; i++) y[i] = x[i] * r * weight[i];
        }
    }
}

QK_INLINE void normOfDeviations(
    const qk_norm *norm, const float *x, size_t rows, float *means, float *reciprocals, float *y
) {
    const size_t width = norm->width;
    for (size_t row = 0; row < rows; row++, x += width, y += width) {
        QK_SUM(sum, width, (double)x[i]);
        const double mean = sum / (double)width;
        // From the differences, in double: x may be close to the mean.
        QK_SUM(squares, width, ((double)x[i] - mean) * ((double)x[i] - mean));
        const double r = 1 / sqrt(squares / (double)width + (double)norm->epsilon);
        if (means) means[row] = (float)mean;
        if (reciprocals) reciprocals[row] = (float)r;
        const size_t offset = offsetOfRow(norm, row);
        const float *weight = norm->weight + offset;
        ELEMENTWISE for (size_t i = 0; i < width; i++) {
            const float bias = norm->bias ? norm->bias[offset + i] : 0;
            y[i] = __builtin_fmaf((float)(((double)x[i] - mean) * r), gainOf(norm, weight, i), bias);
        }
    }
}

QK_INLINE void norm(const qk_norm *norm, const float *x, size_t rows, float *means, float *reciprocals, float *y) {
    if (norm->centers) normOfDeviations(norm, x, rows, means, reciprocals, y);
    else normOfSquares(norm, x, rows, reciprocals, y);
}

// With xhat = (x - mean) r, where RMSNorm has no mean, y = xhat * w + b, and g = dy * w:
//
//     RMSNorm     dx = r * (g - xhat * mean(g * xhat))
//     LayerNorm   dx = r * (g - mean(g) - xhat * mean(g * xhat))

QK_INLINE void normBackward(
    const qk_norm *norm, const float *restrict dy, const float *restrict x, size_t rows, const float *restrict means,
    const float *restrict reciprocals, float *restrict dx
) {
    const size_t width = norm->width;
    for (size_t row = 0; row < rows; row++, x += width, dy += width, dx += width) {
        const float r = reciprocals[row], mean = norm->centers ? means[row] : 0;
        const float *weight = norm->weight + offsetOfRow(norm, row);
        QK_SUM(products, width, (double)(dy[i] * gainOf(norm, weight, i)) * (double)(x[i] - mean));
        const float shared = (float)(products * (double)r / (double)width);
        float meanOfG = 0;
        if (norm->centers) {
            QK_SUM(sum, width, (double)(dy[i] * gainOf(norm, weight, i)));
            meanOfG = (float)(sum / (double)width);
        }
        for (size_t i = 0; i < width; i++) dx[i] += r * (dy[i] * gainOf(norm, weight, i) - meanOfG - (x[i] - mean) * r * shared);
    }
}

QK_INLINE void weightGradient(
    const float *restrict dy, const float *restrict x, const float *restrict means, const float *restrict reciprocals,
    size_t rows, size_t stride, size_t step, size_t columns, float *restrict dweight
) {
    for (size_t row = 0; row < rows; row++, x += stride, dy += stride) {
        const float r = reciprocals[row * step], mean = means ? means[row * step] : 0;
        for (size_t i = 0; i < columns; i++) dweight[i] += dy[i] * ((x[i] - mean) * r);
    }
}

QK_FOR_LEVELS(
    qk_norm_at, norm, (n, x, rows, means, reciprocals, y), const qk_norm *n, const float *x, size_t rows, float *means,
    float *reciprocals, float *y)
QK_FOR_LEVELS(
    qk_norm_backward_at, normBackward, (n, dy, x, rows, means, reciprocals, dx), const qk_norm *n, const float *dy,
    const float *x, size_t rows, const float *means, const float *reciprocals, float *dx)
QK_FOR_LEVELS(
    qk_norm_weightGradient_at, weightGradient, (dy, x, means, reciprocals, rows, stride, step, columns, dweight),
    const float *dy, const float *x, const float *means, const float *reciprocals, size_t rows, size_t stride, size_t step,
    size_t columns, float *dweight)
