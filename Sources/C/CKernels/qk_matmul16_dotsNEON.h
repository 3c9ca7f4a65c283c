/// Private: a piece of 8 rows of codes or bytes against a row of x with NEON. A part of `qk_matmul16_dots.c`.
#ifndef QK_MATMUL16_DOTSNEON_H
#define QK_MATMUL16_DOTSNEON_H

#include "qk_matmul16_neon.h"

#if defined(__aarch64__)
QK_INLINE void addGroup(const rowPiece *p, size_t g, float xScale, const int32x4_t products[ROWS], float32x4_t totals[2]) {
    UNROLL for (size_t i = 0; i < 2; i++)
        totals[i] = addScaled(sumsOfFour(products + 4 * i), floatsAt(p->scales + ROWS * g + 4 * i), xScale, totals[i]);
}

QK_INLINE void addPieceNEON(bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]) {
    const bytePlanes planes = planesOf(p->values);
    const size_t byteCount = areBytes ? GROUP : GROUP / 2;
    float32x4_t totals[2] = {floatsAt(sums), floatsAt(sums + 4)};
    for (size_t g = 0; g < p->groupCount; g++) {
        int16x8_t xs[8];
        int32x4_t products[ROWS];
        UNROLL for (size_t j = 0; j < 8; j++) xs[j] = shortsAt(x + GROUP * g + 8 * j);
        fetchAhead(p, g, byteCount);
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *bytes = p->rows[row] + byteCount * g;
            int16x8_t values[8];
            if (areBytes) widenBytes(bytes, values);
            else unpackNEON(planes, bytes, values);
            int32x4_t even = vdupq_n_s32(0), odd = even;
            UNROLL for (size_t j = 0; j < 8; j += 2) {
                even = addProducts(even, values[j], xs[j]);
                odd = addProducts(odd, values[j + 1], xs[j + 1]);
            }
            products[row] = vaddq_s32(even, odd);
        }
        addGroup(p, g, xScales[g], products, totals);
    }
    storeFloats(sums, totals[0]);
    storeFloats(sums + 4, totals[1]);
}

/// Bytes against the planes of x: 128 (sum of upper) + sum of lower.
QK_TARGET_DOT static void addBytesDOT(const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]) {
    float32x4_t totals[2] = {floatsAt(sums), floatsAt(sums + 4)};
    for (size_t g = 0; g < p->groupCount; g++) {
        int8x16_t upper[4], lower[4];
        int32x4_t products[ROWS];
        UNROLL for (size_t j = 0; j < 4; j++) {
            const int64x2_t a = vreinterpretq_s64_s16(shortsAt(x + GROUP * g + 16 * j));
            const int64x2_t b = vreinterpretq_s64_s16(shortsAt(x + GROUP * g + 16 * j + 8));
            upper[j] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
            lower[j] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
        }
        fetchAhead(p, g, GROUP);
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *bytes = p->rows[row] + GROUP * g;
            int32x4_t uppers = vdupq_n_s32(0), lowers = uppers;
            UNROLL for (size_t j = 0; j < 4; j++) {
                const int8x16_t values = vreinterpretq_s8_u8(vld1q_u8(bytes + 16 * j));
                uppers = vdotq_s32(uppers, values, upper[j]);
                lowers = vdotq_s32(lowers, values, lower[j]);
            }
            products[row] = vaddq_s32(vshlq_n_s32(uppers, PLANE_BITS), lowers);
        }
        addGroup(p, g, xScales[g], products, totals);
    }
    storeFloats(sums, totals[0]);
    storeFloats(sums + 4, totals[1]);
}

/// Codes against the planes of x: an instruction multiplies both planes of 8 integers with both of x.
QK_TARGET_I8MM static void addCodesI8MM(const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]) {
    const int8x16x2_t planes = weightPlanes(p->values);
    const int32x4_t shifts = {2 * PLANE_BITS, PLANE_BITS, PLANE_BITS, 0};
    float32x4_t totals[2] = {floatsAt(sums), floatsAt(sums + 4)};
    for (size_t g = 0; g < p->groupCount; g++) {
        int8x16_t xs[8];
        int32x4_t products[ROWS];
        UNROLL for (size_t j = 0; j < 8; j++) xs[j] = vreinterpretq_s8_s16(shortsAt(x + GROUP * g + 8 * j));
        fetchAhead(p, g, GROUP / 2);
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *bytes = p->rows[row] + GROUP / 2 * g;
            int8x16_t values[8];
            unpackPlanes(planes, bytes, values);
            int32x4_t even = vdupq_n_s32(0), odd = even;
            UNROLL for (size_t j = 0; j < 8; j += 2) {
                even = vmmlaq_s32(even, values[j], xs[j]);
                odd = vmmlaq_s32(odd, values[j + 1], xs[j + 1]);
            }
            products[row] = vshlq_s32(vaddq_s32(even, odd), shifts);
        }
        addGroup(p, g, xScales[g], products, totals);
    }
    storeFloats(sums, totals[0]);
    storeFloats(sums + 4, totals[1]);
}

static void addAnyNEON(
    qk_simd level, bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]
) {
    if (areBytes) {
        if (hasPlanes(level, true)) addBytesDOT(p, x, xScales, sums);
        else addPieceNEON(true, p, x, xScales, sums);
    } else {
        if (hasPlanes(level, false)) addCodesI8MM(p, x, xScales, sums);
        else addPieceNEON(false, p, x, xScales, sums);
    }
}
#endif

#endif
