#include "qk_activation.h"

#include "qk_functions.h"

typedef struct {
    float value, slope;
} valueAndSlope;

QK_INLINE valueAndSlope silu(float x) {
    const float value = x / (1 + expOf(-x)), s = 1 / (1 + expOf(-x));
    // (x s(x))' = s + x s (1 - s)
    return (valueAndSlope){value, s + x * s * (1 - s)};
}

/// (1 + tanh(u)) / 2 = 1 / (1 + e^-2u), which loses nothing where tanh is near -1.
QK_INLINE valueAndSlope geluTanh(float x) {
    // -2 sqrt(2 / pi), and that times 0.044715.
    const float linear = -0x1.988454p+0f, cubic = -0x1.2444f2p-4f;
    // A cube that overflows would give 0 * infinity for large x.
    const float square = x * x, bounded = square < 1e4f ? square : 1e4f;
    const float e = expOf(__builtin_fmaf(cubic, bounded, linear) * x), s = 1 / (1 + e);
    return (valueAndSlope){x / (1 + e), s - x * s * (1 - s) * __builtin_fmaf(3 * cubic, bounded, linear)};
}

/// x Phi(x) = max(x, 0) - |x| (1 - Phi(|x|)), and Phi(x) + x e^(-x^2 / 2) / sqrt(2 pi).
QK_INLINE valueAndSlope gelu(float x) {
    const float magnitude = magnitudeOf(x), a = magnitude > QK_LARGEST_TAIL ? QK_LARGEST_TAIL : magnitude;
    const float bell = bellOf(a), tail = bell * millsOf(a), rise = a * bell * 0x1.988454p-2f;
    return (valueAndSlope){(x > 0 ? x : 0) - a * tail, x > 0 ? 1 - tail + rise : tail - rise};
}

QK_INLINE valueAndSlope relu(float x) { return (valueAndSlope){x < 0 ? 0 : x, x <= 0 ? 0 : 1}; }

QK_INLINE valueAndSlope reluSquared(float x) { return (valueAndSlope){x < 0 ? 0 : x * x, x <= 0 ? 0 : 2 * x}; }

QK_INLINE valueAndSlope of(qk_activation activation, float x) {
    switch (activation) {
    case QK_GELU: return gelu(x);
    case QK_GELU_TANH: return geluTanh(x);
    case QK_RELU: return relu(x);
    case QK_SILU: return silu(x);
    case QK_RELU_SQUARED: return reluSquared(x);
    }
    __builtin_trap();
}

/// Calls `body` with the activation as a constant.
#define FOR_EACH(activation, body, ...) \
    switch (activation) { \
    case QK_GELU: body(QK_GELU, __VA_ARGS__); return; \
    case QK_GELU_TANH: body(QK_GELU_TANH, __VA_ARGS__); return; \
    case QK_RELU: body(QK_RELU, __VA_ARGS__); return; \
    case QK_SILU: body(QK_SILU, __VA_ARGS__); return; \
    case QK_RELU_SQUARED: body(QK_RELU_SQUARED, __VA_ARGS__); return; \
    }

QK_INLINE void activateOne(qk_activation activation, const float *x, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = of(activation, x[i]).value;
}

QK_INLINE void activate(qk_activation activation, const float *x, size_t count, float *y) {
    FOR_EACH(activation, activateOne, x, count, y)
}

QK_INLINE void gateOne(qk_activation activation, const float *gate, const float *up, size_t count, float *y) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = of(activation, gate[i]).value * up[i];
}

QK_INLINE void gated(qk_activation activation, const float *gate, const float *up, size_t count, float *y) {
    FOR_EACH(activation, gateOne, gate, up, count, y)
}

QK_INLINE void differentiateOne(qk_activation activation, const float *x, size_t count, float *gradients) {
    ELEMENTWISE for (size_t i = 0; i < count; i++) gradients[i] *= of(activation, x[i]).slope;
}

QK_INLINE void differentiate(qk_activation activation, const float *x, size_t count, float *gradients) {
    FOR_EACH(activation, differentiateOne, x, count, gradients)
}

QK_INLINE void differentiateGateOne(
    qk_activation activation, const float *restrict gate, const float *restrict up, size_t count, float *restrict gradients,
    float *restrict dup
) {
    for (size_t i = 0; i < count; i++) {
        const valueAndSlope g = of(activation, gate[i]);
        const float dy = gradients[i];
        gradients[i] = dy * up[i] * g.slope;
        dup[i] = dy * g.value;
    }
}

QK_INLINE void differentiateGate(
    qk_activation activation, const float *gate, const float *up, size_t count, float *gradients, float *dup
) {
    FOR_EACH(activation, differentiateGateOne, gate, up, count, gradients, dup)
}

QK_FOR_LEVELS(
    qk_activate_at, activate, (activation, x, count, y), qk_activation activation, const float *x, size_t count, float *y)
QK_FOR_LEVELS(
    qk_activate_backward_at, differentiate, (activation, x, count, gradients), qk_activation activation, const float *x,
    size_t count, float *gradients)
QK_FOR_LEVELS(
    qk_gated_at, gated, (activation, gate, up, count, y), qk_activation activation, const float *gate, const float *up,
    size_t count, float *y)
QK_FOR_LEVELS(
    qk_gated_backward_at, differentiateGate, (activation, gate, up, count, gradients, dup), qk_activation activation,
    const float *gate, const float *up, size_t count, float *gradients, float *dup)
