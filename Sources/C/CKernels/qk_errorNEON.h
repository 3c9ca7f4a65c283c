/// Private: sums of errors with NEON. A part of `qk_error.c`.
#ifndef QK_ERRORNEON_H
#define QK_ERRORNEON_H

#include "qk_codes.h"

#if defined(__aarch64__)
/// All eight lanes, two in each register.
typedef struct {
    float64x2_t referenceSquares[4], actualSquares[4], products[4], errorSquares[4], errorMagnitudes[4], largestError[4];
} sumsNEON;

QK_INLINE sumsNEON loadSumsNEON(const qk_error_sums *sums) {
    sumsNEON v;
    UNROLL for (size_t i = 0; i < 4; i++) {
        v.referenceSquares[i] = vld1q_f64(sums->referenceSquares + 2 * i);
        v.actualSquares[i] = vld1q_f64(sums->actualSquares + 2 * i);
        v.products[i] = vld1q_f64(sums->products + 2 * i);
        v.errorSquares[i] = vld1q_f64(sums->errorSquares + 2 * i);
        v.errorMagnitudes[i] = vld1q_f64(sums->errorMagnitudes + 2 * i);
        v.largestError[i] = vdupq_n_f64(0);
    }
    return v;
}

QK_INLINE void storeSumsNEON(qk_error_sums *sums, const sumsNEON *v) {
    UNROLL for (size_t i = 0; i < 4; i++) {
        vst1q_f64(sums->referenceSquares + 2 * i, v->referenceSquares[i]);
        vst1q_f64(sums->actualSquares + 2 * i, v->actualSquares[i]);
        vst1q_f64(sums->products + 2 * i, v->products[i]);
        vst1q_f64(sums->errorSquares + 2 * i, v->errorSquares[i]);
        vst1q_f64(sums->errorMagnitudes + 2 * i, v->errorMagnitudes[i]);
    }
}

QK_INLINE float64x2_t widenTwo(const float32x4_t eight[2], size_t i) {
    return i % 2 == 0 ? vcvt_f64_f32(vget_low_f32(eight[i / 2])) : vcvt_high_f64_f32(eight[i / 2]);
}

QK_INLINE void addEightNEON(sumsNEON *v, const float32x4_t reference[2], const float32x4_t actual[2]) {
    UNROLL for (size_t i = 0; i < 4; i++) {
        const float64x2_t r = widenTwo(reference, i), a = widenTwo(actual, i);
        const float64x2_t error = vsubq_f64(a, r), magnitude = vabsq_f64(error);
        v->referenceSquares[i] = vfmaq_f64(v->referenceSquares[i], r, r);
        v->actualSquares[i] = vfmaq_f64(v->actualSquares[i], a, a);
        v->products[i] = vfmaq_f64(v->products[i], r, a);
        v->errorSquares[i] = vaddq_f64(v->errorSquares[i], vmulq_f64(error, error));
        v->errorMagnitudes[i] = vaddq_f64(v->errorMagnitudes[i], magnitude);
        // Of a NaN and a number the number is taken.
        v->largestError[i] = vmaxnmq_f64(v->largestError[i], magnitude);
    }
}

/// The largest error since the last time, which begins anew.
QK_INLINE double takeLargestNEON(sumsNEON *v) {
    const float64x2_t low = vmaxq_f64(v->largestError[0], v->largestError[1]);
    const double largest = vmaxvq_f64(vmaxq_f64(low, vmaxq_f64(v->largestError[2], v->largestError[3])));
    UNROLL for (size_t i = 0; i < 4; i++) v->largestError[i] = vdupq_n_f64(0);
    return largest;
}

/// `count`, a multiple of 8, elements from lane 0 on.
static void addVectorsNEON(qk_error_sums *sums, const float *reference, const float *actual, size_t count) {
    sumsNEON v = loadSumsNEON(sums);
    for (size_t start = 0; start < count; start += STRETCH) {
        const size_t end = count - start < STRETCH ? count : start + STRETCH;
        for (size_t i = start; i < end; i += 8) {
            const float32x4_t r[2] = {floatsAt(reference + i), floatsAt(reference + i + 4)};
            const float32x4_t a[2] = {floatsAt(actual + i), floatsAt(actual + i + 4)};
            addEightNEON(&v, r, a);
        }
        noteStretch(sums, reference + start, actual + start, end - start, takeLargestNEON(&v));
    }
    storeSumsNEON(sums, &v);
}

QK_INLINE void addSameNEON(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t end) {
    sumsNEON v = loadSumsNEON(sums);
    for (size_t i = start; i < end; i += 8) {
        const float32x4_t eight[2] = {loadFour(type, values, i), loadFour(type, values, i + 4)};
        addEightNEON(&v, eight, eight);
    }
    storeSumsNEON(sums, &v);
    sums->count += end - start;
}

QK_INLINE void addBlocksNEON(qk_float type, qk_error_sums *sums, comparison4 c) {
    const qk_blocks4 b = c.blocks;
    sumsNEON v = loadSumsNEON(sums);
    for (size_t start = 0; start + b.blockSize <= b.count; start += b.blockSize) {
        const float absmax = b.absmax[start / b.blockSize];
        float scaled[16];
        for (size_t code = 0; code < 16; code++) scaled[code] = b.quantMap[code] * absmax;
        const valuePlanes planes = planesOfValues(scaled);
        uint32x4_t largest = vdupq_n_u32(0);
        for (size_t i = start; i < start + b.blockSize; i += 16) {
            float32x4_t reference[4], actual[4];
            lookUpSixteen(&planes, codesOfSixteen(b.packed + i / 2, false), actual);
            UNROLL for (size_t j = 0; j < 4; j++) {
                reference[j] = loadFour(type, c.reference, i + 4 * j);
                largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(reference[j]), vdupq_n_u32(0x7fffffff)));
            }
            addEightNEON(&v, reference, actual);
            addEightNEON(&v, reference + 2, actual + 2);
        }
        noteBlock(type, sums, c, start, vmaxvq_u32(largest), takeLargestNEON(&v));
    }
    storeSumsNEON(sums, &v);
}

static void addSameAnyNEON(qk_float type, qk_error_sums *sums, const uint8_t *values, size_t start, size_t end) {
    QK_RETURN_FOR_STORED(addSameNEON, type, sums, values, start, end);
}

static void addBlocksAnyNEON(qk_float type, qk_error_sums *sums, comparison4 c) {
    QK_RETURN_FOR_STORED(addBlocksNEON, type, sums, c);
}
#endif

#endif
