/// Weights whose codes lie as [inputs, outputs], turned so that those of an output are a row: GPTQ, AWQ.
#ifndef QK_COLUMNS_H
#define QK_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// How 32-bit words hold codes.
typedef enum {
    /// A word has the codes of consecutive inputs of one output, a stream of bits from the lowest on: GPTQ.
    QK_COLUMNS_DOWN = 0,
    /// A word has the 4-bit codes of eight outputs of one input, in the order 0 2 4 6 1 3 5 7: AWQ.
    QK_COLUMNS_ACROSS = 1,
} qk_columnOrder;

/// Codes of some outputs as rows of QK_CODES_STREAM.
///
///     down     words [rowCount, outputs]          each is copied: a row has `rowCount` of them
///     across   words [rowCount, outputs / 8]      a row has rowCount / 8 of them, the last filled up with zeros
///
/// - stride, rowStride: words from one row to the next.
/// - outputCount: a multiple of 8 where words run across.
void qk_columns_turn(
    qk_columnOrder order, const uint32_t *words, size_t stride, size_t rowCount, size_t outputCount, uint32_t *rows, size_t rowStride);
void qk_columns_turn_at(
    qk_simd level, qk_columnOrder order, const uint32_t *words, size_t stride, size_t rowCount, size_t outputCount, uint32_t *rows,
    size_t rowStride);

/// `values[i] = table[indices[i]]`
void qk_columns_spread(const int32_t *indices, size_t count, const float *table, float *values);

#endif
