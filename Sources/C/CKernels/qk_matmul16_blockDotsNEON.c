#include "qk_matmul16_blockPieces.h"

// Rows of blocks against few rows of x with NEON. The order of x that AVX2 needs suits it as well: lanes of four nibbles.

#if defined(__aarch64__)
/// Nibbles of 16-bit lanes of four: number 0, 1, 2 and 3 of each lane.
QK_INLINE void nibblesOf(const uint8_t *bytes, int16x8_t nibbles[4]) {
    const uint16x8_t fours = vreinterpretq_u16_u8(vld1q_u8(bytes)), mask = vdupq_n_u16(15);
    nibbles[0] = vreinterpretq_s16_u16(vandq_u16(fours, mask));
    nibbles[1] = vreinterpretq_s16_u16(vandq_u16(vshrq_n_u16(fours, 4), mask));
    nibbles[2] = vreinterpretq_s16_u16(vandq_u16(vshrq_n_u16(fours, 8), mask));
    nibbles[3] = vreinterpretq_s16_u16(vshrq_n_u16(fours, 12));
}

/// Fifth bits of a block, put to its nibbles: see `fifthBits`.
QK_INLINE void putFifthBits(uint32_t bits, int16x8_t n[4]) {
    const uint16x8_t even = {1, 1 << 2, 1 << 4, 1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14};
    UNROLL for (size_t part = 0; part < 4; part++) {
        const uint16x8_t place = part < 2 ? even : vaddq_u16(even, even);
        const uint16x8_t isSet = vtstq_u16(vdupq_n_u16((uint16_t)(bits >> part % 2 * 16)), place);
        n[part] = vorrq_s16(n[part], vreinterpretq_s16_u16(vandq_u16(isSet, vdupq_n_u16(16))));
    }
}

/// Nibbles are multiplied as they are, and their middle times the sum of x is taken off.
QK_INLINE void addPieceOfNibbles(blockKind kind, const blockPiece *p, xPiece x, float32x4_t totals[2]) {
    const size_t blockBytes = bytesOfGroup(kind) / 2, codes = nibblesAt(kind);
    for (size_t b = 0; b < p->count / 32; b++) {
        const size_t offset = b * blockBytes;
        const int16_t *values = x.values + runOfBlock(b, 0);
        const int16x8_t xs[4] = {shortsAt(values), shortsAt(values + 16), shortsAt(values + 32), shortsAt(values + 48)};
        const float xScale = x.scales[b / 2];
        // In one lane of four, as these are added up.
        const int32x4_t lessMiddle = {-middleOf(kind) * x.sums[b], 0, 0, 0};
        int32x4_t products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            int16x8_t n[4];
            fetchAhead(p, row, offset, blockBytes);
            nibblesOf(block + codes, n);
            if (hasFifthBits(kind)) putFifthBits(wordAt(block + codes - 4), n);
            int32x4_t even = addProducts(addProducts(lessMiddle, n[0], xs[0]), n[2], xs[2]);
            int32x4_t odd = addProducts(addProducts(vdupq_n_s32(0), n[1], xs[1]), n[3], xs[3]);
            products[row] = vaddq_s32(even, odd);
        }
        addSpan(p, products, offset, xScale, totals);
        if (!hasOffsets(kind)) continue;
        UNROLL for (size_t i = 0; i < 2; i++)
            totals[i] = addScaled(vdupq_n_s32(x.sums[b]), halvesOfFour(p->rows + 4 * i, offset + 2), xScale, totals[i]);
    }
}

QK_INLINE void addPieceQ8_0(const blockPiece *p, xPiece x, float32x4_t totals[2]) {
    for (size_t b = 0; b < p->count / 32; b++) {
        const size_t offset = b * BYTES_Q8_0;
        const int16_t *values = x.values + 32 * b;
        const int16x8_t xs[4] = {shortsAt(values), shortsAt(values + 8), shortsAt(values + 16), shortsAt(values + 24)};
        int32x4_t products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, BYTES_Q8_0);
            const int8x16_t first = vreinterpretq_s8_u8(vld1q_u8(block + 2));
            const int8x16_t second = vreinterpretq_s8_u8(vld1q_u8(block + 18));
            int32x4_t even = addProducts(vdupq_n_s32(0), vmovl_s8(vget_low_s8(first)), xs[0]);
            int32x4_t odd = addProducts(vdupq_n_s32(0), vmovl_high_s8(first), xs[1]);
            even = addProducts(even, vmovl_s8(vget_low_s8(second)), xs[2]);
            odd = addProducts(odd, vmovl_high_s8(second), xs[3]);
            products[row] = vaddq_s32(even, odd);
        }
        addSpan(p, products, offset, x.scales[b / 2], totals);
    }
}

