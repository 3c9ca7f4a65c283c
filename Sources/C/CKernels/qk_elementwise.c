#include "qk_elementwise.h"

#include <math.h>

#include "qk_exp.h"
#include "qk_mills.h"

enum { LANES = 16 };

QK_INLINE double totalOf(const double lanes[LANES]) {
    double sums[8];
    for (size_t i = 0; i < 8; i++) sums[i] = lanes[i] + lanes[i + 8];
    for (size_t i = 0; i < 4; i++) sums[i] += sums[i + 4];
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/// Sum of (x - shift)^2 or, with `squares` false, of x.
QK_INLINE double sumOf(const float *x, size_t count, double shift, int squares) {
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const double value = (double)x[i + lane] - shift;
            lanes[lane] += squares ? value * value : value;
        }
    }
    for (size_t lane = 0; i < count; i++, lane++) {
        const double value = (double)x[i] - shift;
        lanes[lane] += squares ? value * value : value;
    }
    return totalOf(lanes);
}

QK_INLINE void rmsNorm(const float *x, const float *weight, size_t count, float epsilon, float *y) {
    const float factor = (float)(1 / sqrt(sumOf(x, count, 0, 1) / (double)count + (double)epsilon));
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = x[i] * factor * weight[i];
}

QK_INLINE void layerNorm(const float *x, const float *weight, const float *bias, size_t count, float epsilon, float *y) {
    const double mean = sumOf(x, count, 0, 0) / (double)count;
    const double factor = 1 / sqrt(sumOf(x, count, mean, 1) / (double)count + (double)epsilon);
    // The difference in double: x may be close to the mean.
    ELEMENTWISE for (size_t i = 0; i < count; i++)
        y[i] = __builtin_fmaf((float)(((double)x[i] - mean) * factor), weight[i], bias[i]);
}

QK_INLINE void exponentials(const float *x, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = expOf(x[i]);
}

QK_INLINE float largestOf(const float *x, size_t count) {
    float lanes[LANES];
    for (size_t lane = 0; lane < LANES; lane++) lanes[lane] = -INFINITY;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
    for (size_t lane = 0; i < count; i++, lane++) lanes[lane] = x[i] > lanes[lane] ? x[i] : lanes[lane];
    float largest = lanes[0];
    for (size_t lane = 1; lane < LANES; lane++) largest = lanes[lane] > largest ? lanes[lane] : largest;
    return largest;
}

QK_INLINE void softmax(float *x, size_t count) {
    const float largest = largestOf(x, count);
    for (size_t i = 0; i < count; i++) x[i] = expOf(x[i] - largest);
    const float factor = (float)(1 / sumOf(x, count, 0, 0));
    for (size_t i = 0; i < count; i++) x[i] *= factor;
}

QK_INLINE void siluTimes(const float *gate, const float *up, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = gate[i] / (1 + expOf(-gate[i])) * up[i];
}

QK_INLINE void geluTanh(const float *x, size_t count, float *y) {
    // -2 sqrt(2 / pi), and that times 0.044715.
    const float linear = -0x1.988454p+0f, cubic = -0x1.2444f2p-4f;
    ELEMENTWISE for (size_t i = 0; i < count; i++) {
        const float square = x[i] * x[i];
        // A cube that overflows would give 0 * infinity for large x.
        const float slope = __builtin_fmaf(cubic, square < 1e4f ? square : 1e4f, linear);
        y[i] = x[i] / (1 + expOf(slope * x[i]));
    }
}

QK_INLINE void gelu(const float *x, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) {
        const float magnitude = x[i] < 0 ? -x[i] : x[i];
        const float a = magnitude > QK_LARGEST_TAIL ? QK_LARGEST_TAIL : magnitude;
        // e^(-a^2 / 2), with what rounding has taken from the square: far out that would be many digits of the result.
        const float square = a * a, lost = __builtin_fmaf(a, a, -square);
        const float tail = expOf(-0.5f * square) * __builtin_fmaf(-0.5f, lost, 1) * millsOf(a);
        y[i] = (x[i] > 0 ? x[i] : 0) - a * tail;
    }
}

QK_INLINE void relu(const float *x, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = x[i] < 0 ? 0 : x[i];
}

