#include "qk_mills.h"
#include "qk_train_lanes.h"

QK_INLINE void qk_gatedSilu_forward_body(const float *restrict gate, const float *restrict up, size_t count, float *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] = gate[i] * sigmoidOf(gate[i]) * up[i];
}

// (g s(g))' = s + g s (1 - s)
QK_INLINE void qk_gatedSilu_backward_body(
    float *restrict gradients, const float *restrict gate, const float *restrict up, size_t count, float *restrict dup
) {
    for (size_t i = 0; i < count; i++) {
        float dy = gradients[i], s = sigmoidOf(gate[i]), silu = gate[i] * s;
        gradients[i] = dy * up[i] * (s + silu * (1.0f - s));
        dup[i] = dy * silu;
    }
}

// (1 + tanh(z)) / 2 = sigmoid(2 z), so y = x s(2 z) with 2 z = a x + b x^3.
static const float geluA = 0x1.988454p0f;           // 2 sqrt(2 / pi)
static const float geluB = 0x1.2444f2p-4f;          // 2 sqrt(2 / pi) * 0.044715

QK_INLINE void qk_geluTanh_forward_body(const float *restrict x, size_t count, float *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] = x[i] * sigmoidOf(x[i] * (geluA + geluB * x[i] * x[i]));
}

QK_INLINE void qk_geluTanh_backward_body(float *restrict gradients, const float *restrict x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float square = x[i] * x[i], s = sigmoidOf(x[i] * (geluA + geluB * square));
        gradients[i] *= s + x[i] * s * (1.0f - s) * (geluA + 3.0f * geluB * square);
    }
}

/// e^(-a^2 / 2) for a = |x|, and 1 - Phi(a) with the normal distribution function Phi.
QK_INLINE float normalTailOf(float a, float *bell) {
    *bell = expOf(-0.5f * a * a);
    return *bell * millsOf(a);
}

QK_INLINE float boundedMagnitudeOf(float x) {
    float a = x < 0.0f ? -x : x;
    return a > QK_LARGEST_TAIL ? QK_LARGEST_TAIL : a;
}

QK_INLINE void qk_gelu_forward_body(const float *restrict x, size_t count, float *restrict y) {
    for (size_t i = 0; i < count; i++) {
        float bell, a = boundedMagnitudeOf(x[i]), tail = normalTailOf(a, &bell);
        y[i] = (x[i] > 0.0f ? x[i] : 0.0f) - a * tail;
    }
}

// (x Phi(x))' = Phi(x) + x e^(-x^2 / 2) / sqrt(2 pi)
QK_INLINE void qk_gelu_backward_body(float *restrict gradients, const float *restrict x, size_t count) {
    const float density = 0x1.988454p-2f;       // 1 / sqrt(2 pi)
    for (size_t i = 0; i < count; i++) {
        float bell, a = boundedMagnitudeOf(x[i]), tail = normalTailOf(a, &bell), slope = a * bell * density;
        gradients[i] *= x[i] > 0.0f ? 1.0f - tail + slope : tail - slope;
    }
}

QK_INLINE void qk_relu_forward_body(const float *restrict x, size_t count, float *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

QK_INLINE void qk_relu_backward_body(float *restrict gradients, const float *restrict x, size_t count) {
    for (size_t i = 0; i < count; i++) gradients[i] = x[i] <= 0.0f ? 0.0f : gradients[i];
}

QK_INLINE void qk_silu_forward_body(const float *restrict x, size_t count, float *restrict y) {
    for (size_t i = 0; i < count; i++) y[i] = x[i] * sigmoidOf(x[i]);
}

QK_INLINE void qk_silu_backward_body(float *restrict gradients, const float *restrict x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float s = sigmoidOf(x[i]);
        gradients[i] *= s + x[i] * s * (1.0f - s);
    }
}

enum { BLOCKS = 16, GROUP = QK_RANDOM_GROUP };

