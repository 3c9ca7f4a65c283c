/// Private: four elements of any stored type at a time, with NEON.
#ifndef QK_LANESNEON_H
#define QK_LANESNEON_H

#include "qk_lanes.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define QK_TARGET_DOT __attribute__((target("dotprod")))
#define QK_TARGET_I8MM __attribute__((target("dotprod,i8mm")))

// By bytes: stored types and rows of blocks may have any alignment.

QK_INLINE float32x4_t floatsAt(const void *place) { return vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)place)); }
QK_INLINE void storeFloats(void *place, float32x4_t value) { vst1q_u8((uint8_t *)place, vreinterpretq_u8_f32(value)); }
QK_INLINE int16x8_t shortsAt(const void *place) { return vreinterpretq_s16_u8(vld1q_u8((const uint8_t *)place)); }

QK_INLINE float32x4_t widenFourHalves(uint16x4_t halves) { return vcvt_f32_f16(vreinterpret_f16_u16(halves)); }

/// Four elements of `type` at element `i`.
QK_INLINE float32x4_t loadFour(qk_float type, const uint8_t *source, size_t i) {
    uint32_t word;
    switch (type) {
    case QK_F32: return floatsAt(source + 4 * i);
    case QK_F64: {
        const float64x2_t low = vreinterpretq_f64_u8(vld1q_u8(source + 8 * i));
        return vcvt_high_f32_f64(vcvt_f32_f64(low), vreinterpretq_f64_u8(vld1q_u8(source + 8 * i + 16)));
    }
    case QK_F16: return widenFourHalves(vreinterpret_u16_u8(vld1_u8(source + 2 * i)));
    case QK_BF16: return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(source + 2 * i)), 16));
    case QK_F8_E4M3: {
        memcpy(&word, source + i, 4);
        const uint16x4_t wide = vget_low_u16(vmovl_u8(vcreate_u8(word))), magnitude = vand_u16(wide, vdup_n_u16(0x7f));
        const uint16x4_t isNaN = vceq_u16(magnitude, vdup_n_u16(0x7f));
        const uint16x4_t half = vbsl_u16(isNaN, vdup_n_u16(0x7e00), vshl_n_u16(magnitude, 7));
        return vmulq_n_f32(widenFourHalves(vorr_u16(half, vshl_n_u16(vand_u16(wide, vdup_n_u16(0x80)), 8))), 256);
    }
    case QK_F8_E5M2:
        memcpy(&word, source + i, 4);
        return widenFourHalves(vget_low_u16(vshll_n_u8(vcreate_u8(word), 8)));
    }
    __builtin_trap();
}

QK_INLINE uint16x4_t narrowFourF16(float32x4_t value) { return vreinterpret_u16_f16(vcvt_f16_f32(value)); }

QK_INLINE uint16x4_t narrowFourBF16(float32x4_t value) {
    const uint32x4_t bits = vreinterpretq_u32_f32(value), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    return vshrn_n_u32(vbslq_u32(vceqq_f32(value, value), rounded, quiet), 16);
}

/// Stores four elements as `type`, QK_F32, QK_F16 or QK_BF16, from element `i` on.
QK_INLINE void storeFour(qk_float type, uint8_t *destination, size_t i, float32x4_t value) {
    switch (type) {
    case QK_F32: storeFloats(destination + 4 * i, value); return;
    case QK_F16: vst1_u8(destination + 2 * i, vreinterpret_u8_u16(narrowFourF16(value))); return;
    case QK_BF16: vst1_u8(destination + 2 * i, vreinterpret_u8_u16(narrowFourBF16(value))); return;
    default: __builtin_trap();
    }
}
#endif

#endif
