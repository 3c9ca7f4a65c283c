/// Private: integer tiles and panels with NEON, as `qk_matmul16_tiles.c` and `qk_matmul16_blockTiles.c` use them.
#ifndef QK_MATMUL16_TILESNEON_H
#define QK_MATMUL16_TILESNEON_H

#include "qk_matmul16_neon.h"

#if defined(__aarch64__)
/// `count` codes or bytes as a row of a tile.
QK_INLINE void expandNEON(
    qk_simd level, bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile
) {
    const bytePlanes planes = planesOf(values);
    const int8x16x2_t halves = weightPlanes(values);
    const bool inPlanes = !areBytes && hasPlanes(level, false);
    for (size_t i = 0; i < count; i += GROUP) {
        int16x8_t group[8];
        int8x16_t eights[8];
        if (inPlanes) unpackPlanes(halves, bytes + i / 2, eights);
        else if (areBytes) widenBytes(bytes + i, group);
        else unpackNEON(planes, bytes + i / 2, group);
        UNROLL for (size_t j = 0; j < 8; j++)
            vst1q_s16(tile + i + 8 * j, inPlanes ? vreinterpretq_s16_s8(eights[j]) : group[j]);
    }
}

/// Adds products of elements 2 `pair` and 2 `pair` + 1 of the 8 from k on with 16 columns. Lanes are constants.
#define QK_ADD_PAIR(pair) \
    do { \
        const int16_t *place = panel + width * (k + 2 * pair); \
        const int16x8x2_t first = vld2q_s16(place), second = vld2q_s16(place + 16); \
        UNROLL for (size_t i = 0; i < rows; i++) { \
            QK_ADD_ELEMENT(sums[i], 0, first.val[0], elements[i], 2 * pair); \
            QK_ADD_ELEMENT(sums[i], 2, second.val[0], elements[i], 2 * pair); \
            QK_ADD_ELEMENT(sums[i], 0, first.val[1], elements[i], 2 * pair + 1); \
            QK_ADD_ELEMENT(sums[i], 2, second.val[1], elements[i], 2 * pair + 1); \
        } \
    } while (0)
#define QK_ADD_ELEMENT(sums, at, columns, elements, lane) \
    sums[at] = vmlal_laneq_s16(sums[at], vget_low_s16(columns), elements, lane); \
    sums[at + 1] = vmlal_high_laneq_s16(sums[at + 1], columns, elements, lane)

/// Sums over elements `start` to `end`, a multiple of 8 of them, of `rows` rows of a tile, a constant of at most 4, times 16 columns
/// of a panel of `width`.
QK_INLINE void sumPairs(
    size_t rows, const int16_t *tile, const int16_t *panel, size_t width, size_t start, size_t end, int32x4_t sums[4][4]
) {
    UNROLL for (size_t i = 0; i < rows; i++)
        UNROLL for (size_t j = 0; j < 4; j++) sums[i][j] = vdupq_n_s32(0);
    for (size_t k = start; k < end; k += 8) {
        int16x8_t elements[4];
        UNROLL for (size_t i = 0; i < rows; i++) elements[i] = shortsAt(tile + i * QK_MATMUL16_STRIDE + k);
        QK_ADD_PAIR(0);
        QK_ADD_PAIR(1);
        QK_ADD_PAIR(2);
        QK_ADD_PAIR(3);
    }
}

/// Sums over a group in planes, of `rows` rows times 4 columns: lanes of a sum are to be added.
QK_TARGET_I8MM QK_INLINE void sumPlanes(size_t rows, const int16_t *tile, const int16_t *columns, int32x4_t sums[4][4]) {
    const int32x4_t shifts = {2 * PLANE_BITS, PLANE_BITS, PLANE_BITS, 0};
    UNROLL for (size_t i = 0; i < rows; i++)
        UNROLL for (size_t j = 0; j < 4; j++) sums[i][j] = vdupq_n_s32(0);
    for (size_t k = 0; k < GROUP; k += 8) {
        int8x16_t xs[4];
        UNROLL for (size_t j = 0; j < 4; j++) xs[j] = vreinterpretq_s8_s16(shortsAt(columns + GROUP * j + k));
        UNROLL for (size_t i = 0; i < rows; i++) {
            const int8x16_t values = vreinterpretq_s8_s16(shortsAt(tile + i * QK_MATMUL16_STRIDE + k));
            UNROLL for (size_t j = 0; j < 4; j++) sums[i][j] = vmmlaq_s32(sums[i][j], values, xs[j]);
        }
    }
    UNROLL for (size_t i = 0; i < rows; i++)
        UNROLL for (size_t j = 0; j < 4; j++) sums[i][j] = vshlq_s32(sums[i][j], shifts);
}

/// place = fma(float(sums), xScales * scale, place), or from 0 where nothing is added to.
QK_INLINE void addToTile(int32x4_t sums, float32x4_t xScales, float scale, bool adds, float *place) {
    storeFloats(place, addScaled(sums, xScales, scale, adds ? floatsAt(place) : vdupq_n_f32(0)));
}
#endif

#endif
