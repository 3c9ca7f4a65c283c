#include "qk_matmul.h"

#include <math.h>

#include "qk_lanesNEON.h"
#include "qk_transpose.h"

size_t qk_matmul_width(qk_simd level) { return level == QK_AVX512 ? 32 : 16; }

static void tileScalar(
    const float *tile, size_t rows, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    for (size_t row = 0; row < rows; row++, tile += QK_MATMUL_STRIDE, c += cStride) {
        float sums[16] = {0};
        for (size_t k = 0; k < depth; k++)
            for (size_t j = 0; j < 16; j++) sums[j] = fmaf(tile[k], panel[16 * k + j], sums[j]);
        for (size_t j = 0; j < 16; j++) c[j] = adds ? c[j] + sums[j] : sums[j];
    }
}

#if defined(__x86_64__)
/// `rows`, a constant, is at most 6: 12 sums, 2 pieces of the panel and a broadcast element fill the 16 registers.
QK_TARGET_AVX2 QK_INLINE void rowsAVX2(
    size_t rows, const float *tile, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    __m256 sums[6][2];
    UNROLL for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm256_setzero_ps();
    for (size_t k = 0; k < depth; k++) {
        const __m256 first = _mm256_loadu_ps(panel + 16 * k), second = _mm256_loadu_ps(panel + 16 * k + 8);
        UNROLL for (size_t i = 0; i < rows; i++) {
            const __m256 element = _mm256_broadcast_ss(tile + i * QK_MATMUL_STRIDE + k);
            sums[i][0] = _mm256_fmadd_ps(element, first, sums[i][0]);
            sums[i][1] = _mm256_fmadd_ps(element, second, sums[i][1]);
        }
    }
    UNROLL for (size_t i = 0; i < rows; i++) {
        UNROLL for (size_t j = 0; j < 2; j++) {
            float *place = c + i * cStride + 8 * j;
            _mm256_storeu_ps(place, adds ? _mm256_add_ps(_mm256_loadu_ps(place), sums[i][j]) : sums[i][j]);
        }
    }
}

QK_TARGET_AVX2 static void tileAVX2(
    const float *tile, size_t rows, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    for (; rows >= 6; rows -= 6, tile += 6 * QK_MATMUL_STRIDE, c += 6 * cStride)
        rowsAVX2(6, tile, depth, panel, c, cStride, adds);
    switch (rows) {
    case 5: rowsAVX2(5, tile, depth, panel, c, cStride, adds); return;
    case 4: rowsAVX2(4, tile, depth, panel, c, cStride, adds); return;
    case 3: rowsAVX2(3, tile, depth, panel, c, cStride, adds); return;
    case 2: rowsAVX2(2, tile, depth, panel, c, cStride, adds); return;
    case 1: rowsAVX2(1, tile, depth, panel, c, cStride, adds); return;
    }
}

/// `rows`, a constant, is at most 12: 24 of the 32 registers hold sums.
QK_TARGET_AVX512 QK_INLINE void rowsAVX512(
    size_t rows, const float *tile, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    __m512 sums[12][2];
    UNROLL for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
    for (size_t k = 0; k < depth; k++) {
        const __m512 first = _mm512_loadu_ps(panel + 32 * k), second = _mm512_loadu_ps(panel + 32 * k + 16);
        UNROLL for (size_t i = 0; i < rows; i++) {
            const __m512 element = _mm512_set1_ps(tile[i * QK_MATMUL_STRIDE + k]);
            sums[i][0] = _mm512_fmadd_ps(element, first, sums[i][0]);
            sums[i][1] = _mm512_fmadd_ps(element, second, sums[i][1]);
        }
    }
    UNROLL for (size_t i = 0; i < rows; i++) {
        UNROLL for (size_t j = 0; j < 2; j++) {
            float *place = c + i * cStride + 16 * j;
            _mm512_storeu_ps(place, adds ? _mm512_add_ps(_mm512_loadu_ps(place), sums[i][j]) : sums[i][j]);
        }
    }
}

