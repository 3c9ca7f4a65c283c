/// Quantization to 4-bit blocks, with the codes bitsandbytes 0.50 computes on a CPU.
///
///     values   v0 v1 v2 v3 ... | block of blockSize values | ...
///     absmax   one float32 per block: max |v|
///     packed   byte k = code(v[2k]) << 4 | code(v[2k+1])          the first of a pair is in the HIGH nibble
#ifndef QK_QUANTIZE4_H
#define QK_QUANTIZE4_H

#include <stddef.h>
#include <stdint.h>

#include "qk_float.h"
#include "qk_simd.h"

typedef enum {
    QK_NF4 = 0,
    QK_FP4 = 1,
} qk_code4;

/// Quantizes `count` values of any stored type, starting at a block boundary of a tensor.
///
/// Blocks are consecutive values, whatever the shape; `blockSize` is a power of two of at least 32. A chunk of a tensor
/// is whole blocks; where `count` is no multiple of `blockSize`, the remainder is the tensor's last block. With T = 1e-38:
///
///     whole block    scaled = clamp(v * (1 / max(absmax, T)))      absmax stored as found
///     last, partial  scaled = clamp(v / absmax)                    absmax stored as max(absmax, T)
///     code           the number of thresholds below `scaled` (interval), then the code of that interval
///
/// each operation rounded once to float32; with an odd `count` the last low nibble is the code of 0. `packed` takes
/// (count + 1) / 2 bytes, `absmax` a float for every block begun.
///
/// Returns the index of the first NaN or infinity, `count` where all are finite. Such blocks are still coded as
/// bitsandbytes does (any NaN: every code the highest; infinities: themselves the highest, the finite values as 0).
size_t qk_quantize4(
    qk_code4 code, qk_float type, const void *source, size_t count, size_t blockSize, uint8_t *packed, float *absmax);
size_t qk_quantize4_at(
    qk_simd level, qk_code4 code, qk_float type, const void *source, size_t count, size_t blockSize, uint8_t *packed,
    float *absmax);

/// Bit patterns of the 15 ascending float32 thresholds between the 16 intervals: a value greater than threshold i lies
/// above interval i, one equal to it does not.
const uint32_t *qk_quantize4_thresholds(qk_code4 code);

/// The code of each of the 16 intervals.
const uint8_t *qk_quantize4_codes(qk_code4 code);

#endif
