/// Weights of other programs' quantizations: codes of 2 to 8 bits, decoded to float32.
#ifndef QK_PACKED_H
#define QK_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// What a code of a row stands for.
typedef enum {
    QK_CODE_E4M3 = 0,
    QK_CODE_E5M2 = 1,
    QK_CODE_I8 = 2,
    /// A sign, two bits of exponent, one of mantissa; two codes a byte, the first in the lower half.
    QK_CODE_E2M1 = 3,
    /// Unsigned, two codes a byte, the first in the lower half.
    QK_CODE_U4 = 4,
} qk_code;

/// `values[i] = (code[i] - zeros[g]) * scales[g] * factor` with g = (phase + i) / groupSize: each product is rounded.
///
/// - phase: elements of the first group that come before; below `groupSize`, and even for codes of 4 bits.
/// - groupSize: even for codes of 4 bits, unless one group has all.
/// - zeros: NULL where there are none: nothing is subtracted then, so that -0 stays -0.
void qk_scaledCodes(
    qk_code type, const uint8_t *codes, size_t count, size_t phase, size_t groupSize, const float *scales, const float *zeros,
    float factor, float *values);
void qk_scaledCodes_at(
    qk_simd level, qk_code type, const uint8_t *codes, size_t count, size_t phase, size_t groupSize, const float *scales,
    const float *zeros, float factor, float *values);

/// How the words of [inputs, outputs] hold codes.
typedef enum {
    /// A word has the codes of consecutive inputs of one output, a stream of bits from the lowest on: GPTQ.
    QK_COLUMNS_DOWN = 0,
    /// A word has the 4-bit codes of eight outputs of one input, in the order 0 2 4 6 1 3 5 7: AWQ.
    QK_COLUMNS_ACROSS = 1,
} qk_columnOrder;

/// Some columns of a matrix that lies as [inputs, outputs].
typedef struct {
    qk_columnOrder order;
    /// 2, 3, 4 or 8; of QK_COLUMNS_ACROSS 4.
    unsigned bits;
    size_t inputCount;
    /// A multiple of 8 where words run across.
    size_t outputCount;
    /// Down: [inputs * bits / 32, outputs]; across: [inputs, outputs / 8].
    const uint32_t *words;
    /// Of each input.
    const uint32_t *groups;
    /// Of each group and output.
    const float *scales, *zeros;
} qk_columns;

/// `values[j * inputCount + i] = scales[g][j] * (code[i][j] - zeros[g][j])` with g = groups[i]: a row for each output.
void qk_columns_decode(const qk_columns *columns, float *values);
void qk_columns_decode_at(qk_simd level, const qk_columns *columns, float *values);

#endif
