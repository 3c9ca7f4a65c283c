/// Private: what the decoders of blocks share. A new format is a row here and a decoder beside its like.
#ifndef QK_BLOCKS_PARTS_H
#define QK_BLOCKS_PARTS_H

#include "qk_blocks.h"
#include "qk_levels.h"

/// X(name, identifier, elements of a block, bytes of a block), in the order of the identifiers.
#define QK_BLOCK_FORMATS(X) \
    X(Q4_0, 2, 32, 18) \
    X(Q4_1, 3, 32, 20) \
    X(Q5_0, 6, 32, 22) \
    X(Q5_1, 7, 32, 24) \
    X(Q8_0, 8, 32, 34) \
    X(Q2_K, 10, 256, 84) \
    X(Q3_K, 11, 256, 110) \
    X(Q4_K, 12, 256, 144) \
    X(Q5_K, 13, 256, 176) \
    X(Q6_K, 14, 256, 210) \
    X(IQ2_XXS, 16, 256, 66) \
    X(IQ2_XS, 17, 256, 74) \
    X(IQ3_XXS, 18, 256, 98) \
    X(IQ1_S, 19, 256, 50) \
    X(IQ4_NL, 20, 32, 18) \
    X(IQ3_S, 21, 256, 110) \
    X(IQ2_S, 22, 256, 82) \
    X(IQ4_XS, 23, 256, 136) \
    X(IQ1_M, 29, 256, 56) \
    X(TQ1_0, 34, 256, 54) \
    X(TQ2_0, 35, 256, 66) \
    X(MXFP4, 39, 32, 17) \
    X(NVFP4, 40, 64, 36) \
    X(Q1_0, 41, 128, 18) \
    X(Q2_0, 42, 64, 18)

#define QK_DECLARE_FORMAT(format, identifier, elements, bytes) \
    enum { ELEMENTS_##format = elements, BYTES_##format = bytes }; \
    void qk_decode_##format(qk_simd level, const uint8_t *blocks, size_t blockCount, float *values);
QK_BLOCK_FORMATS(QK_DECLARE_FORMAT)

/// Defines `qk_decode_NAME` from the inlined function NAME(block, values) of one block.
#define QK_DECODER(format) \
    QK_INLINE void format##_run(const uint8_t *blocks, size_t blockCount, float *values) { \
        for (size_t i = 0; i < blockCount; i++) format(blocks + i * BYTES_##format, values + i * ELEMENTS_##format); \
    } \
    QK_FOR_LEVELS( \
        qk_decode_##format, format##_run, (blocks, blockCount, values), const uint8_t *blocks, size_t blockCount, float *values)

/// The same from NAME(level, block, values), with the level as a constant.
#define QK_DECODER_OF(format) \
    QK_INLINE void format##_run(qk_simd level, const uint8_t *blocks, size_t blockCount, float *values) { \
        for (size_t i = 0; i < blockCount; i++) format(level, blocks + i * BYTES_##format, values + i * ELEMENTS_##format); \
    } \
    QK_FOR_LEVELS_OF( \
        qk_decode_##format, format##_run, (blocks, blockCount, values), const uint8_t *blocks, size_t blockCount, float *values)

QK_INLINE uint16_t shortAt(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, 2);
    return value;
}

QK_INLINE uint32_t wordAt(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, 4);
    return value;
}

QK_INLINE float halfAt(const uint8_t *bytes) { return widenF16(shortAt(bytes)); }

// Every product of scales and a code fits in 24 bits: it is exact, whatever the order. Only infinite scales care for it
// (infinity times 0 is NaN); the order is that of ggml.

/// `values[i] = scale * codes[i]`.
QK_INLINE void scaleCodes(const int8_t *restrict codes, size_t count, float scale, float *restrict values) {
    for (size_t i = 0; i < count; i++) values[i] = scale * (float)codes[i];
}

/// `values[i] = scale * codes[i] + offset`: the sum is rounded.
QK_INLINE void scaleAndAdd(const int8_t *restrict codes, size_t count, float scale, float offset, float *restrict values) {
    for (size_t i = 0; i < count; i++) values[i] = scale * (float)codes[i] + offset;
}

/// The 16 bytes of 32 nibbles: the lower ones come first, then the upper ones.
QK_INLINE void splitNibbles(const uint8_t *restrict bytes, int8_t *restrict codes) {
    for (size_t j = 0; j < 16; j++) {
        codes[j] = (int8_t)(bytes[j] & 15);
        codes[16 + j] = (int8_t)(bytes[j] >> 4);
    }
}

#endif
