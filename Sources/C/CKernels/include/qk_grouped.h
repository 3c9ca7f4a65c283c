/// Weights of codes that share scales in groups, with codes and scales in tensors of their own: FP8, GPTQ, AWQ, MLX,
/// compressed-tensors, modelopt, HQQ, torchao.
#ifndef QK_GROUPED_H
#define QK_GROUPED_H

#include <stddef.h>
#include <stdint.h>

#include "qk_float.h"
#include "qk_simd.h"

/// How the codes of a row lie, and what number each of them is.
typedef enum {
    /// Unsigned ones of `bits`, 1 to 8: code i is bits [i * bits, (i + 1) * bits) of the row, the lowest of a byte first.
    QK_CODES_STREAM = 0,
    /// Unsigned ones of `bits`, 1 to 8: as many in each 32-bit word as it holds whole, the lowest bits first.
    QK_CODES_WORDS = 1,
    /// Unsigned ones of `bits`, 1 to 8, one a byte, from bit `shift` on.
    QK_CODES_OF_BYTES = 2,
    /// The same in 32-bit words.
    QK_CODES_OF_WORDS = 3,
    /// Signed bytes.
    QK_CODES_I8 = 4,
    /// 4-bit floats (E2M1): 0, 0.5, 1, 1.5, 2, 3, 4, 6 by the lower three bits, the highest is the sign; the lower half of a byte first.
    QK_CODES_E2M1 = 5,
    /// float8 (QK_F8_E4M3).
    QK_CODES_E4M3 = 6,
    /// float8 (QK_F8_E5M2).
    QK_CODES_E5M2 = 7,
} qk_codeKind;

/// What becomes of a number v, with its group's scale s and offset o. Every operation is rounded to float32, both of those with an
/// offset to `rounding` as well, but of QK_SCALED_TWICE.
typedef enum {
    /// v s
    QK_SCALED = 0,
    /// v s + o
    QK_SCALED_THEN_MOVED = 1,
    /// (v - o) s
    QK_MOVED_THEN_SCALED = 2,
    /// v s o
    QK_SCALED_TWICE = 3,
} qk_groupArithmetic;

typedef struct {
    qk_codeKind kind;
    uint32_t bits, shift;
    qk_groupArithmetic arithmetic;
    /// QK_F32, QK_F16 or QK_BF16.
    qk_float rounding;
    /// Consecutive elements of a row with one scale, and one offset.
    size_t groupSize;
} qk_grouped;

/// `count` elements of a row as `type` (QK_F32, QK_F16, QK_BF16), from one on that is element `start` of its group: computed as float32,
/// and rounded once.
///
/// `codes` begins with the code of the first, at the first bit of a byte (QK_CODES_WORDS: of a word), and no byte is read that has
/// no bit of one of these. `scales` and `offsets` (NULL for QK_SCALED) are one a group, from that of the first element on. NaNs stay
/// NaNs.
void qk_grouped_decode(
    qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets, qk_float type,
    void *values);
void qk_grouped_decode_at(
    qk_simd level, qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets,
    qk_float type, void *values);

#endif