QK_INLINE void silu(const float *x, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = x[i] / (1 + expOf(-x[i]));
}

QK_INLINE void rotateHalves(float *x, const float *cosines, const float *sines, size_t half) {
    float *upper = x + half;
    for (size_t i = 0; i < half; i++) {
        const float a = x[i], b = upper[i];
        x[i] = __builtin_fmaf(a, cosines[i], -(b * sines[i]));
        upper[i] = __builtin_fmaf(b, cosines[i], a * sines[i]);
    }
}

QK_INLINE void addScaled(float factor, const float *x, size_t count, float *y) {
    for (size_t i = 0; i < count; i++) y[i] = __builtin_fmaf(factor, x[i], y[i]);
}

QK_FOR_LEVELS(
    rmsNorm, rmsNorm, (const float *x, const float *weight, size_t count, float epsilon, float *y), x, weight, count,
    epsilon, y)
QK_FOR_LEVELS(
    layerNorm, layerNorm,
    (const float *x, const float *weight, const float *bias, size_t count, float epsilon, float *y), x, weight, bias, count,
    epsilon, y)
QK_FOR_LEVELS(exponentials, exponentials, (const float *x, size_t count, float *y), x, count, y)
QK_FOR_LEVELS(softmax, softmax, (float *x, size_t count), x, count)
QK_FOR_LEVELS(siluTimes, siluTimes, (const float *gate, const float *up, size_t count, float *y), gate, up, count, y)
QK_FOR_LEVELS(geluTanh, geluTanh, (const float *x, size_t count, float *y), x, count, y)
QK_FOR_LEVELS(gelu, gelu, (const float *x, size_t count, float *y), x, count, y)
QK_FOR_LEVELS(relu, relu, (const float *x, size_t count, float *y), x, count, y)
QK_FOR_LEVELS(silu, silu, (const float *x, size_t count, float *y), x, count, y)
QK_FOR_LEVELS(
    rotateHalves, rotateHalves, (float *x, const float *cosines, const float *sines, size_t half), x, cosines, sines, half)
QK_FOR_LEVELS(addScaled, addScaled, (float factor, const float *x, size_t count, float *y), factor, x, count, y)

void qk_rmsNorm_at(qk_simd level, const float *x, const float *weight, size_t count, float epsilon, float *y) {
    QK_CALL_LEVEL(rmsNorm, level, x, weight, count, epsilon, y);
}

void qk_layerNorm_at(
    qk_simd level, const float *x, const float *weight, const float *bias, size_t count, float epsilon, float *y
) {
    QK_CALL_LEVEL(layerNorm, level, x, weight, bias, count, epsilon, y);
}

void qk_exp_at(qk_simd level, const float *x, size_t count, float *y) { QK_CALL_LEVEL(exponentials, level, x, count, y); }

void qk_exp(const float *x, size_t count, float *y) { qk_exp_at(qk_simd_best(), x, count, y); }

void qk_softmax_at(qk_simd level, float *x, size_t count) {
    if (count == 0) return;
    QK_CALL_LEVEL(softmax, level, x, count);
}

void qk_siluTimes_at(qk_simd level, const float *gate, const float *up, size_t count, float *y) {
    QK_CALL_LEVEL(siluTimes, level, gate, up, count, y);
}

void qk_geluTanh_at(qk_simd level, const float *x, size_t count, float *y) {
    QK_CALL_LEVEL(geluTanh, level, x, count, y);
}

void qk_gelu_at(qk_simd level, const float *x, size_t count, float *y) { QK_CALL_LEVEL(gelu, level, x, count, y); }

void qk_relu_at(qk_simd level, const float *x, size_t count, float *y) { QK_CALL_LEVEL(relu, level, x, count, y); }

void qk_silu_at(qk_simd level, const float *x, size_t count, float *y) { QK_CALL_LEVEL(silu, level, x, count, y); }

void qk_rotateHalves_at(qk_simd level, float *x, const float *cosines, const float *sines, size_t half) {
    QK_CALL_LEVEL(rotateHalves, level, x, cosines, sines, half);
}

void qk_addScaled_at(qk_simd level, float factor, const float *x, size_t count, float *y) {
    QK_CALL_LEVEL(addScaled, level, factor, x, count, y);
}
