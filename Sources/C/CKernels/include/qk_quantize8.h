/// 8-bit quantization of absmax values (double quantization), as bitsandbytes 0.50 does it on a CPU.
///
///     offset           mean of all values
///     nested absmax    one float32 per nested block: max |value - offset|
///     codes            one byte per value: index into a map of 256 floats, of (value - offset) / nested absmax
///
/// There is one such value per 32 or more elements, so these loops are plain C on every machine.
#ifndef QK_QUANTIZE8_H
#define QK_QUANTIZE8_H

#include <stddef.h>
#include <stdint.h>

/// Mean in the order of torch's `Tensor.mean()` on one thread with 8 lanes: 4 accumulators of 8 lanes take the vectors in
/// turn, each in a cascade of 4 levels; then accumulators, then lanes, are added in order; one division by float32(count).
///
/// Torch itself gives other last bits with other vector widths (AVX-512, NEON) and thread counts; this order is kept
/// everywhere. NaN for a count of 0.
float qk_mean(const float *values, size_t count);

/// Number of bins of `qk_quantize8_fillBins`.
enum { QK_BIN_COUNT = 65536 };

/// Code of each of 65536 equal steps from -1 to 1: how many midpoints of neighbours in the ascending `map` lie below it.
void qk_quantize8_fillBins(const float map[256], uint8_t bins[QK_BIN_COUNT]);

/// Codes `count` values minus `offset`, scaled to [-1, 1] by the reciprocal of their block's largest magnitude and rounded
/// to the next of the 65536 bins: not always the nearest entry of the map. `blockSize` > 0; the last block may be partial.
///
/// A block of zeros gets code 0, whatever value that has: its absmax is 0. A NaN is ignored in the absmax and coded as -1.
void qk_quantize8(
    const float *values, float offset, size_t count, size_t blockSize, const uint8_t bins[QK_BIN_COUNT], uint8_t *codes,
    float *nestedAbsmax);

/// `map[code] * nestedAbsmax + offset`, rounded twice, for `count` values of which the first is number `start` of its
/// tensor: `codes` begins at that value, `nestedAbsmax` at the tensor's first block.
void qk_dequantize8(
    const float map[256], const uint8_t *codes, const float *nestedAbsmax, float offset, size_t start, size_t count,
    size_t blockSize, float *values);

#endif
