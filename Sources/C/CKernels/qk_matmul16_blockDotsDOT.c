#include "qk_matmul16_blockPieces.h"

// Rows of blocks against few rows of x by dot products of bytes. x is in planes and in the order of elements: of each 16 the bytes of
// the upper plane, then those of the lower one. Sums over both planes are scaled alike, and put together at the end.

#if defined(__aarch64__)
/// Sums by lanes over the upper and the lower plane of x.
typedef struct {
    int32x4_t upper, lower;
} planeSums;

QK_INLINE int32x4_t joined(planeSums s) { return vaddq_s32(vshlq_n_s32(s.upper, PLANE_BITS), s.lower); }

/// Adds the products of 16 bytes with elements of x.
QK_TARGET_DOT QK_INLINE void addSixteen(planeSums *s, uint8x16_t bytes, const int8_t *x) {
    const int8x16_t values = vreinterpretq_s8_u8(bytes);
    s->upper = vdotq_s32(s->upper, values, vld1q_s8(x));
    s->lower = vdotq_s32(s->lower, values, vld1q_s8(x + 16));
}

/// s += scale sums
QK_INLINE void addScaledSums(planeSums *s, planeSums sums, int32_t scale) {
    s->upper = vmlaq_n_s32(s->upper, sums.upper, scale);
    s->lower = vmlaq_n_s32(s->lower, sums.lower, scale);
}

QK_INLINE planeSums noSums(void) { return (planeSums){vdupq_n_s32(0), vdupq_n_s32(0)}; }

/// 16 where a bit is set, of 16 bits from bit 0 or 16 on.
QK_INLINE uint8x16_t sixteens(uint32_t bits, int half) {
    const uint8x16_t places = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bytes = vcombine_u8(vdup_n_u8((uint8_t)(bits >> 16 * half)), vdup_n_u8((uint8_t)(bits >> (16 * half + 8))));
    return vandq_u8(vtstq_u8(bytes, places), vdupq_n_u8(16));
}

/// Nibbles are multiplied as they are, and their middle times the sum of x is taken off.
QK_TARGET_DOT QK_INLINE void addNibbles(
    blockKind kind, const blockPiece *p, const int8_t *values, xPiece x, float32x4_t totals[2]
) {
    const size_t blockBytes = bytesOfGroup(kind) / 2, codes = nibblesAt(kind);
    for (size_t b = 0; b < p->count / 32; b++) {
        const size_t offset = b * blockBytes;
        const int32x4_t lessMiddle = {-middleOf(kind) * x.sums[b], 0, 0, 0};
        int32x4_t products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, blockBytes);
            const uint8x16_t pairs = vld1q_u8(block + codes);
            uint8x16_t n[2] = {vandq_u8(pairs, vdupq_n_u8(15)), vshrq_n_u8(pairs, 4)};
            planeSums sums = {vdupq_n_s32(0), lessMiddle};
            UNROLL for (int half = 0; half < 2; half++) {
                if (hasFifthBits(kind)) n[half] = vorrq_u8(n[half], sixteens(wordAt(block + codes - 4), half));
                addSixteen(&sums, n[half], values + 64 * b + 32 * (size_t)half);
            }
            products[row] = joined(sums);
        }
        const float xScale = x.scales[b / 2];
        addSpan(p, products, offset, xScale, totals);
        if (!hasOffsets(kind)) continue;
        UNROLL for (size_t i = 0; i < 2; i++)
            totals[i] = addScaled(vdupq_n_s32(x.sums[b]), halvesOfFour(p->rows + 4 * i, offset + 2), xScale, totals[i]);
    }
}

QK_TARGET_DOT QK_INLINE void addQ8_0(const blockPiece *p, const int8_t *values, xPiece x, float32x4_t totals[2]) {
    for (size_t b = 0; b < p->count / 32; b++) {
        const size_t offset = b * BYTES_Q8_0;
        int32x4_t products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, BYTES_Q8_0);
            planeSums sums = noSums();
            addSixteen(&sums, vld1q_u8(block + 2), values + 64 * b);
            addSixteen(&sums, vld1q_u8(block + 18), values + 64 * b + 32);
            products[row] = joined(sums);
        }
        addSpan(p, products, offset, x.scales[b / 2], totals);
    }
}

