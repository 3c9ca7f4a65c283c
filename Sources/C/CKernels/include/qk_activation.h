/// What stands between the layers of an MLP, forward and backward. Every level gives the same bits.
#ifndef QK_ACTIVATION_H
#define QK_ACTIVATION_H

#include <stddef.h>

#include "qk_simd.h"

typedef enum {
    /// x Phi(x) with the normal distribution function Phi, GELU as it is defined. Within 6 ulp, of large negative x too.
    QK_GELU = 0,
    /// GELU in its tanh form, 0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3): within 16 ulp for |x| <= 4 (the
    /// exponent is rounded), 1e-7 below.
    QK_GELU_TANH = 1,
    /// max(x, 0); NaN stays NaN. The gradient at 0 is 0, as in PyTorch.
    QK_RELU = 2,
    /// x / (1 + e^-x), within 3 ulp.
    QK_SILU = 3,
    /// max(x, 0)^2, rounded once.
    QK_RELU_SQUARED = 4,
} qk_activation;

/// y = activation(x). `y` may be `x`.
void qk_activate_at(qk_simd level, qk_activation activation, const float *x, size_t count, float *y);

/// The gradient of the input replaces that of the output in `gradients`.
void qk_activate_backward_at(qk_simd level, qk_activation activation, const float *x, size_t count, float *gradients);

/// y = activation(gate) * up, one ulp more. `y` may be `gate` or `up`.
void qk_gated_at(qk_simd level, qk_activation activation, const float *gate, const float *up, size_t count, float *y);

/// The gradient of the gate replaces that of the output in `gradients`; `dup` receives that of `up`. Spans do not overlap.
void qk_gated_backward_at(
    qk_simd level, qk_activation activation, const float *gate, const float *up, size_t count, float *gradients, float *dup);

#endif
