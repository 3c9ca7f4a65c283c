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

QK_INLINE void rotate(
    float *x, size_t rows, size_t stride, size_t heads, size_t half, const float *restrict cosines, const float *restrict sines,
    float sign
) {
    for (size_t row = 0; row < rows; row++, x += stride, cosines += half, sines += half) {
        for (size_t head = 0; head < heads; head++) {
            float *restrict lower = x + 2 * half * head, *restrict upper = lower + half;
            for (size_t i = 0; i < half; i++) {
                const float a = lower[i], b = upper[i], sine = sign * sines[i];
                lower[i] = __builtin_fmaf(a, cosines[i], -(b * sine));
                upper[i] = __builtin_fmaf(b, cosines[i], a * sine);
            }
        }
    }
}

QK_FOR_LEVELS(qk_exp_at, exponentials, (x, count, y), const float *x, size_t count, float *y)
QK_FOR_LEVELS(qk_scale_at, scale, (factor, count, x), float factor, size_t count, float *x)
QK_FOR_LEVELS(qk_addToRows_at, addToRows, (x, rows, width, y), const float *x, size_t rows, size_t width, float *y)
QK_FOR_LEVELS(
    qk_addRows_at, addRows, (x, rows, width, columns, sums), const float *x, size_t rows, size_t width, size_t columns, float *sums)
QK_FOR_LEVELS(
    qk_rotate_at, rotate, (x, rows, stride, heads, half, cosines, sines, sign), float *x, size_t rows, size_t stride,
    size_t heads, size_t half, const float *cosines, const float *sines, float sign)
