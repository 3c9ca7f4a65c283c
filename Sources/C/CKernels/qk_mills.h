/// Private: the tail of the normal distribution, from which the exact GELU is made.
#ifndef QK_MILLS_H
#define QK_MILLS_H

#include "qk_lanes.h"

/// Beyond this many standard deviations the tail is no float any more: what is larger may be taken for it.
#define QK_LARGEST_TAIL 14.5f

/// Mills' ratio (1 - Phi(a)) e^(a^2 / 2) of the normal distribution function Phi, within 4 ulp for 0 <= a <= 14.5. It falls
/// slowly from 1/2 like 1 / (sqrt(2 pi) a), so t = 1 / (1 + 0.3 a) times a polynomial in t has its shape: degree 9 with the
/// least relative error, 3.5e-9. Nothing is fused: both families of kernels use it, and one has no fused operations.
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

#endif
