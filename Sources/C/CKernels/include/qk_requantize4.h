/// Codes of 4 bits in groups to codes of 4 bits in blocks. A group has 16 values: these alone are quantized, and looked up.
#ifndef QK_REQUANTIZE4_H
#define QK_REQUANTIZE4_H

#include <stdbool.h>

#include "qk_grouped.h"
#include "qk_quantize4.h"

/// Whether blocks of such codes can be quantized so: groups are whole blocks.
bool qk_requantize4_takes(qk_grouped format, size_t blockSize);

/// What `qk_quantize4` makes of what `qk_grouped_decode` gives as `type`, and returns what that returns.
///
/// - format, blockSize: that are taken.
/// - start, count: whole blocks.
size_t qk_requantize4(
    qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets, qk_float type,
    qk_code4 code, size_t blockSize, uint8_t *packed, float *absmax);
size_t qk_requantize4_at(
    qk_simd level, qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets,
    qk_float type, qk_code4 code, size_t blockSize, uint8_t *packed, float *absmax);

#endif
