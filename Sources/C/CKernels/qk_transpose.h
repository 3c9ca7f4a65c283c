/// Private: transposes blocks of 8 by 8 elements of 32 bits.
#ifndef QK_TRANSPOSE_H
#define QK_TRANSPOSE_H

#include "qk_levels.h"

typedef int32_t eightWords __attribute__((vector_size(32), aligned(2), may_alias));

/// `destination[8 * i + j]` = element i of row j. Rows are `byteStride` bytes apart.
QK_INLINE void transposeEight(const void *source, size_t byteStride, eightWords destination[8]) {
    const uint8_t *rows = (const uint8_t *)source;
    eightWords a[8], b[8];
    for (size_t i = 0; i < 8; i++) a[i] = *(const eightWords *)(rows + i * byteStride);
    for (size_t i = 0; i < 8; i += 2) {
        b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (size_t i = 0; i < 8; i += 4) {
        for (size_t j = 0; j < 2; j++) {
            a[i + 2 * j] = __builtin_shufflevector(b[i + j], b[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            a[i + 2 * j + 1] = __builtin_shufflevector(b[i + j], b[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        destination[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        destination[i + 4] = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/// Transposes words: destination [columnCount][rowCount] from source [rowCount][columnCount], strides in bytes.
QK_INLINE void transposeWords(
    const void *source, size_t sourceStride, size_t rowCount, size_t columnCount, void *destination, size_t stride
) {
    const uint8_t *from = (const uint8_t *)source;
    uint8_t *to = (uint8_t *)destination;
    size_t row = 0;
    for (; row + 8 <= rowCount; row += 8) {
        size_t column = 0;
        for (; column + 8 <= columnCount; column += 8) {
            eightWords block[8];
            transposeEight(from + row * sourceStride + 4 * column, sourceStride, block);
            for (size_t i = 0; i < 8; i++) *(eightWords *)(to + (column + i) * stride + 4 * row) = block[i];
        }
        for (; column < columnCount; column++)
            for (size_t i = row; i < row + 8; i++)
                memcpy(to + column * stride + 4 * i, from + i * sourceStride + 4 * column, 4);
    }
    for (; row < rowCount; row++)
        for (size_t column = 0; column < columnCount; column++)
            memcpy(to + column * stride + 4 * row, from + row * sourceStride + 4 * column, 4);
}

#endif
