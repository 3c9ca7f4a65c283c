/// Private: functions of one float32 from which activations, norms and attention are made.
#ifndef QK_FUNCTIONS_H
#define QK_FUNCTIONS_H

#include "qk_levels.h"

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

QK_INLINE float magnitudeOf(float x) { return x < 0 ? -x : x; }

/// Within 2 ulp of tanh x: near 0, where 1 - 2 / (1 + e^2x) has no digits left, by Cephes' polynomial.
QK_INLINE float tanhOf(float x) {
    const float a = magnitudeOf(x), square = x * x;
    float p = -5.70498872745e-3f;
    p = __builtin_fmaf(p, square, 2.06390887954e-2f);
    p = __builtin_fmaf(p, square, -5.37397155531e-2f);
    p = __builtin_fmaf(p, square, 1.33314422036e-1f);
    p = __builtin_fmaf(p, square, -3.33332819422e-1f);
    const float near = __builtin_fmaf(p * square, x, x), far = 1 - 2 / (1 + expOf(2 * a));
    return a < 0.625f ? near : x < 0 ? -far : far;
}

/// Beyond this many standard deviations the tail of the normal distribution is no float any more.
#define QK_LARGEST_TAIL 14.5f

/// Mills' ratio (1 - Phi(a)) e^(a^2 / 2) of the normal distribution function Phi, within 4 ulp for 0 <= a <= 14.5. It falls
/// slowly from 1/2 like 1 / (sqrt(2 pi) a), so t = 1 / (1 + 0.3 a) times a polynomial in t has its shape: degree 9 with the
/// least relative error, 3.5e-9.
QK_INLINE float millsOf(float a) {
    const float t = 1.0f / (1.0f + 0x1.333334p-2f * a);
    float p = -0x1.51eb04p-6f;
    p = p * t + 0x1.cc919ap-4f;
    p = p * t - 0x1.d36bccp-3f;
    p = p * t + 0x1.88d46ap-3f;
    p = p * t - 0x1.456a02p-4f;
    p = p * t + 0x1.89e97ap-4f;
    p = p * t + 0x1.411086p-4f;
    p = p * t + 0x1.c38758p-4f;
    p = p * t + 0x1.e9c3fep-4f;
    p = p * t + 0x1.ea3c9ap-4f;
    return p * t;
}

/// e^(-a^2 / 2) for 0 <= a <= 14.5, with what rounding has taken from the square: far out that would be many digits.
QK_INLINE float bellOf(float a) {
    const float square = a * a, lost = __builtin_fmaf(a, a, -square);
    return expOf(-0.5f * square) * __builtin_fmaf(-0.5f, lost, 1);
}

#endif
