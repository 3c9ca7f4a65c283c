/// Private: e^x, and the means to compile one loop for every level.
#ifndef QK_EXP_H
#define QK_EXP_H

#include "qk_lanes.h"

/// Defines `name_at(level, ...)` and `name(...)` from the inlined function `body`. Its loops are vectorised by the compiler;
/// they use explicit fused multiply-adds and lanes of their own, so that every level gives the same bits.
#if defined(__x86_64__)
#define QK_FOR_LEVELS(name, body, parameters, ...) \
    static void name##_scalar parameters { body(__VA_ARGS__); } \
    QK_TARGET_AVX2 static void name##_avx2 parameters { body(__VA_ARGS__); } \
    QK_TARGET_AVX512 static void name##_avx512 parameters { body(__VA_ARGS__); }
/// The same for a body whose first argument is the level.
#define QK_FOR_LEVELS_OF(name, body, parameters, ...) \
    static void name##_scalar parameters { body(QK_SCALAR, __VA_ARGS__); } \
    QK_TARGET_AVX2 static void name##_avx2 parameters { body(QK_AVX2, __VA_ARGS__); } \
    QK_TARGET_AVX512 static void name##_avx512 parameters { body(QK_AVX512, __VA_ARGS__); }
#define QK_CALL_LEVEL(name, level, ...) \
    switch (level) { \
    case QK_AVX512: name##_avx512(__VA_ARGS__); return; \
    case QK_AVX2: name##_avx2(__VA_ARGS__); return; \
    default: name##_scalar(__VA_ARGS__); \
    }
#else
#define QK_FOR_LEVELS(name, body, parameters, ...) \
    static void name##_scalar parameters { body(__VA_ARGS__); }
#define QK_FOR_LEVELS_OF(name, body, parameters, ...) \
    static void name##_scalar parameters { body(QK_SCALAR, __VA_ARGS__); }
#define QK_CALL_LEVEL(name, level, ...) (void)(level), name##_scalar(__VA_ARGS__)
#endif

/// Within 1 ulp of e^x (measured over all floats); denormal results too; 0 below -104; infinity above 88.73; NaN stays NaN.
QK_INLINE float expOf(float x) {
    // e^x = 2^n e^r with |r| <= ln 2 / 2; the upper part of ln 2 has 15 bits, so that n times it is exact.
    x = x < -104 ? -104 : x;
    x = x > 89 ? 89 : x;
    const float shifted = __builtin_fmaf(x, 0x1.715476p+0f, 0x1.8p23f), n = shifted - 0x1.8p23f;
    float r = __builtin_fmaf(n, -0x1.62e4p-1f, x);
    r = __builtin_fmaf(n, -0x1.7f7d1cp-20f, r);
    // (e^r - 1 - r) / r^2: the polynomial of degree 4 with the least relative error of e^r, 3e-9.
    float p = 0x1.6a23dp-10f;
    p = __builtin_fmaf(p, r, 0x1.123a2p-7f);
    p = __builtin_fmaf(p, r, 0x1.5558f2p-5f);
    p = __builtin_fmaf(p, r, 0x1.555492p-3f);
    p = __builtin_fmaf(p, r, 0x1.fffffcp-2f);
    p = __builtin_fmaf(p, r * r, r) + 1;
    // In two factors: 2^n alone may be denormal or too large.
    const int32_t exponent = (int32_t)(bitsOf(shifted) - 0x4b400000u), half = exponent >> 1;
    return p * floatOf((uint32_t)(half + 127) << 23) * floatOf((uint32_t)(exponent - half + 127) << 23);
}

#endif
