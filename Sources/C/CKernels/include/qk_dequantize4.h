/// Dequantization of 4-bit blocks.
#ifndef QK_DEQUANTIZE4_H
#define QK_DEQUANTIZE4_H

#include <stddef.h>
#include <stdint.h>

#include "qk_float.h"
#include "qk_simd.h"

/// Values of `count` packed codes, starting at a block boundary: `quantMap[code] * absmax[i / blockSize]`, one float32
/// product rounded once, then rounded once more where `type` is QK_F16 or QK_BF16 (as `qk_narrow`).
///
/// To start at element k * blockSize of a tensor, pass `packed + k * blockSize / 2` and `absmax + k`. `blockSize` is a
/// power of two of at least 32; the last block may be partial. `destination` may have any alignment.
void qk_dequantize4(
    const float quantMap[16], const uint8_t *packed, const float *absmax, size_t count, size_t blockSize, qk_float type,
    void *destination);
void qk_dequantize4_at(
    qk_simd level, const float quantMap[16], const uint8_t *packed, const float *absmax, size_t count, size_t blockSize,
    qk_float type, void *destination);

#endif
