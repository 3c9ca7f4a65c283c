#include "qk_bytes.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "qk_levels.h"

enum { LARGEST = 127 };

QK_INLINE void encode(const float *x, size_t count, int8_t *codes, float *scale) {
    // Bits of magnitudes are in the order of magnitudes, those of infinities and NaN above all others.
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t magnitude = bitsOf(x[i]) & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    if (largest >= 0x7f800000) {
        memset(codes, 0, count);
        *scale = NAN;
        return;
    }
    const float step = floatOf(largest) / LARGEST;
    if (step < FLT_MIN) {
        memset(codes, 0, count);
        *scale = 0;
        return;
    }
    const float inverse = 1 / step;
    for (size_t i = 0; i < count; i++) codes[i] = (int8_t)(int32_t)__builtin_rintf(x[i] * inverse);
    *scale = step;
}

QK_INLINE void decode(const int8_t *codes, size_t stride, const float *scales, size_t rowCount, size_t width, float *x) {
    for (size_t row = 0; row < rowCount; row++) {
        const int8_t *from = codes + row * stride;
        float *to = x + row * width;
        const float scale = scales[row];
        for (size_t i = 0; i < width; i++) to[i] = (float)from[i] * scale;
    }
}

QK_FOR_LEVELS(qk_bytes_encode_at, encode, (x, count, codes, scale), const float *x, size_t count, int8_t *codes, float *scale)
QK_FOR_LEVELS(
    qk_bytes_decode_at, decode, (codes, stride, scales, rowCount, width, x), const int8_t *codes, size_t stride,
    const float *scales, size_t rowCount, size_t width, float *x)
