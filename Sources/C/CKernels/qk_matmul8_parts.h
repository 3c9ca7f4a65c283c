/// Private: what the parts of `qk_matmul8.h` share.
#ifndef QK_MATMUL8_PARTS_H
#define QK_MATMUL8_PARTS_H

#include "qk_matmul16_parts.h"
#include "qk_matmul8.h"

enum {
    /// Bytes of codes of a group of 64.
    HALF_GROUP = QK_GROUP / 2,
    BYTE_LIMIT = 127,
    FACTOR_LIMIT = 16383,
    LANES = 8,
};

/// 64 elements of x. Nibbles of 32 bytes of codes come out as the even elements, then the odd ones: so do these.
typedef struct {
    int8_t even[HALF_GROUP], odd[HALF_GROUP];
    union {
        /// Magnitudes, in the same order.
        uint8_t magnitudes[QK_GROUP];
        /// For VNNI: where sums begin, and m.
        struct {
            int32_t starts[LANES];
            float factors[LANES];
        };
    };
    /// m of each lane, twice.
    int16_t pairs[2 * LANES];
} byteGroup;

_Static_assert(sizeof(byteGroup) == QK_MATMUL8_BYTES, "a group has no gaps");

/// Whether a level multiplies bytes by VNNI, of AVX-512 or, where the processor has it, of AVX.
bool qk_matmul8_isVNNI(qk_simd level);

enum {
    /// Rows of weights that meet one row of x together, and rows of x that meet one row of weights.
    QUAD = 4,
    /// They lie together, group by group.
    VECTORS = 4,
};

/// Part of some rows of weights: codes, and constants of each 64.
typedef struct {
    const uint8_t *pairs[QUAD];
    /// Constants, or their codes and what these stand for.
    const float *constants[QUAD];
    const uint8_t *constantCodes[QUAD];
    const float *tables[QUAD];
    bool hasTables;
    /// Of QUAD rows: what follows them, from where there are QUAD * HALF_GROUP bytes to ask for with each group.
    const uint8_t *ahead;
    size_t rowCount;
    size_t groupCount;
    const int8_t *codes;
} codeRun;

/// The same part of some rows of x, whose groups take turns.
typedef struct {
    const byteGroup *groups;
    size_t rowCount;
} byteRun;

/// Adds the products of a run with rows of x to the lanes of each. There is one row of x, or there is one row of weights.
void qk_matmul8_addRun(qk_simd level, const codeRun *run, const byteRun *x, float sums[][LANES]);

#endif
