/// 4-bit NF4 codes chosen by what a layer's inputs are: scales of blocks by a weighted search, codes by error feedback.
#ifndef QK_CALIBRATE_H
#define QK_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qk_block64.h"
#include "qk_simd.h"

/// Of each block of `count` elements the scale: its absmax times the factor with the least
///
///     sum of importance[column] (w - s value)^2          value: the nearest of NF4 to w / s
///
/// the first of equal ones. Differences and their squares are float32, the sum is float64 in 8 lanes, element i of a block in lane
/// i mod 8, added as ((0+1)+(2+3)) + ((4+5)+(6+7)).
///
/// - `weight`: elements from `start` on, which begins a block; element i is of column (start + i) mod columns
/// - `importance`: of each of `columns` columns
/// - `blockSize`: a power of two of 32 to 4096; the last block may be partial
void qk_searchScales_at(
    qk_simd level, const float *weight, size_t start, size_t count, size_t columns, const double *importance, size_t blockSize,
    const float *factors, size_t factorCount, float *scales);

/// A weight whose codes are to be chosen.
typedef struct {
    /// [rows][columns].
    const float *weight;
    size_t columns;
    /// Of blocks of `blockSize` elements of the whole weight, as readers will see them.
    const float *scales;
    size_t blockSize;
    /// `count` columns in the order in which they are coded; others are left alone.
    const uint32_t *order;
    size_t count;
    /// a, unit upper triangular in that order, as blocks of `blockRows` block rows: block (i, j) is the one of the reversed matrix
    /// (`qk_block64_reverse`), (blockRows - 1 - i, blockRows - 1 - j).
    const double *passing;
    size_t blockRows;
} qk_feedback;

/// Codes of at most 64 rows from `row` on, [rowCount][columns], a byte each, of the columns in the order:
///
///     for j in order:  t = w_j + sum over i < j of e_i a_ij     code_j = nearest(t / s_j)     e_j = w_j - value(code_j) s_j
///
/// t and e are float64, t one chain of fused multiply-adds; t / s is rounded to float32 and compared with NF4's thresholds.
///
/// - `scratch`: of `qk_feedback_scratchCount` doubles
void qk_feedback_at(qk_simd level, const qk_feedback *feedback, size_t row, size_t rowCount, double *scratch, uint8_t *codes);

size_t qk_feedback_scratchCount(const qk_feedback *feedback);

/// packed byte k = codes[2k] << 4 | codes[2k + 1]; with an odd `count` the last low nibble is the code of 0.
void qk_packCodes(const uint8_t *codes, size_t count, uint8_t *packed);

/// A block of a symmetric matrix (`source`, blocks of one half as `qk_block64.h` has them, block row after block row) with its rows and
/// columns in another order: `rows` and `columns` are 64 of the source's each. From `count` on there are none: such a row is that
/// of the identity.
///
/// - `isDiagonal`: whether rows and columns are the same ones; `damping` is added to their diagonal
void qk_block64_gather(
    const double *source, size_t count, const uint32_t *rows, const uint32_t *columns, bool isDiagonal, double damping, double *block);

#endif