/// The 64 words of group number `group`.
QK_INLINE void philoxGroup(qk_random_stream stream, uint64_t group, uint32_t words[GROUP]) {
    uint32_t *restrict c0 = words, *restrict c1 = words + BLOCKS, *restrict c2 = words + 2 * BLOCKS, *restrict c3 = words + 3 * BLOCKS;
    for (uint32_t l = 0; l < BLOCKS; l++) {
        uint64_t block = group * BLOCKS + l;
        c0[l] = (uint32_t)block;
        c1[l] = (uint32_t)(block >> 32);
        c2[l] = stream.step;
        c3[l] = stream.site;
    }
    uint32_t k0 = (uint32_t)stream.seed, k1 = (uint32_t)(stream.seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < BLOCKS; l++) {
            uint64_t a = (uint64_t)c0[l] * 0xD2511F53u, b = (uint64_t)c2[l] * 0xCD9E8D57u;
            uint32_t n0 = (uint32_t)(b >> 32) ^ c1[l] ^ k0, n2 = (uint32_t)(a >> 32) ^ c3[l] ^ k1;
            c0[l] = n0;
            c1[l] = (uint32_t)b;
            c2[l] = n2;
            c3[l] = (uint32_t)a;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

void qk_random_words(qk_random_stream stream, uint64_t group, uint32_t words[QK_RANDOM_GROUP]) {
    philoxGroup(stream, group, words);
}

QK_INLINE void qk_dropout_body(
    qk_random_stream stream, uint32_t threshold, float scale, const float *x, size_t start, size_t count, float *y
) {
    uint32_t words[GROUP];
    for (size_t i = 0; i < count; i += GROUP) {
        philoxGroup(stream, (start + i) / GROUP, words);
        size_t end = count - i < GROUP ? count - i : GROUP;
        ELEMENTWISE for (size_t l = 0; l < end; l++) y[i + l] = words[l] >= threshold ? x[i + l] * scale : 0.0f;
    }
}

QK_INLINE void qk_dropout_add_body(
    qk_random_stream stream, uint32_t threshold, float scale, const float *restrict dy, size_t start, size_t count,
    float *restrict dx
) {
    uint32_t words[GROUP];
    for (size_t i = 0; i < count; i += GROUP) {
        philoxGroup(stream, (start + i) / GROUP, words);
        size_t end = count - i < GROUP ? count - i : GROUP;
        for (size_t l = 0; l < end; l++) dx[i + l] += words[l] >= threshold ? dy[i + l] * scale : 0.0f;
    }
}

QK_DEFINE(qk_gatedSilu_forward, (gate, up, count, y), const float *gate, const float *up, size_t count, float *y)
QK_DEFINE(
    qk_gatedSilu_backward, (gradients, gate, up, count, dup), float *gradients, const float *gate, const float *up, size_t count,
    float *dup)
QK_DEFINE(qk_geluTanh_forward, (x, count, y), const float *x, size_t count, float *y)
QK_DEFINE(qk_geluTanh_backward, (gradients, x, count), float *gradients, const float *x, size_t count)
QK_DEFINE(qk_gelu_forward, (x, count, y), const float *x, size_t count, float *y)
QK_DEFINE(qk_gelu_backward, (gradients, x, count), float *gradients, const float *x, size_t count)
QK_DEFINE(qk_relu_forward, (x, count, y), const float *x, size_t count, float *y)
QK_DEFINE(qk_relu_backward, (gradients, x, count), float *gradients, const float *x, size_t count)
QK_DEFINE(qk_silu_forward, (x, count, y), const float *x, size_t count, float *y)
QK_DEFINE(qk_silu_backward, (gradients, x, count), float *gradients, const float *x, size_t count)
QK_DEFINE(
    qk_dropout, (stream, threshold, scale, x, start, count, y), qk_random_stream stream, uint32_t threshold, float scale,
    const float *x, size_t start, size_t count, float *y)
QK_DEFINE(
    qk_dropout_add, (stream, threshold, scale, dy, start, count, dx), qk_random_stream stream, uint32_t threshold, float scale,
    const float *dy, size_t start, size_t count, float *dx)
