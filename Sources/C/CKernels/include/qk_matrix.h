/// Weights as they are stored, and any part of one of their rows as float32.
#ifndef QK_MATRIX_H
#define QK_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "qk_blocks.h"
#include "qk_float.h"
#include "qk_simd.h"

typedef enum {
    /// Elements of `type`, row after row.
    QK_MATRIX_DENSE = 0,
    /// 4-bit codes: element i = row * columnCount + column has its code in byte i / 2 (even i: the high nibble) and the
    /// constant of block i / blockSize. A block may span two rows.
    QK_MATRIX_PACKED4 = 1,
    /// Signed bytes times a constant. Each row begins a block of its own: it takes ceil(columnCount / blockSize) blocks,
    /// and as many bytes as these have elements, zero beyond the row's end.
    QK_MATRIX_BYTES = 2,
    /// Blocks of `blockFormat`, row after row; a row is whole blocks.
    QK_MATRIX_BLOCKS = 3,
    /// 4-bit floats: element i = row * columnCount + column has its code in byte i / 2 (even i: the low nibble), one of `quantMap`, and
    /// the power of two of byte i / 32 of `absmax`, 2^(byte - 127), 255 for NaN. A row is whole blocks of 32.
    QK_MATRIX_MXFP4 = 4,
} qk_matrix_storage;

/// Borrowed memory, at any alignment.
typedef struct {
    qk_matrix_storage storage;
    /// Of dense elements.
    qk_float type;
    /// Of blocks.
    const qk_blockFormat *blockFormat;
    const uint8_t *values;
    size_t rowCount, columnCount;
    /// Elements that share a constant. For QK_MATRIX_PACKED4 a power of two of at least 32.
    size_t blockSize;
    /// Float32 of each block, or bytes of QK_MATRIX_MXFP4; NULL where the constants are quantized themselves.
    const uint8_t *absmax;
    /// Of each block: `nestedMap[code] * nestedAbsmax[(nestedStart + block) / nestedBlockSize] + offset`, rounded twice.
    const uint8_t *absmaxCodes;
    const uint8_t *nestedAbsmax;
    const uint8_t *nestedMap;
    size_t nestedBlockSize;
    /// Blocks before this matrix, where it is one of several that were quantized as one tensor.
    size_t nestedStart;
    float offset;
    /// Values of the 16 codes.
    float quantMap[16];
    /// The same as bytes, each times `codeUnit`, which is 0 where there are none: `qk_matmul8_prepare`.
    int8_t codeBytes[16];
    float codeUnit;
} qk_matrix;

/// The constants of blocks `first` to `first + count`.
void qk_matrix_scales(const qk_matrix *matrix, size_t first, size_t count, float *scales);

/// Elements `column` to `column + count` of a row, each product rounded once: what `qk_dequantize4`, `qk_widen` and
/// `qk_blocks_decode` give.
void qk_matrix_expand(const qk_matrix *matrix, size_t row, size_t column, size_t count, float *destination);
void qk_matrix_expand_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t column, size_t count, float *destination);

#endif
