/// Private: what decoders and encoders of blocks share. A new format is a row here and a decoder beside its like.
#ifndef QK_BLOCKS_PARTS_H
#define QK_BLOCKS_PARTS_H

#include <stdbool.h>

#include "qk_blocks.h"
#include "qk_levels.h"

/// X(name, identifier, elements of a block, bytes of a block, encoder), in the order of the identifiers.
#define QK_BLOCK_FORMATS(X) \
    X(Q4_0, 2, 32, 18, qk_encode_Q4_0) \
    X(Q4_1, 3, 32, 20, qk_encode_Q4_1) \
    X(Q5_0, 6, 32, 22, qk_encode_Q5_0) \
    X(Q5_1, 7, 32, 24, qk_encode_Q5_1) \
    X(Q8_0, 8, 32, 34, qk_encode_Q8_0) \
    X(Q2_K, 10, 256, 84, qk_encode_Q2_K) \
    X(Q3_K, 11, 256, 110, NULL) \
    X(Q4_K, 12, 256, 144, qk_encode_Q4_K) \
    X(Q5_K, 13, 256, 176, qk_encode_Q5_K) \
    X(Q6_K, 14, 256, 210, qk_encode_Q6_K) \
    X(IQ2_XXS, 16, 256, 66, NULL) \
    X(IQ2_XS, 17, 256, 74, NULL) \
    X(IQ3_XXS, 18, 256, 98, NULL) \
    X(IQ1_S, 19, 256, 50, NULL) \
    X(IQ4_NL, 20, 32, 18, qk_encode_IQ4_NL) \
    X(IQ3_S, 21, 256, 110, NULL) \
    X(IQ2_S, 22, 256, 82, NULL) \
    X(IQ4_XS, 23, 256, 136, qk_encode_IQ4_XS) \
    X(IQ1_M, 29, 256, 56, NULL) \
    X(TQ1_0, 34, 256, 54, NULL) \
    X(TQ2_0, 35, 256, 66, NULL) \
    X(MXFP4, 39, 32, 17, NULL) \
    X(NVFP4, 40, 64, 36, NULL) \
    X(Q1_0, 41, 128, 18, NULL) \
    X(Q2_0, 42, 64, 18, NULL)

#define QK_DECLARE_FORMAT(format, identifier, elements, bytes, encoder) \
    enum { ELEMENTS_##format = elements, BYTES_##format = bytes }; \
    void qk_decode_##format(qk_simd level, const uint8_t *blocks, size_t blockCount, float *values); \
    size_t qk_encode_##format(qk_simd level, const float *values, size_t blockCount, uint8_t *blocks);
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

/// Defines `qk_encode_NAME` from the inlined function encode_NAME(values, block) of one block, which says whether what it stored is
/// finite. It is given finite values.
#define QK_ENCODER(format) QK_ENCODER_OF(format, areFinite(x, ELEMENTS_##format))
/// The same where a scale is not finite unless all values are, and the function stops at such a scale.
#define QK_CHECKING_ENCODER(format) QK_ENCODER_OF(format, true)
#define QK_ENCODER_OF(format, isGiven) \
    QK_INLINE void format##_encodeRun(const float *values, size_t blockCount, uint8_t *blocks, size_t *firstUnsound) { \
        for (size_t i = 0; i < blockCount; i++) { \
            const float *x = values + i * ELEMENTS_##format; \
            if (isGiven && encode_##format(x, blocks + i * BYTES_##format)) continue; \
            *firstUnsound = i; \
            return; \
        } \
    } \
    static QK_FOR_LEVELS( \
        format##_encodeAt, format##_encodeRun, (values, blockCount, blocks, firstUnsound), const float *values, size_t blockCount, \
        uint8_t *blocks, size_t *firstUnsound) \
    size_t qk_encode_##format(qk_simd level, const float *values, size_t blockCount, uint8_t *blocks) { \
        size_t firstUnsound = blockCount; \
        format##_encodeAt(level, values, blockCount, blocks, &firstUnsound); \
        return firstUnsound; \
    }

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

/// Stores a float16 and returns what it is.
QK_INLINE float storeHalf(float value, uint8_t *bytes) {
    const uint16_t half = narrowF16(value);
    memcpy(bytes, &half, 2);
    return widenF16(half);
}

QK_INLINE bool isFiniteHalf(const uint8_t *bytes) { return (bytes[1] & 0x7c) != 0x7c; }

QK_INLINE bool areFinite(const float *values, size_t count) {
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t magnitude = bitsOf(values[i]) & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest < 0x7f800000;
}

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

/// Two bits of each element, in planes.
QK_INLINE void joinPlanes(const uint8_t *restrict codes, uint8_t *restrict bytes) {
    for (size_t c = 0; c < 2; c++) {
        const uint8_t *restrict half = codes + 128 * c;
        for (size_t l = 0; l < 32; l++)
            bytes[32 * c + l] = (uint8_t)(half[l] | half[32 + l] << 2 | half[64 + l] << 4 | half[96 + l] << 6);
    }
}

#endif
