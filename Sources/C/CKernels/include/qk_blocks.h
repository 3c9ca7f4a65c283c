/// Blocks of GGUF files: formats in which a run of elements shares scales, of 1.5 to 9 bits an element.
#ifndef QK_BLOCKS_H
#define QK_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// One format, in a table of all that model files have. ggml's Q8_0 and so on; its Q8_1 and Q8_K, intermediate forms of
/// activations that no file holds and ggml itself does not decode, are not among them.
typedef struct {
    /// ggml's number of the type, as it stands in a file.
    uint32_t identifier;
    /// As llama.cpp writes it: `Q4_K`.
    const char *name;
    /// Elements and bytes of a block. Rows of a tensor consist of whole blocks.
    size_t elementCount, byteCount;
    /// Elements of `blockCount` blocks as float32, the bits that ggml's own dequantization gives (but for the payloads of NaNs).
    /// Blocks at any alignment; every bit pattern is a valid block.
    void (*decode)(qk_simd level, const uint8_t *blocks, size_t blockCount, float *values);
    /// Blocks of `blockCount * elementCount` values: the bytes that llama-quantize writes on x86-64 where it has no importance
    /// matrix. (ggml built with fused multiply-adds, as on ARM, writes others.) NULL for formats that are read only.
    ///
    /// Returns the index of the first block that has a value, or would get a scale, that is NaN or infinite; `blockCount` where there
    /// is none. From that block on nothing is said about what was written.
    size_t (*encode)(qk_simd level, const float *values, size_t blockCount, uint8_t *blocks);
} qk_blockFormat;

/// NULL where no format has this identifier: a type of single elements, one that is gone, or one we do not know.
const qk_blockFormat *qk_blockFormat_of(uint32_t identifier);

/// `format->decode` on the highest level.
void qk_blocks_decode(const qk_blockFormat *format, const uint8_t *blocks, size_t blockCount, float *values);

/// `format->encode` on the highest level; the format has one.
size_t qk_blocks_encode(const qk_blockFormat *format, const float *values, size_t blockCount, uint8_t *blocks);

#endif
