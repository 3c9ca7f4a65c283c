/// Private: one loop, compiled for every level, with sums in an order that does not depend on it.
#ifndef QK_TRAIN_LANES_H
#define QK_TRAIN_LANES_H

#include "qk_lanes.h"
#include "qk_train.h"

enum { LANES = 16 };

#if defined(__x86_64__)
/// Defines `name` and `name_at`, taking `...`, from the inline function `name_body`, called with `arguments`.
#define QK_DEFINE(name, arguments, ...) \
    QK_TARGET_AVX512 static void name##_avx512(__VA_ARGS__) { name##_body arguments; } \
    QK_TARGET_AVX2 static void name##_avx2(__VA_ARGS__) { name##_body arguments; } \
    static void name##_scalar(__VA_ARGS__) { name##_body arguments; } \
    void name##_at(qk_simd level, __VA_ARGS__) { \
        switch (level) { \
        case QK_AVX512: name##_avx512 arguments; break; \
        case QK_AVX2: name##_avx2 arguments; break; \
        default: name##_scalar arguments; \
        } \
    } \
    void name(__VA_ARGS__) { name##_at(qk_simd_best(), QK_UNPACK arguments); }
#else
#define QK_DEFINE(name, arguments, ...) \
    void name##_at(qk_simd level, __VA_ARGS__) { \
        (void)level; \
        name##_body arguments; \
    } \
    void name(__VA_ARGS__) { name##_body arguments; }
#endif
#define QK_UNPACK(...) __VA_ARGS__

/// Neighbours first: ((0+1)+(2+3)) + ...
QK_INLINE float sumOfLanes(const float lanes[LANES]) {
    float sums[LANES];
    for (int i = 0; i < LANES; i++) sums[i] = lanes[i];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++) sums[i] = sums[2 * i] + sums[2 * i + 1];
    return sums[0];
}

/// e^x within 2 ulp, 0 below -87.3, without a branch. x = n ln 2 + r; e^r by a polynomial of degree 6.
QK_INLINE float expOf(float x) {
    float clamped = x < -87.3f ? -87.3f : x > 88.0f ? 88.0f : x;
    // Adding 1.5 * 2^23 leaves no room for a fraction.
    const float rounder = 0x1.8p23f;
    float shifted = clamped * 0x1.715476p0f + rounder, n = shifted - rounder;
    float r = clamped - n * 0x1.62e400p-1f;
    r = r - n * 0x1.7f7d1cp-20f;
    float p = 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666667e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = (p * r) * r + r;
    uint32_t scale = (bitsOf(shifted) - bitsOf(rounder) + 127) << 23;
    float value = (p + 1.0f) * floatOf(scale);
    // A NaN fails every comparison and stays itself.
    return x < -87.3f ? 0.0f : x == x ? value : x;
}

QK_INLINE float sigmoidOf(float x) {
    return 1.0f / (1.0f + expOf(-x));
}

#endif
