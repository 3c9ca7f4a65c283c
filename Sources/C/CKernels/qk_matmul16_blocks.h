/// Private: integer products of `qk_matmul16.h` with weights in the blocks of GGUF files: Q4_0, Q4_1, Q5_0, Q5_1,
/// Q8_0, Q4_K, Q5_K and Q6_K.
///
/// The scales of the groups within a block of 256 are integers, and become a part of the integers that are multiplied: these are
/// exact, of at most 4096 in magnitude. What is left are spans that have one float scale d:
///
///     Q4_0, Q5_0    32 elements      n - 8, n - 16
///     Q8_0          32 elements      q
///     Q4_1, Q5_1    32 elements      n, and beside it the offset m
///     Q4_K          256 elements     s q, and beside it the minimums m of 8 groups of 32, times dmin
///     Q5_K          128 elements     the same: twice as many might overflow; the minimums of 256
///     Q6_K          128 elements     s (q - 32)
///
/// A row of x has a scale for 64, 256 (Q4_K, Q5_K) or 128 elements, its own order of elements, and for each span, in order,
///
///     y = fma(float(sum of integers), d * xScale, y)                 sums of a span fit 32 bits
///     y = fma(float(X), m * xScale, y)                               offsets; X: sum of x in the block
///     y = fma(-float(sum of m X), dmin * xScale, y)                  minimums, behind the spans of a block; X: of a group of 32
#ifndef QK_MATMUL16_BLOCKS_H
#define QK_MATMUL16_BLOCKS_H

#include "qk_blocks_parts.h"
#include "qk_matmul16_parts.h"

typedef enum {
    IS_Q4_0 = 2, IS_Q4_1 = 3, IS_Q5_0 = 6, IS_Q5_1 = 7, IS_Q8_0 = 8, IS_Q4_K = 12, IS_Q5_K = 13, IS_Q6_K = 14,
} blockKind;

/// `function(kind, ...)` with the kind as a constant.
#define QK_FOR_KINDS(function, matrix, ...) \
    switch ((matrix)->blockFormat->identifier) { \
    case IS_Q4_0: function(IS_Q4_0, __VA_ARGS__); break; \
    case IS_Q4_1: function(IS_Q4_1, __VA_ARGS__); break; \
    case IS_Q5_0: function(IS_Q5_0, __VA_ARGS__); break; \
    case IS_Q5_1: function(IS_Q5_1, __VA_ARGS__); break; \
    case IS_Q8_0: function(IS_Q8_0, __VA_ARGS__); break; \
    case IS_Q4_K: function(IS_Q4_K, __VA_ARGS__); break; \
    case IS_Q5_K: function(IS_Q5_K, __VA_ARGS__); break; \
    case IS_Q6_K: function(IS_Q6_K, __VA_ARGS__); break; \
    default: __builtin_trap(); \
    }

enum {
    /// Elements whose integers, scales and minimums are taken out together.
    CHUNK = QK_MATMUL16_DEPTH,
    /// Behind the integers of a row of a tile is place for the rest of its chunk.
    TAIL_BYTES = 2 * (QK_MATMUL16_STRIDE - QK_MATMUL16_DEPTH),
};

/// Scales d of each block of a chunk; where it is one block d, and dmin behind it. Offsets of each block, or minimums of each group.
typedef struct {
    float scales[8];
    union {
        float offsets[8];
        int32_t minimums[8];
    };
} chunkTail;

_Static_assert(sizeof(chunkTail) == TAIL_BYTES, "the rest of a chunk fits behind its integers");

/// Blocks of 32 with nibbles, and perhaps fifth bits beside them.
QK_INLINE bool hasNibbleBlocks(blockKind kind) { return kind < IS_Q8_0; }
QK_INLINE bool hasFifthBits(blockKind kind) { return kind == IS_Q5_0 || kind == IS_Q5_1 || kind == IS_Q5_K; }
QK_INLINE bool hasOffsets(blockKind kind) { return kind == IS_Q4_1 || kind == IS_Q5_1; }
QK_INLINE bool hasMinimums(blockKind kind) { return kind == IS_Q4_K || kind == IS_Q5_K; }

/// Elements of an exact sum.
QK_INLINE size_t spanOf(blockKind kind) { return kind == IS_Q4_K ? 256 : kind == IS_Q5_K || kind == IS_Q6_K ? 128 : 32; }

/// Elements of x that share a scale.
QK_INLINE size_t xSpanOf(blockKind kind) { return hasMinimums(kind) ? 256 : kind == IS_Q6_K ? 128 : GROUP; }

/// Which of the scales of a chunk belongs to a span.
QK_INLINE size_t scaleOf(blockKind kind, size_t span) { return spanOf(kind) == 32 ? span : 0; }