QK_TARGET_AVX512 static void tileAVX512(
    const float *tile, size_t rows, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    for (; rows >= 12; rows -= 12, tile += 12 * QK_MATMUL_STRIDE, c += 12 * cStride)
        rowsAVX512(12, tile, depth, panel, c, cStride, adds);
    if (rows >= 8) {
        rowsAVX512(8, tile, depth, panel, c, cStride, adds);
        rows -= 8, tile += 8 * QK_MATMUL_STRIDE, c += 8 * cStride;
    }
    if (rows >= 4) {
        rowsAVX512(4, tile, depth, panel, c, cStride, adds);
        rows -= 4, tile += 4 * QK_MATMUL_STRIDE, c += 4 * cStride;
    }
    for (; rows > 0; rows--, tile += QK_MATMUL_STRIDE, c += cStride)
        rowsAVX512(1, tile, depth, panel, c, cStride, adds);
}
#endif

#if defined(__aarch64__)
/// `rows`, a constant, is at most 6: 24 sums, 4 pieces of the panel and as many elements of the tile fill the 32 registers.
QK_INLINE void rowsNEON(
    size_t rows, const float *tile, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    float32x4_t sums[6][4];
    UNROLL for (size_t i = 0; i < rows; i++)
        UNROLL for (size_t j = 0; j < 4; j++) sums[i][j] = vdupq_n_f32(0);
    for (size_t k = 0; k < depth; k++) {
        float32x4_t columns[4];
        UNROLL for (size_t j = 0; j < 4; j++) columns[j] = floatsAt(panel + 16 * k + 4 * j);
        UNROLL for (size_t i = 0; i < rows; i++) {
            const float element = tile[i * QK_MATMUL_STRIDE + k];
            UNROLL for (size_t j = 0; j < 4; j++) sums[i][j] = vfmaq_n_f32(sums[i][j], columns[j], element);
        }
    }
    UNROLL for (size_t i = 0; i < rows; i++) {
        UNROLL for (size_t j = 0; j < 4; j++) {
            float *place = c + i * cStride + 4 * j;
            storeFloats(place, adds ? vaddq_f32(floatsAt(place), sums[i][j]) : sums[i][j]);
        }
    }
}

static void tileNEON(
    const float *tile, size_t rows, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    for (; rows >= 6; rows -= 6, tile += 6 * QK_MATMUL_STRIDE, c += 6 * cStride)
        rowsNEON(6, tile, depth, panel, c, cStride, adds);
    if (rows >= 3) {
        rowsNEON(3, tile, depth, panel, c, cStride, adds);
        rows -= 3, tile += 3 * QK_MATMUL_STRIDE, c += 3 * cStride;
    }
    for (; rows > 0; rows--, tile += QK_MATMUL_STRIDE, c += cStride) rowsNEON(1, tile, depth, panel, c, cStride, adds);
}
#endif

void qk_matmul_tile_at(
    qk_simd level, const float *tile, size_t rows, size_t depth, const float *panel, float *c, size_t cStride, bool adds
) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: tileAVX512(tile, rows, depth, panel, c, cStride, adds); return;
    case QK_AVX2: tileAVX2(tile, rows, depth, panel, c, cStride, adds); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: tileNEON(tile, rows, depth, panel, c, cStride, adds); return;
#endif
    default: tileScalar(tile, rows, depth, panel, c, cStride, adds);
    }
}

QK_INLINE void fillPanel(qk_simd level, const float *x, size_t stride, size_t rows, size_t depth, float *panel) {
    const size_t width = qk_matmul_width(level);
    transposeWords(x, 4 * stride, rows, depth, panel, 4 * width);
    if (rows < width)
        for (size_t k = 0; k < depth; k++) memset(panel + width * k + rows, 0, (width - rows) * sizeof *panel);
}

