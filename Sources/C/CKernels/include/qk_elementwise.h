/// What a transformer computes on vectors between its matrix products.
///
/// Every level gives the same bits. Sums are held in 16 lanes of doubles, element i in lane i % 16.
#ifndef QK_ELEMENTWISE_H
#define QK_ELEMENTWISE_H

#include <stddef.h>

#include "qk_simd.h"

/// y = x / sqrt(mean(x^2) + epsilon) * weight, within 3 ulp. `y` may be `x`.
void qk_rmsNorm_at(qk_simd level, const float *x, const float *weight, size_t count, float epsilon, float *y);

/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias; the variance is that of all values (divided by count).
/// Within 4 ulp of the larger of y and bias. `y` may be `x`.
void qk_layerNorm_at(
    qk_simd level, const float *x, const float *weight, const float *bias, size_t count, float epsilon, float *y);

/// y = e^x, within 1 ulp. `y` may be `x`.
void qk_exp(const float *x, size_t count, float *y);
void qk_exp_at(qk_simd level, const float *x, size_t count, float *y);

/// x = e^(x - max) / sum, within 3 ulp of what these inputs give; all of it NaN where a value is NaN or none is above
/// -infinity. Nothing happens for a count of 0.
void qk_softmax_at(qk_simd level, float *x, size_t count);

/// y = gate / (1 + e^-gate) * up, within 4 ulp. `y` may be `gate` or `up`.
void qk_siluTimes_at(qk_simd level, const float *gate, const float *up, size_t count, float *y);

/// GELU in its tanh form, 0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), computed as x / (1 + e^-2u), which
/// loses nothing where tanh is near -1: within 16 ulp for |x| <= 4 (the exponent is rounded), 1e-7 below. `y` may be `x`.
void qk_geluTanh_at(qk_simd level, const float *x, size_t count, float *y);

/// GELU as it is defined, x Phi(x) with the normal distribution function Phi: max(x, 0) - |x| (1 - Phi(|x|)). Within 6 ulp,
/// of large negative x too. `y` may be `x`.
void qk_gelu_at(qk_simd level, const float *x, size_t count, float *y);

/// y = max(x, 0); NaN stays NaN. `y` may be `x`.
void qk_relu_at(qk_simd level, const float *x, size_t count, float *y);

/// y = x / (1 + e^-x), within 3 ulp. `y` may be `x`.
void qk_silu_at(qk_simd level, const float *x, size_t count, float *y);

/// Rotates the halves of a head of 2 * half elements: (a, b) = (x[i], x[half + i]) becomes
/// (a cos[i] - b sin[i], b cos[i] + a sin[i]), each product of the first two rounded and the other fused.
void qk_rotateHalves_at(qk_simd level, float *x, const float *cosines, const float *sines, size_t half);

/// y += factor * x, fused.
void qk_addScaled_at(qk_simd level, float factor, const float *x, size_t count, float *y);

#endif