/// Bytes of 64 elements of a row: for the formats with blocks of 256 a quarter of a block.
QK_INLINE size_t bytesOfGroup(blockKind kind) {
    switch (kind) {
    case IS_Q4_0: return 2 * BYTES_Q4_0;
    case IS_Q4_1: return 2 * BYTES_Q4_1;
    case IS_Q5_0: return 2 * BYTES_Q5_0;
    case IS_Q5_1: return 2 * BYTES_Q5_1;
    case IS_Q8_0: return 2 * BYTES_Q8_0;
    case IS_Q4_K: return BYTES_Q4_K / 4;
    case IS_Q5_K: return BYTES_Q5_K / 4;
    case IS_Q6_K: break;
    }
    return 0;
}

/// Where the nibbles of a block begin: behind scales and offset, and fifth bits.
QK_INLINE size_t nibblesAt(blockKind kind) { return (hasOffsets(kind) ? 4 : 2) + (hasFifthBits(kind) ? 4 : 0); }

/// What is taken off each nibble.
QK_INLINE int32_t middleOf(blockKind kind) { return kind == IS_Q4_0 ? 8 : kind == IS_Q5_0 ? 16 : 0; }

/// Bytes of `count` elements, whole groups or blocks.
QK_INLINE size_t bytesOf(blockKind kind, size_t count) {
    return kind == IS_Q6_K ? count / 256 * BYTES_Q6_K : count / GROUP * bytesOfGroup(kind);
}

// Order within 64 elements, four parts of 16. Nibbles are taken from 16-bit lanes of four, one of each lane at a time: of blocks of 32
// two beside each other, of the others 32 bytes. Q8_0 stays as it is.

/// The element that comes at place `i` of part `part`.
QK_INLINE size_t elementOf(blockKind kind, size_t part, size_t i) {
    if (kind == IS_Q8_0) return 16 * part + i;
    if (hasNibbleBlocks(kind)) return i / 8 * 32 + part % 2 * 16 + 2 * (i % 8) + part / 2;
    return part % 2 * 32 + 2 * i + part / 2;
}

// In this order of x two blocks of 32 alternate in eights. Tiles and panels have one block behind the other.

/// Where one of the four runs, of 8, of such a block begins in a row of x.
QK_INLINE size_t runOfBlock(size_t block, size_t run) { return block / 2 * GROUP + block % 2 * 8 + run * 16; }

/// Whole groups of a row of x in the order of tiles.
QK_INLINE void inOrderOfTiles(blockKind kind, const int16_t *restrict x, size_t count, int16_t *restrict ordered) {
    if (hasNibbleBlocks(kind))
        for (size_t i = 0; i < count / 8; i++) memcpy(ordered + 8 * i, x + runOfBlock(i / 4, i % 4), 16);
    else
        memcpy(ordered, x, count * sizeof *x);
}

/// Where one of the two runs, of 16, of a group of 32 of Q4_K and Q5_K begins.
QK_INLINE size_t runOfGroup(size_t group, size_t run) { return group / 2 * GROUP + group % 2 * 16 + run * 32; }

/// Scales s and minimums m of a block of Q4_K or Q5_K, one in each byte.
QK_INLINE void packedScales(const uint8_t *block, uint64_t *scales, uint64_t *minimums) {
    const uint32_t a = wordAt(block + 4), b = wordAt(block + 8), c = wordAt(block + 12);
    const uint32_t upperScales = (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030);
    const uint32_t upperMinimums = (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030);
    *scales = (uint64_t)upperScales << 32 | (a & 0x3f3f3f3f);
    *minimums = (uint64_t)upperMinimums << 32 | (b & 0x3f3f3f3f);
}

typedef uint16_t eightShorts __attribute__((vector_size(16)));

/// Fifth bits, at their place, of one nibble of each lane of four: bits 2 i + `byte` of 16 for the lower nibbles, or the upper.
QK_INLINE eightShorts fifthBits(uint32_t bits, int nibble, int byte) {
    const uint16_t half = (uint16_t)(bits >> 16 * nibble >> byte);
    const eightShorts halves = {half, half, half, half, half, half, half, half}, places = {0, 2, 4, 6, 8, 10, 12, 14};
    return (halves >> places & 1) << 4;
}

