/// Blocks of GGUF files where it is known how large each input of a weight is (an imatrix).
#ifndef QK_BLOCKS_WEIGHTED_H
#define QK_BLOCKS_WEIGHTED_H

#include <stdbool.h>

#include "qk_blocks.h"

/// Whether the search for a format's scales takes importances: of Q4_0 to Q5_1, Q4_K to Q6_K, and IQ4.
bool qk_blocks_areWeighted(const qk_blockFormat *format);

/// Blocks of `rowCount` rows of `columnCount` values, which are whole blocks: the bytes that llama-quantize writes on x86-64 with an
/// importance matrix. Errors of an element x of column j count
///
///     importance[j] root(s + x^2)        s: mean of the squares of its row (Q4_0 to Q5_1), twice that of 256 (K), or of 32 (IQ4_NL)
///
/// and in Q6_K importance[j] alone. Returns what `encode` does.
size_t qk_blocks_encodeWeighted(
    qk_simd level, const qk_blockFormat *format, const float *values, size_t rowCount, size_t columnCount, const float *importance,
    uint8_t *blocks);

#endif