/// A block of Q4_K or Q5_K: sums of each span, of which Q5_K has two, and products of its minimums.
QK_TARGET_DOT QK_INLINE void sumsWithMinimums(
    blockKind kind, const uint8_t *block, const int8_t *values, const int32_t *xSums, int32x4_t products[2],
    int32x4_t *minimumProducts
) {
    uint64_t packed, packedMinimums;
    packedScales(block, &packed, &packedMinimums);
    const uint16x8_t minimums = vmovl_u8(vcreate_u8(packedMinimums));
    *minimumProducts = vmlaq_s32(
        vmulq_s32(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(minimums))), vld1q_s32(xSums)),
        vreinterpretq_s32_u32(vmovl_high_u16(minimums)), vld1q_s32(xSums + 4));
    planeSums spans[2] = {noSums(), noSums()};
    const uint8_t *nibbles = block + (hasFifthBits(kind) ? 48 : 16);
    UNROLL for (size_t k = 0; k < 4; k++) {
        planeSums groups[2] = {noSums(), noSums()};
        UNROLL for (size_t half = 0; half < 2; half++) {
            const uint8x16_t pairs = vld1q_u8(nibbles + 32 * k + 16 * half);
            uint8x16_t n[2] = {vandq_u8(pairs, vdupq_n_u8(15)), vshrq_n_u8(pairs, 4)};
            UNROLL for (size_t i = 0; i < 2; i++) {
                if (hasFifthBits(kind)) {
                    const uint8x16_t isSet = vtstq_u8(vld1q_u8(block + 16 + 16 * half), vdupq_n_u8((uint8_t)(1 << (2 * k + i))));
                    n[i] = vorrq_u8(n[i], vandq_u8(isSet, vdupq_n_u8(16)));
                }
                addSixteen(&groups[i], n[i], values + 128 * k + 64 * i + 32 * half);
            }
        }
        const size_t span = k * GROUP / spanOf(kind);
        addScaledSums(&spans[span], groups[0], (int32_t)(packed >> 16 * k & 63));
        addScaledSums(&spans[span], groups[1], (int32_t)(packed >> (16 * k + 8) & 63));
    }
    products[0] = joined(spans[0]);
    products[1] = joined(spans[1]);
}

QK_TARGET_DOT QK_INLINE void addWithMinimums(
    blockKind kind, const blockPiece *p, const int8_t *values, xPiece x, float32x4_t totals[2]
) {
    const size_t blockBytes = 4 * bytesOfGroup(kind);
    for (size_t b = 0; b < p->count / CHUNK; b++) {
        const size_t offset = b * blockBytes;
        int32x4_t products[2][ROWS], minimumProducts[ROWS];
        for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, blockBytes);
            int32x4_t spans[2];
            sumsWithMinimums(kind, block, values + 2 * CHUNK * b, x.sums + 8 * b, spans, &minimumProducts[row]);
            for (size_t i = 0; i < CHUNK / spanOf(kind); i++) products[i][row] = spans[i];
        }
        const float xScale = x.scales[4 * b];
        for (size_t i = 0; i < CHUNK / spanOf(kind); i++) addSpan(p, products[i], offset, xScale, totals);
        UNROLL for (size_t i = 0; i < 2; i++) {
            const float32x4_t dmin = vmulq_n_f32(halvesOfFour(p->rows + 4 * i, offset + 2), xScale);
            totals[i] = vfmsq_f32(totals[i], vcvtq_f32_s32(sumsOfFour(minimumProducts + 4 * i)), dmin);
        }
    }
}