/// A block of Q4_K or Q5_K: products by lanes, of each span of which Q5_K has two, and those of its minimums.
QK_INLINE void productsWithMinimums(
    blockKind kind, const uint8_t *block, const int16_t *x, const int32x4_t xSums[2], int32x4_t products[2],
    int32x4_t *minimumProducts
) {
    uint64_t packed, packedMinimums;
    packedScales(block, &packed, &packedMinimums);
    const uint16x8_t minimums = vmovl_u8(vcreate_u8(packedMinimums));
    *minimumProducts = vmlaq_s32(
        vmulq_s32(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(minimums))), xSums[0]),
        vreinterpretq_s32_u32(vmovl_high_u16(minimums)), xSums[1]);
    products[0] = products[1] = vdupq_n_s32(0);
    const uint8_t *nibbles = block + (hasFifthBits(kind) ? 48 : 16);
    UNROLL for (int k = 0; k < 4; k++) {
        int32x4_t sums[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
        UNROLL for (int half = 0; half < 2; half++) {
            int16x8_t n[4];
            nibblesOf(nibbles + 32 * k + 16 * half, n);
            UNROLL for (int part = 0; part < 4; part++) {
                // The bit of this part is bit `place` of a lane; it becomes bit 4.
                const int place = 2 * k + part % 2 + part / 2 * 8;
                if (hasFifthBits(kind)) {
                    const uint16x8_t fifths = vreinterpretq_u16_u8(vld1q_u8(block + 16 + 16 * half));
                    const uint16x8_t bits = vshlq_u16(fifths, vdupq_n_s16((int16_t)(4 - place)));
                    n[part] = vorrq_s16(n[part], vreinterpretq_s16_u16(vandq_u16(bits, vdupq_n_u16(16))));
                }
                sums[part % 2] = addProducts(sums[part % 2], n[part], shortsAt(x + GROUP * k + 16 * part + 8 * half));
            }
        }
        const size_t span = (size_t)k * GROUP / spanOf(kind);
        products[span] = vmlaq_n_s32(products[span], sums[0], (int32_t)(packed >> 16 * k & 63));
        products[span] = vmlaq_n_s32(products[span], sums[1], (int32_t)(packed >> (16 * k + 8) & 63));
    }
}

QK_INLINE void addPieceWithMinimums(blockKind kind, const blockPiece *p, xPiece x, float32x4_t totals[2]) {
    const size_t blockBytes = 4 * bytesOfGroup(kind);
    for (size_t b = 0; b < p->count / CHUNK; b++) {
        const size_t offset = b * blockBytes;
        const int32x4_t xSums[2] = {vld1q_s32(x.sums + 8 * b), vld1q_s32(x.sums + 8 * b + 4)};
        int32x4_t products[2][ROWS], minimumProducts[ROWS];
        for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, blockBytes);
            int32x4_t spans[2];
            productsWithMinimums(kind, block, x.values + CHUNK * b, xSums, spans, &minimumProducts[row]);
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

/// Half a block of Q6_K: products by lanes. `scales` are those of its 8 groups of 16.
QK_INLINE int32x4_t productsQ6_K(const uint8_t *lower, const uint8_t *upper, const uint8_t *scales, const int16_t *x) {
    const uint8x16_t nibble = vdupq_n_u8(15), pair = vdupq_n_u8(0x30);
    int32x4_t total = vdupq_n_s32(0);
    // Half a plane of 32 is a group.
    UNROLL for (size_t half = 0; half < 2; half++) {
        const uint8x16_t low[2] = {vld1q_u8(lower + 16 * half), vld1q_u8(lower + 32 + 16 * half)};
        const uint8x16_t high = vld1q_u8(upper + 16 * half);
        const uint8x16_t pairs[4] = {vshlq_n_u8(high, 4), vshlq_n_u8(high, 2), high, vshrq_n_u8(high, 2)};
        UNROLL for (size_t plane = 0; plane < 4; plane++) {
            const uint8x16_t nibbles = plane < 2 ? vandq_u8(low[plane], nibble) : vshrq_n_u8(low[plane - 2], 4);
            const int8x16_t codes = vsubq_s8(
                vreinterpretq_s8_u8(vorrq_u8(nibbles, vandq_u8(pairs[plane], pair))), vdupq_n_s8(32));
            // Even elements lie before the odd ones in x.
            const int16_t *xPlane = x + plane / 2 * GROUP + plane % 2 * 16 + 8 * half;
            const int16x8_t lanes = vreinterpretq_s16_s8(codes), even = vshrq_n_s16(vshlq_n_s16(lanes, 8), 8);
            int32x4_t sum = addProducts(vdupq_n_s32(0), even, shortsAt(xPlane));
            sum = addProducts(sum, vshrq_n_s16(lanes, 8), shortsAt(xPlane + 32));
            total = vmlaq_n_s32(total, sum, (int8_t)scales[2 * plane + half]);
        }
    }
    return total;
}

QK_INLINE void addPieceQ6_K(const blockPiece *p, xPiece x, float32x4_t totals[2]) {
    for (size_t b = 0; b < p->count / CHUNK; b++) {
        const size_t offset = b * BYTES_Q6_K;
        for (size_t c = 0; c < 2; c++) {
            int32x4_t products[ROWS];
            for (size_t row = 0; row < ROWS; row++) {
                const uint8_t *block = p->rows[row] + offset;
                fetchAhead(p, row, offset + BYTES_Q6_K / 2 * c, BYTES_Q6_K / 2);
                products[row] = productsQ6_K(
                    block + 64 * c, block + 128 + 32 * c, block + 192 + 8 * c, x.values + CHUNK * b + 128 * c);
            }
            addSpan(p, products, offset + 208, x.scales[4 * b + 2 * c], totals);
        }
    }
}

QK_INLINE void addPieceNEON(blockKind kind, const blockPiece *p, xPiece x, float sums[ROWS]) {
    float32x4_t totals[2] = {floatsAt(sums), floatsAt(sums + 4)};
    switch (kind) {
    case IS_Q4_0: case IS_Q4_1: case IS_Q5_0: case IS_Q5_1: addPieceOfNibbles(kind, p, x, totals); break;
    case IS_Q8_0: addPieceQ8_0(p, x, totals); break;
    case IS_Q4_K: case IS_Q5_K: addPieceWithMinimums(kind, p, x, totals); break;
    case IS_Q6_K: addPieceQ6_K(p, x, totals); break;
    }
    storeFloats(sums, totals[0]);
    storeFloats(sums + 4, totals[1]);
}

void qk_matmul16_addPieceNEON(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]) {
    QK_FOR_KINDS(addPieceNEON, matrix, piece, x, sums)
}
#endif