QK_INLINE void takeNibbleBlocks(
    blockKind kind, const uint8_t *restrict blocks, size_t count, int16_t *restrict values, chunkTail *tail
) {
    const size_t byteCount = bytesOfGroup(kind) / 2;
    for (size_t b = 0; b < count / 32; b++) {
        const uint8_t *restrict block = blocks + b * byteCount;
        tail->scales[b] = halfAt(block);
        if (hasOffsets(kind)) tail->offsets[b] = halfAt(block + 2);
        eightShorts fours;
        memcpy(&fours, block + nibblesAt(kind), sizeof fours);
        for (int part = 0; part < 4; part++) {
            eightShorts run = fours >> (part % 2 * 4 + part / 2 * 8) & 15;
            if (hasFifthBits(kind)) run |= fifthBits(wordAt(block + nibblesAt(kind) - 4), part % 2, part / 2);
            run -= (uint16_t)middleOf(kind);
            memcpy(values + 32 * b + 8 * part, &run, sizeof run);
        }
    }
}

QK_INLINE void takeQ8_0(const uint8_t *restrict blocks, size_t count, int16_t *restrict values, chunkTail *tail) {
    for (size_t b = 0; b < count / 32; b++) {
        const uint8_t *restrict block = blocks + b * BYTES_Q8_0;
        tail->scales[b] = halfAt(block);
        for (size_t i = 0; i < 32; i++) values[32 * b + i] = (int8_t)block[2 + i];
    }
}

/// Q4_K or Q5_K.
QK_INLINE void takeMinimumBlock(blockKind kind, const uint8_t *restrict block, int16_t *restrict values, chunkTail *tail) {
    uint64_t scales, minimums;
    packedScales(block, &scales, &minimums);
    tail->scales[0] = halfAt(block);
    tail->scales[1] = halfAt(block + 2);
    for (size_t g = 0; g < 8; g++) tail->minimums[g] = minimums >> 8 * g & 63;
    const uint8_t *restrict fifths = block + 16, *restrict nibbles = block + (hasFifthBits(kind) ? 48 : 16);
    for (size_t k = 0; k < 4; k++) {
        const int32_t lower = scales >> 16 * k & 63, upper = scales >> (16 * k + 8) & 63;
        const uint8_t *restrict codes = nibbles + 32 * k;
        for (size_t i = 0; i < 16; i++) {
            const int32_t four = shortAt(codes + 2 * i);
            int32_t n[4] = {four & 15, four >> 4 & 15, four >> 8 & 15, four >> 12};
            if (hasFifthBits(kind)) {
                const int32_t bits = shortAt(fifths + 2 * i) >> 2 * k;
                for (int part = 0; part < 4; part++) n[part] |= (bits >> (part % 2 + part / 2 * 8) & 1) << 4;
            }
            values[64 * k + i] = (int16_t)(n[0] * lower);
            values[64 * k + 16 + i] = (int16_t)(n[1] * upper);
            values[64 * k + 32 + i] = (int16_t)(n[2] * lower);
            values[64 * k + 48 + i] = (int16_t)(n[3] * upper);
        }
    }
}

QK_INLINE void takeQ6_K(const uint8_t *restrict block, int16_t *restrict values, chunkTail *tail) {
    tail->scales[0] = halfAt(block + 208);
    const int8_t *restrict scales = (const int8_t *)block + 192;
    for (size_t k = 0; k < 4; k++) {
        // Planes 2 k and 2 k + 1 of 32 elements.
        const uint8_t *restrict lower = block + 64 * (k / 2), *restrict upper = block + 128 + 32 * (k / 2);
        for (size_t i = 0; i < 16; i++) {
            const int32_t high = shortAt(upper + 2 * i) >> (k % 2 * 4);
            for (size_t p = 0; p < 2; p++) {
                const int32_t low = shortAt(lower + 32 * p + 2 * i) >> (k % 2 * 4), two = high >> 2 * p;
                const int32_t s = scales[4 * k + 2 * p + i / 8];
                values[64 * k + 16 * p + i] = (int16_t)(((low & 15) + ((two & 3) << 4) - 32) * s);
                values[64 * k + 32 + 16 * p + i] = (int16_t)(((low >> 8 & 15) + ((two >> 8 & 3) << 4) - 32) * s);
            }
        }
    }
}

/// Integers of a chunk in the order of tiles, and what belongs to them. `count` is CHUNK, or for blocks of 32 any number of groups
/// below.
QK_INLINE void takeChunk(blockKind kind, const uint8_t *blocks, size_t count, int16_t *values, chunkTail *tail) {
    switch (kind) {
    case IS_Q4_0: case IS_Q4_1: case IS_Q5_0: case IS_Q5_1: takeNibbleBlocks(kind, blocks, count, values, tail); return;
    case IS_Q8_0: takeQ8_0(blocks, count, values, tail); return;
    case IS_Q4_K: case IS_Q5_K: takeMinimumBlock(kind, blocks, values, tail); return;
    case IS_Q6_K: takeQ6_K(blocks, values, tail); return;
    }
}

#endif