/// Half a block of Q6_K: sums by lanes. `scales` are those of its 8 groups of 16.
QK_TARGET_DOT QK_INLINE int32x4_t sumsQ6_K(
    const uint8_t *lower, const uint8_t *upper, const uint8_t *scales, const int8_t *values
) {
    const uint8x16_t pair = vdupq_n_u8(0x30), middle = vdupq_n_u8(32);
    planeSums total = noSums();
    // Half a plane of 32 is a group.
    UNROLL for (size_t half = 0; half < 2; half++) {
        const uint8x16_t low[2] = {vld1q_u8(lower + 16 * half), vld1q_u8(lower + 32 + 16 * half)};
        const uint8x16_t high = vld1q_u8(upper + 16 * half);
        const uint8x16_t pairs[4] = {vshlq_n_u8(high, 4), vshlq_n_u8(high, 2), high, vshrq_n_u8(high, 2)};
        UNROLL for (size_t plane = 0; plane < 4; plane++) {
            const uint8x16_t nibbles = plane < 2 ? vandq_u8(low[plane], vdupq_n_u8(15)) : vshrq_n_u8(low[plane - 2], 4);
            planeSums sums = noSums();
            addSixteen(
                &sums, vsubq_u8(vorrq_u8(nibbles, vandq_u8(pairs[plane], pair)), middle), values + 64 * plane + 32 * half);
            addScaledSums(&total, sums, (int8_t)scales[2 * plane + half]);
        }
    }
    return joined(total);
}

QK_TARGET_DOT QK_INLINE void addQ6_K(const blockPiece *p, const int8_t *values, xPiece x, float32x4_t totals[2]) {
    for (size_t b = 0; b < p->count / CHUNK; b++) {
        const size_t offset = b * BYTES_Q6_K;
        for (size_t c = 0; c < 2; c++) {
            int32x4_t products[ROWS];
            for (size_t row = 0; row < ROWS; row++) {
                const uint8_t *block = p->rows[row] + offset;
                fetchAhead(p, row, offset + BYTES_Q6_K / 2 * c, BYTES_Q6_K / 2);
                products[row] = sumsQ6_K(
                    block + 64 * c, block + 128 + 32 * c, block + 192 + 8 * c, values + 2 * CHUNK * b + 256 * c);
            }
            addSpan(p, products, offset + 208, x.scales[4 * b + 2 * c], totals);
        }
    }
}

QK_TARGET_DOT QK_INLINE void addPieceDOT(blockKind kind, const blockPiece *p, const int8_t *values, xPiece x, float sums[ROWS]) {
    float32x4_t totals[2] = {floatsAt(sums), floatsAt(sums + 4)};
    switch (kind) {
    case IS_Q4_0: case IS_Q4_1: case IS_Q5_0: case IS_Q5_1: addNibbles(kind, p, values, x, totals); break;
    case IS_Q8_0: addQ8_0(p, values, x, totals); break;
    case IS_Q4_K: case IS_Q5_K: addWithMinimums(kind, p, values, x, totals); break;
    case IS_Q6_K: addQ6_K(p, values, x, totals); break;
    }
    storeFloats(sums, totals[0]);
    storeFloats(sums + 4, totals[1]);
}

QK_TARGET_DOT void qk_matmul16_addPieceDOT(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]) {
    const int8_t *values = (const int8_t *)x.values;
    QK_FOR_KINDS(addPieceDOT, matrix, piece, values, x, sums)
}

QK_INLINE void fillPlanes(blockKind kind, const int16_t *x, size_t count, int8_t *planes) {
    for (size_t g = 0; g < count / GROUP; g++) {
        for (size_t place = 0; place < GROUP; place++) {
            const size_t element = elementOf(kind, place / 16, place % 16);
            int8_t *pair = planes + 2 * GROUP * g + element / 16 * 32 + element % 16;
            splitPlanes(x[GROUP * g + place], pair, pair + 16);
        }
    }
}

void qk_matmul16_fillPlanes(const qk_matrix *matrix, const int16_t *x, size_t count, int8_t *planes) {
    QK_FOR_KINDS(fillPlanes, matrix, x, count, planes)
}
#endif
