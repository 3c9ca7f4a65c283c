#include "qk_elementwise.h"

#include "qk_functions.h"

QK_INLINE void exponentials(const float *x, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = expOf(x[i]);
}

QK_INLINE void scale(float factor, size_t count, float *x) {
    for (size_t i = 0; i < count; i++) x[i] *= factor;
}

QK_INLINE void addToRows(const float *restrict x, size_t rows, size_t width, float *restrict y) {
    for (size_t row = 0; row < rows; row++, y += width)
        for (size_t i = 0; i < width; i++) y[i] += x[i];
}

QK_INLINE void addRows(const float *restrict x, size_t rows, size_t width, size_t columns, float *restrict sums) {
    for (size_t row = 0; row < rows; row++, x += width)
        for (size_t i = 0; i < columns; i++) sums[i] += x[i];
}

QK_INLINE void clamp(float limit, const float *x, size_t count, float *y) {
    for (size_t i = 0; i < count; i++) y[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

QK_INLINE void clampBackward(float limit, const float *restrict x, size_t count, float *restrict gradients) {
    for (size_t i = 0; i < count; i++) gradients[i] = x[i] > limit || x[i] < -limit ? 0 : gradients[i];
}

QK_INLINE void rotatePair(float *a, float *b, float cosine, float sine) {
    const float first = *a, second = *b;
    *a = __builtin_fmaf(first, cosine, -(second * sine));
    *b = __builtin_fmaf(second, cosine, first * sine);
}

QK_INLINE void rotateHalves(float *x, size_t half, const float *restrict cosines, const float *restrict sines, float sign) {
    float *restrict lower = x, *restrict upper = x + half;
    for (size_t i = 0; i < half; i++) rotatePair(lower + i, upper + i, cosines[i], sign * sines[i]);
}

QK_INLINE void rotateNeighbours(float *restrict x, size_t half, const float *restrict cosines, const float *restrict sines, float sign) {
    for (size_t i = 0; i < half; i++) rotatePair(x + 2 * i, x + 2 * i + 1, cosines[i], sign * sines[i]);
}

QK_INLINE void rotate(
    const qk_rotation *r, float *x, size_t rows, size_t stride, const float *cosines, const float *sines, float sign
) {
    for (size_t row = 0; row < rows; row++, x += stride, cosines += r->half, sines += r->half)
        for (size_t head = 0; head < r->heads; head++)
            if (r->neighbours) rotateNeighbours(x + r->headWidth * head, r->half, cosines, sines, sign);
            else rotateHalves(x + r->headWidth * head, r->half, cosines, sines, sign);
}

QK_FOR_LEVELS(qk_exp_at, exponentials, (x, count, y), const float *x, size_t count, float *y)
QK_FOR_LEVELS(qk_scale_at, scale, (factor, count, x), float factor, size_t count, float *x)
QK_FOR_LEVELS(qk_addToRows_at, addToRows, (x, rows, width, y), const float *x, size_t rows, size_t width, float *y)
QK_FOR_LEVELS(
    qk_addRows_at, addRows, (x, rows, width, columns, sums), const float *x, size_t rows, size_t width, size_t columns, float *sums)
QK_FOR_LEVELS(qk_clamp_at, clamp, (limit, x, count, y), float limit, const float *x, size_t count, float *y)
QK_FOR_LEVELS(
    qk_clamp_backward_at, clampBackward, (limit, x, count, gradients), float limit, const float *x, size_t count, float *gradients)
QK_FOR_LEVELS(
    qk_rotate_at, rotate, (r, x, rows, stride, cosines, sines, sign), const qk_rotation *r, float *x, size_t rows, size_t stride,
    const float *cosines, const float *sines, float sign)
