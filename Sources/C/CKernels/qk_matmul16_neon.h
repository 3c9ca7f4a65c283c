/// Private: integers of weights and of x as NEON takes them apart. See the order of elements in `qk_matmul16_parts.h`.
#ifndef QK_MATMUL16_NEON_H
#define QK_MATMUL16_NEON_H

#include "qk_lanesNEON.h"
#include "qk_matmul16_parts.h"

#if defined(__aarch64__)
/// Lower and upper bytes of the 16 integers.
typedef struct {
    uint8x16_t lower, upper;
} bytePlanes;

QK_INLINE bytePlanes planesOf(const int16_t values[16]) {
    const uint8x16x2_t planes = vld2q_u8((const uint8_t *)values);
    return (bytePlanes){planes.val[0], planes.val[1]};
}

/// 64 codes as integers, in this level's order.
QK_INLINE void unpackNEON(bytePlanes planes, const uint8_t *packed, int16x8_t values[8]) {
    UNROLL for (size_t half = 0; half < 2; half++) {
        const uint8x16_t pairs = vld1q_u8(packed + 16 * half);
        const uint8x16_t codes[2] = {vshrq_n_u8(pairs, 4), vandq_u8(pairs, vdupq_n_u8(15))};
        UNROLL for (size_t i = 0; i < 2; i++) {
            const uint8x16_t lower = vqtbl1q_u8(planes.lower, codes[i]), upper = vqtbl1q_u8(planes.upper, codes[i]);
            values[4 * half + 2 * i] = vreinterpretq_s16_u8(vzip1q_u8(lower, upper));
            values[4 * half + 2 * i + 1] = vreinterpretq_s16_u8(vzip2q_u8(lower, upper));
        }
    }
}

/// Planes of the 16 integers: w = 128 upper + lower, both of at most 64 in magnitude.
QK_INLINE int8x16x2_t weightPlanes(const int16_t values[16]) {
    int8_t upper[16], lower[16];
    for (size_t code = 0; code < 16; code++) splitPlanes(values[code], &upper[code], &lower[code]);
    return (int8x16x2_t){{vld1q_s8(upper), vld1q_s8(lower)}};
}

/// 64 codes in this level's order, 8 at a time: their upper plane, then the lower one.
QK_INLINE void unpackPlanes(int8x16x2_t planes, const uint8_t *packed, int8x16_t values[8]) {
    UNROLL for (size_t half = 0; half < 2; half++) {
        const uint8x16_t pairs = vld1q_u8(packed + 16 * half);
        const uint8x16_t codes[2] = {vshrq_n_u8(pairs, 4), vandq_u8(pairs, vdupq_n_u8(15))};
        UNROLL for (size_t i = 0; i < 2; i++) {
            const int64x2_t upper = vreinterpretq_s64_s8(vqtbl1q_s8(planes.val[0], codes[i]));
            const int64x2_t lower = vreinterpretq_s64_s8(vqtbl1q_s8(planes.val[1], codes[i]));
            values[4 * half + 2 * i] = vreinterpretq_s8_s64(vzip1q_s64(upper, lower));
            values[4 * half + 2 * i + 1] = vreinterpretq_s8_s64(vzip2q_s64(upper, lower));
        }
    }
}

/// 64 bytes as integers.
QK_INLINE void widenBytes(const uint8_t *bytes, int16x8_t values[8]) {
    UNROLL for (size_t i = 0; i < 4; i++) {
        const int8x16_t sixteen = vreinterpretq_s8_u8(vld1q_u8(bytes + 16 * i));
        values[2 * i] = vmovl_s8(vget_low_s8(sixteen));
        values[2 * i + 1] = vmovl_high_s8(sixteen);
    }
}

/// sum += values x, in four lanes: the first four elements, then the others.
QK_INLINE int32x4_t addProducts(int32x4_t sum, int16x8_t values, int16x8_t x) {
    return vmlal_high_s16(vmlal_s16(sum, vget_low_s16(values), vget_low_s16(x)), values, x);
}

/// Sums of the lanes of each of 4 vectors.
QK_INLINE int32x4_t sumsOfFour(const int32x4_t v[4]) { return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3])); }

/// `fma(float(sums), scales * xScale, total)` for 4 rows.
QK_INLINE float32x4_t addScaled(int32x4_t sums, float32x4_t scales, float xScale, float32x4_t total) {
    return vfmaq_f32(total, vcvtq_f32_s32(sums), vmulq_n_f32(scales, xScale));
}
#endif

#endif