QK_FOR_LEVELS_OF(
    qk_matmul_panel_at, fillPanel, (x, stride, rows, depth, panel), const float *x, size_t stride, size_t rows, size_t depth,
    float *panel)

void qk_matmul_expandPanels_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t depth, size_t column, size_t columnCount, float *panels
) {
    enum { AT_ONCE = 128 };
    const size_t width = qk_matmul_width(level);
    float elements[AT_ONCE];
    for (size_t k = 0; k < depth; k++) {
        for (size_t start = 0; start < columnCount; start += AT_ONCE) {
            const size_t count = columnCount - start < AT_ONCE ? columnCount - start : AT_ONCE;
            qk_matrix_expand_at(level, matrix, row + k, column + start, count, elements);
            for (size_t i = 0; i < count; i += width) {
                float *destination = panels + ((start + i) / width * depth + k) * width;
                const size_t part = count - i < width ? count - i : width;
                memcpy(destination, elements + i, part * sizeof(float));
                memset(destination + part, 0, (width - part) * sizeof(float));
            }
        }
    }
}

QK_INLINE void transposeFloats(
    const float *source, size_t sourceStride, size_t rowCount, size_t columnCount, float *destination, size_t stride
) {
    transposeWords(source, 4 * sourceStride, rowCount, columnCount, destination, 4 * stride);
}

QK_FOR_LEVELS(
    qk_matmul_transpose_at, transposeFloats, (source, sourceStride, rowCount, columnCount, destination, stride),
    const float *source, size_t sourceStride, size_t rowCount, size_t columnCount, float *destination, size_t stride)

/// With beta 0 the old values may be NaNs.
QK_INLINE void combineRow(const float *sums, size_t count, float alpha, float beta, float *result) {
    if (beta == 0) {
        for (size_t i = 0; i < count; i++) result[i] = alpha * sums[i];
    } else {
        for (size_t i = 0; i < count; i++) result[i] = alpha * sums[i] + beta * result[i];
    }
}

QK_INLINE void storeTile(
    const float *tile, size_t tileStride, size_t rowCount, size_t columnCount, float alpha, float beta, float *result,
    size_t stride
) {
    for (size_t row = 0; row < rowCount; row++)
        combineRow(tile + row * tileStride, columnCount, alpha, beta, result + row * stride);
}

/// Eight rows of the result at a time are transposed into a buffer.
QK_INLINE void storeTransposedTile(
    const float *tile, size_t tileStride, size_t rowCount, size_t columnCount, float alpha, float beta, float *result,
    size_t stride
) {
    enum { ROWS = 8, COLUMNS = 128 };
    float rows[ROWS * COLUMNS];
    for (size_t first = 0; first < columnCount; first += COLUMNS) {
        const size_t columns = columnCount - first < COLUMNS ? columnCount - first : COLUMNS;
        for (size_t row = 0; row < rowCount; row += ROWS) {
            const size_t count = rowCount - row < ROWS ? rowCount - row : ROWS;
            transposeWords(tile + first * tileStride + row, 4 * tileStride, columns, count, rows, 4 * COLUMNS);
            for (size_t i = 0; i < count; i++)
                combineRow(rows + i * COLUMNS, columns, alpha, beta, result + (row + i) * stride + first);
        }
    }
}

QK_FOR_LEVELS(
    qk_matmul_store_at, storeTile, (tile, tileStride, rowCount, columnCount, alpha, beta, result, stride), const float *tile,
    size_t tileStride, size_t rowCount, size_t columnCount, float alpha, float beta, float *result, size_t stride)
QK_FOR_LEVELS(
    qk_matmul_storeTransposed_at, storeTransposedTile,
    (tile, tileStride, rowCount, columnCount, alpha, beta, result, stride), const float *tile, size_t tileStride,
    size_t rowCount, size_t columnCount, float alpha, float beta, float *result, size_t stride)
