#include "qk_columns.h"

#include "qk_transpose.h"

/// Columns that are turned at a time: one line of the cache for each of their rows is being written then.
enum { STRIP = 64 };

QK_INLINE void turnDown(const uint32_t *words, size_t stride, size_t rowCount, size_t outputCount, uint32_t *rows, size_t rowStride) {
    for (size_t first = 0; first < outputCount; first += STRIP) {
        const size_t left = outputCount - first, width = left < STRIP ? left : STRIP;
        transposeWords(words + first, 4 * stride, rowCount, width, rows + first * rowStride, 4 * rowStride);
    }
}

/// The output, of eight, whose code is at each place of a word across.
static const size_t outputsAcross[8] = {0, 2, 4, 6, 1, 3, 5, 7};

/// Words of as many inputs: eight of them make one of each row.
enum { EIGHT = 8 };

/// Exchanges the parts under `mask` of a word with those `shift` bits above them of the word `distance` before it.
QK_INLINE void exchange(uint32_t words[EIGHT][EIGHT], size_t distance, uint32_t shift, uint32_t mask) {
    for (size_t i = 0; i < EIGHT; i++) {
        if (i & distance) continue;
        for (size_t lane = 0; lane < EIGHT; lane++) {
            const uint32_t moved = (words[i][lane] >> shift ^ words[i + distance][lane]) & mask;
            words[i + distance][lane] ^= moved;
            words[i][lane] ^= moved << shift;
        }
    }
}

QK_INLINE void turnAcross(const uint32_t *words, size_t stride, size_t rowCount, size_t outputCount, uint32_t *rows, size_t rowStride) {
    const size_t across = outputCount / 8;
    for (size_t first = 0; first < across; first += EIGHT) {
        const size_t left = across - first, width = left < EIGHT ? left : EIGHT;
        for (size_t row = 0; row < rowCount; row += EIGHT) {
            const size_t rest = rowCount - row, height = rest < EIGHT ? rest : EIGHT;
            // [inputs][words]: a matrix of 8 x 8 codes in each lane.
            uint32_t block[EIGHT][EIGHT];
            if (width == EIGHT && height == EIGHT) {
                for (size_t i = 0; i < EIGHT; i++) memcpy(block[i], words + (row + i) * stride + first, sizeof block[i]);
            } else {
                memset(block, 0, sizeof block);
                for (size_t i = 0; i < height; i++) memcpy(block[i], words + (row + i) * stride + first, 4 * width);
            }
            exchange(block, 1, 4, 0x0f0f0f0f);
            exchange(block, 2, 8, 0x00ff00ff);
            exchange(block, 4, 16, 0x0000ffff);
            uint32_t *to = rows + 8 * first * rowStride + row / EIGHT;
            for (size_t lane = 0; lane < width; lane++)
                for (size_t i = 0; i < EIGHT; i++) to[(8 * lane + outputsAcross[i]) * rowStride] = block[i][lane];
        }
    }
}

QK_INLINE void turn(
    qk_columnOrder order, const uint32_t *words, size_t stride, size_t rowCount, size_t outputCount, uint32_t *rows, size_t rowStride) {
    if (order == QK_COLUMNS_ACROSS) {
        turnAcross(words, stride, rowCount, outputCount, rows, rowStride);
    } else {
        turnDown(words, stride, rowCount, outputCount, rows, rowStride);
    }
}

QK_FOR_LEVELS(
    qk_columns_turn_at, turn, (order, words, stride, rowCount, outputCount, rows, rowStride), qk_columnOrder order,
    const uint32_t *words, size_t stride, size_t rowCount, size_t outputCount, uint32_t *rows, size_t rowStride)

void qk_columns_turn(
    qk_columnOrder order, const uint32_t *words, size_t stride, size_t rowCount, size_t outputCount, uint32_t *rows, size_t rowStride) {
    qk_columns_turn_at(qk_simd_best(), order, words, stride, rowCount, outputCount, rows, rowStride);
}

void qk_columns_spread(const int32_t *indices, size_t count, const float *table, float *values) {
    for (size_t i = 0; i < count; i++) values[i] = table[indices[i]];
}
