/// Private: 4-bit codes with NEON. A part of `qk_quantize4.c`.
#ifndef QK_QUANTIZE4NEON_H
#define QK_QUANTIZE4NEON_H

#include "qk_lanesNEON.h"

#if defined(__aarch64__)
// The range from -1 to 1 in 32 bins, of which none has more than one of NF4's thresholds: they are 0.08 apart and more, and none is
// closer than 0.0016 to the border of a bin, so that it does not matter to which side of a border rounding brings a value.

enum { BIN_COUNT = 32, BINS_PER_UNIT = 16 };

typedef struct {
    /// Thresholds below each bin.
    uint8x16x2_t below;
    /// Bytes 0 to 3 of the threshold in each bin, infinity where there is none.
    uint8x16x2_t thresholds[4];
    uint8x16_t codes;
} binsNEON;

static binsNEON makeBins(const code_table *table) {
    uint8_t below[BIN_COUNT], planes[4][BIN_COUNT];
    size_t count = 0;
    for (size_t bin = 0; bin < BIN_COUNT; bin++) {
        const float end = (float)(bin + 1) / BINS_PER_UNIT - 1;
        const bool hasOne = count < 15 && floatOf(table->thresholds[count]) < end;
        const uint32_t threshold = hasOne ? table->thresholds[count] : INFINITY_BITS;
        below[bin] = (uint8_t)count;
        for (size_t byte = 0; byte < 4; byte++) planes[byte][bin] = (uint8_t)(threshold >> 8 * byte);
        count += hasOne;
    }
    binsNEON bins = {vld1q_u8_x2(below), {vld1q_u8_x2(planes[0])}, vld1q_u8(table->codes)};
    for (size_t byte = 1; byte < 4; byte++) bins.thresholds[byte] = vld1q_u8_x2(planes[byte]);
    return bins;
}

/// Codes of 16 scaled values.
QK_INLINE uint8x16_t codesNEON(const binsNEON *bins, const float32x4_t scaled[4]) {
    uint16x4_t halves[4];
    UNROLL for (size_t j = 0; j < 4; j++)
        halves[j] = vmovn_u32(vcvtq_u32_f32(vfmaq_n_f32(vdupq_n_f32(BINS_PER_UNIT), scaled[j], BINS_PER_UNIT)));
    const uint8x16_t places = vcombine_u8(
        vmovn_u16(vcombine_u16(halves[0], halves[1])), vmovn_u16(vcombine_u16(halves[2], halves[3])));
    // 1 is in the last bin, as is what rounding brings beyond it.
    const uint8x16_t bin = vminq_u8(places, vdupq_n_u8(BIN_COUNT - 1));
    uint8x16_t bytes[4];
    UNROLL for (size_t i = 0; i < 4; i++) bytes[i] = vqtbl2q_u8(bins->thresholds[i], bin);
    UNROLL for (size_t j = 0; j < 4; j++) {
        const uint8x16_t low = j < 2 ? vzip1q_u8(bytes[0], bytes[1]) : vzip2q_u8(bytes[0], bytes[1]);
        const uint8x16_t high = j < 2 ? vzip1q_u8(bytes[2], bytes[3]) : vzip2q_u8(bytes[2], bytes[3]);
        const uint16x8_t lower = vreinterpretq_u16_u8(low), upper = vreinterpretq_u16_u8(high);
        const uint16x8_t words = j % 2 == 0 ? vzip1q_u16(lower, upper) : vzip2q_u16(lower, upper);
        halves[j] = vmovn_u32(vcgtq_f32(scaled[j], vreinterpretq_f32_u16(words)));
    }
    const uint8x16_t isAbove = vcombine_u8(
        vmovn_u16(vcombine_u16(halves[0], halves[1])), vmovn_u16(vcombine_u16(halves[2], halves[3])));
    return vqtbl1q_u8(bins->codes, vsubq_u8(vqtbl2q_u8(bins->below, bin), isAbove));
}

/// Whole blocks up to the first with a non-finite value; returns how many that were.
QK_INLINE size_t finiteBlocksNEON(qk_float type, quantization q, size_t firstBlock) {
    const binsNEON bins = makeBins(q.table);
    const size_t blockCount = q.count / q.blockSize;
    for (size_t block = firstBlock; block < blockCount; block++) {
        const size_t start = block * q.blockSize, end = start + q.blockSize;
        uint32x4_t magnitudes = vdupq_n_u32(0);
        for (size_t i = start; i < end; i += 4) {
            const uint32x4_t bits = vreinterpretq_u32_f32(loadFour(type, q.source, i));
            magnitudes = vmaxq_u32(magnitudes, vandq_u32(bits, vdupq_n_u32(0x7fffffff)));
        }
        const uint32_t magnitude = vmaxvq_u32(magnitudes);
        if (magnitude >= INFINITY_BITS) return block - firstBlock;
        q.absmax[block] = floatOf(magnitude);
        const float reciprocal = 1 / divisorOf(magnitude);
        for (size_t i = start; i < end; i += GROUP) {
            uint8x16_t codes[2];
            UNROLL for (size_t half = 0; half < 2; half++) {
                float32x4_t scaled[4];
                UNROLL for (size_t j = 0; j < 4; j++)
                    scaled[j] = vmulq_n_f32(loadFour(type, q.source, i + 16 * half + 4 * j), reciprocal);
                codes[half] = codesNEON(&bins, scaled);
            }
            // The earlier of two goes to the upper half.
            const uint8x16_t first = vuzp1q_u8(codes[0], codes[1]), second = vuzp2q_u8(codes[0], codes[1]);
            vst1q_u8(q.packed + i / 2, vsliq_n_u8(second, first, 4));
        }
    }
    return blockCount - firstBlock;
}

static size_t finiteBlocksAnyNEON(qk_float type, quantization q, size_t firstBlock) {
    QK_RETURN_FOR_STORED(finiteBlocksNEON, type, q, firstBlock);
}
#endif

#endif
