#include "qk_matmul16_blocks.h"
#include "qk_matmul16_parts.h"
#include "qk_transpose.h"

// Tiles of weights against panels of many rows of x.

enum { TILE_GROUPS = QK_MATMUL16_DEPTH / QK_GROUP };

QK_INLINE void expandScalar(bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t byte = areBytes ? bytes[i] : bytes[i / 2];
        tile[i] = areBytes ? (int8_t)byte : values[i & 1 ? byte & 15 : byte >> 4];
    }
}

#if defined(__x86_64__)
QK_TARGET_AVX2 static void expandAVX2(
    bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile
) {
    const bytePlanes planes = planesOf(values);
    for (size_t i = 0; i < count; i += GROUP) {
        __m256i group[4];
        if (areBytes) widenBytes(bytes + i, group);
        else unpackAVX2(planes, bytes + i / 2, group);
        for (size_t j = 0; j < 4; j++) _mm256_storeu_si256((__m256i *)(tile + i + 16 * j), group[j]);
    }
}

QK_TARGET_VNNI static void expandVNNI(
    bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile
) {
    const __m256i map = _mm256_loadu_si256((const __m256i *)values);
    for (size_t i = 0; i < count; i += GROUP) {
        __m256i group[4];
        if (areBytes) widenBytes(bytes + i, group);
        else unpackVNNI(map, bytes + i / 2, group);
        for (size_t j = 0; j < 4; j++) _mm256_storeu_si256((__m256i *)(tile + i + 16 * j), group[j]);
    }
}
#endif

#include "qk_matmul16_tilesNEON.h"

static void expandRow(
    qk_simd level, bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile
) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: expandVNNI(areBytes, values, bytes, count, tile); return;
    case QK_AVX2: expandAVX2(areBytes, values, bytes, count, tile); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: expandNEON(level, areBytes, values, bytes, count, tile); return;
#endif
    default: expandScalar(areBytes, values, bytes, count, tile);
    }
}

void qk_matmul16_expand_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t rowCount, size_t column, size_t count, int16_t *tile,
    float *scales
) {
    if (matrix->storage == QK_MATRIX_BLOCKS) {
        qk_matmul16_expandBlocks(level, matrix, row, rowCount, column, count, tile);
        return;
    }
    const bool areBytes = matrix->storage == QK_MATRIX_BYTES;
    const integerMap map = qk_matmul16_integers(matrix);
    const size_t width = qk_matmul16_width(matrix->columnCount);
    for (size_t i = 0; i < rowCount; i++) {
        const size_t element = (row + i) * width + column;
        qk_matmul16_scales(matrix, map.unit, row + i, column, count / GROUP, scales + i * TILE_GROUPS);
        expandRow(
            level, areBytes, map.values, matrix->values + (areBytes ? element : element / 2), count,
            tile + i * QK_MATMUL16_STRIDE);
    }
}

/// Pairs of elements are words of 32 bits: 16 elements of each row are transposed at a time.
QK_INLINE void fillGroup(size_t width, const int16_t *source, size_t stride, size_t rows, int16_t *destination) {
    transposeWords(source, 2 * stride, rows, 8, destination, 4 * width);
    if (rows < width)
        for (size_t i = 0; i < 8; i++) memset(destination + 2 * (width * i + rows), 0, 4 * (width - rows));
}

QK_INLINE void fillPanel(
    size_t width, const int16_t *quantized, size_t stride, size_t rows, size_t groupCount, bool pairs, int16_t *panel
) {
    for (size_t g = 0; g < groupCount; g++) {
        for (size_t part = 0; part < 4; part++) {
            const int16_t *source = quantized + placeOf(pairs && (g | 1) < groupCount, g, part);
            fillGroup(width, source, stride, rows, panel + width * (GROUP * g + 16 * part));
        }
    }
}

static QK_FOR_LEVELS(
    fillPanelAt, fillPanel, (width, quantized, stride, rows, groupCount, pairs, panel), size_t width,
    const int16_t *quantized, size_t stride, size_t rows, size_t groupCount, bool pairs, int16_t *panel)

/// From planes, of bytes.
QK_INLINE void fillFromPlanes(
    size_t width, const int16_t *quantized, size_t stride, size_t rows, size_t groupCount, int16_t *panel
) {
    for (size_t g = 0; g < groupCount; g++) {
        int16_t ordered[QK_MATMUL_WIDTH * GROUP];
        for (size_t row = 0; row < rows; row++)
            for (size_t part = 0; part < 4; part++)
                restoreFromPlanes(quantized + row * stride + GROUP * g + 16 * part, ordered + GROUP * row + 16 * part);
        for (size_t part = 0; part < 4; part++)
            fillGroup(width, ordered + 16 * part, GROUP, rows, panel + width * (GROUP * g + 16 * part));
    }
}

/// Planes of codes stay together: those of a group of each column, one column after the other.
QK_INLINE void copyPlanes(
    size_t width, const int16_t *quantized, size_t stride, size_t rows, size_t groupCount, int16_t *panel
) {
    for (size_t g = 0; g < groupCount; g++) {
        for (size_t column = 0; column < width; column++, panel += GROUP) {
            if (column < rows) memcpy(panel, quantized + column * stride + GROUP * g, GROUP * sizeof *panel);
            else memset(panel, 0, GROUP * sizeof *panel);
        }
    }
}

/// For blocks of 32 nibbles, which alternate in a row of x.
QK_INLINE void fillInOrderOfTiles(
    size_t width, const int16_t *quantized, size_t stride, size_t rows, size_t groupCount, int16_t *panel
) {
    for (size_t g = 0; g < groupCount; g++) {
        int16_t ordered[QK_MATMUL_WIDTH * GROUP];
        for (size_t row = 0; row < rows; row++)
            inOrderOfTiles(IS_Q4_0, quantized + row * stride + GROUP * g, GROUP, ordered + GROUP * row);
        for (size_t part = 0; part < 4; part++)
            fillGroup(width, ordered + 16 * part, GROUP, rows, panel + width * (GROUP * g + 16 * part));
    }
}

static QK_FOR_LEVELS(
    fillInOrderOfTilesAt, fillInOrderOfTiles, (width, quantized, stride, rows, groupCount, panel), size_t width,
    const int16_t *quantized, size_t stride, size_t rows, size_t groupCount, int16_t *panel)

void qk_matmul16_panel_at(
    qk_simd level, const qk_matrix *matrix, const int16_t *quantized, const float *scales, size_t rows, int16_t *panel,
    float *panelScales
) {
    const size_t depth = qk_matmul16_width(matrix->columnCount), groupCount = depth / GROUP;
    const size_t width = qk_matmul_width(level);
    const bool pairs = isPaired(level, matrix->storage != QK_MATRIX_PACKED4, 0, 2);
    if (matrix->storage == QK_MATRIX_BLOCKS && hasNibbleBlocks((blockKind)matrix->blockFormat->identifier))
        fillInOrderOfTilesAt(level, width, quantized, depth, rows, groupCount, panel);
    else if (matrix->storage == QK_MATRIX_BYTES && hasPlanes(level, true))
        fillFromPlanes(width, quantized, depth, rows, groupCount, panel);
    else if (matrix->storage == QK_MATRIX_PACKED4 && hasPlanes(level, false))
        copyPlanes(width, quantized, depth, rows, groupCount, panel);
    else
        fillPanelAt(level, width, quantized, depth, rows, groupCount, pairs, panel);
    for (size_t g = 0; g < groupCount; g++)
        for (size_t j = 0; j < width; j++) panelScales[g * width + j] = j < rows ? scales[j * groupCount + g] : 0;
}

typedef struct {
    const int16_t *tile;
    const float *tileScales;
    size_t depth;
    const int16_t *panel;
    const float *panelScales;
    float *c;
    size_t cStride;
    bool adds;
} tileProduct;

QK_INLINE void tileScalar(tileProduct p, size_t rows) {
    for (size_t row = 0; row < rows; row++) {
        float *c = p.c + row * p.cStride;
        for (size_t j = 0; j < 16; j++) {
            float total = p.adds ? c[j] : 0;
            for (size_t g = 0; g < p.depth / GROUP; g++) {
                int32_t sum = 0;
                for (size_t k = GROUP * g; k < GROUP * (g + 1); k++)
                    sum += p.tile[row * QK_MATMUL16_STRIDE + k] * p.panel[16 * (k - k % 2) + 2 * j + k % 2];
                total = __builtin_fmaf((float)sum, p.tileScales[row * TILE_GROUPS + g] * p.panelScales[16 * g + j], total);
            }
            c[j] = total;
        }
    }
}

#if defined(__x86_64__)
/// `rows`, a constant, is at most 6.
QK_TARGET_AVX2 QK_INLINE void rowsAVX2(size_t rows, tileProduct p) {
    for (size_t g = 0; g < p.depth / GROUP; g++) {
        __m256i sums[6][2];
        UNROLL for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
        for (size_t k = GROUP * g; k < GROUP * (g + 1); k += 2) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)(p.panel + 16 * k));
            const __m256i second = _mm256_loadu_si256((const __m256i *)(p.panel + 16 * k + 16));
            UNROLL for (size_t i = 0; i < rows; i++) {
                const __m256i pair = _mm256_set1_epi32(pairAt(p.tile + i * QK_MATMUL16_STRIDE + k));
                sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(pair, first));
                sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(pair, second));
            }
        }
        UNROLL for (size_t i = 0; i < rows; i++) {
            const __m256 scale = _mm256_set1_ps(p.tileScales[i * TILE_GROUPS + g]);
            UNROLL for (size_t j = 0; j < 2; j++) {
                float *place = p.c + i * p.cStride + 8 * j;
                const __m256 scales = _mm256_mul_ps(scale, _mm256_loadu_ps(p.panelScales + 16 * g + 8 * j));
                const __m256 total = g > 0 || p.adds ? _mm256_loadu_ps(place) : _mm256_setzero_ps();
                _mm256_storeu_ps(place, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i][j]), scales, total));
            }
        }
    }
}

/// `rows`, a constant, is at most 12.
QK_TARGET_VNNI QK_INLINE void rowsVNNI(size_t rows, tileProduct p) {
    for (size_t g = 0; g < p.depth / GROUP; g++) {
        __m512i sums[12][2];
        UNROLL for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm512_setzero_si512();
        for (size_t k = GROUP * g; k < GROUP * (g + 1); k += 2) {
            const __m512i first = _mm512_loadu_si512(p.panel + 32 * k), second = _mm512_loadu_si512(p.panel + 32 * k + 32);
            UNROLL for (size_t i = 0; i < rows; i++) {
                const __m512i pair = _mm512_set1_epi32(pairAt(p.tile + i * QK_MATMUL16_STRIDE + k));
                sums[i][0] = _mm512_dpwssd_epi32(sums[i][0], pair, first);
                sums[i][1] = _mm512_dpwssd_epi32(sums[i][1], pair, second);
            }
        }
        UNROLL for (size_t i = 0; i < rows; i++) {
            const __m512 scale = _mm512_set1_ps(p.tileScales[i * TILE_GROUPS + g]);
            UNROLL for (size_t j = 0; j < 2; j++) {
                float *place = p.c + i * p.cStride + 16 * j;
                const __m512 scales = _mm512_mul_ps(scale, _mm512_loadu_ps(p.panelScales + 32 * g + 16 * j));
                const __m512 total = g > 0 || p.adds ? _mm512_loadu_ps(place) : _mm512_setzero_ps();
                _mm512_storeu_ps(place, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i][j]), scales, total));
            }
        }
    }
}

QK_INLINE tileProduct below(tileProduct p, size_t rows) {
    p.tile += rows * QK_MATMUL16_STRIDE;
    p.tileScales += rows * TILE_GROUPS;
    p.c += rows * p.cStride;
    return p;
}

QK_TARGET_AVX2 static void tileAVX2(tileProduct p, size_t rows) {
    for (; rows >= 6; rows -= 6, p = below(p, 6)) rowsAVX2(6, p);
    if (rows >= 3) rowsAVX2(3, p), p = below(p, 3), rows -= 3;
    for (; rows > 0; rows--, p = below(p, 1)) rowsAVX2(1, p);
}

QK_TARGET_VNNI static void tileVNNI(tileProduct p, size_t rows) {
    for (; rows >= 12; rows -= 12, p = below(p, 12)) rowsVNNI(12, p);
    if (rows >= 8) rowsVNNI(8, p), p = below(p, 8), rows -= 8;
    if (rows >= 4) rowsVNNI(4, p), p = below(p, 4), rows -= 4;
    for (; rows > 0; rows--, p = below(p, 1)) rowsVNNI(1, p);
}
#endif

#if defined(__aarch64__)
/// `rows`, a constant, is at most 4: 16 sums.
QK_INLINE void rowsNEON(size_t rows, tileProduct p) {
    for (size_t g = 0; g < p.depth / GROUP; g++) {
        int32x4_t sums[4][4];
        sumPairs(rows, p.tile, p.panel, 16, GROUP * g, GROUP * (g + 1), sums);
        UNROLL for (size_t i = 0; i < rows; i++)
            UNROLL for (size_t j = 0; j < 4; j++)
                addToTile(
                    sums[i][j], floatsAt(p.panelScales + 16 * g + 4 * j), p.tileScales[i * TILE_GROUPS + g], g > 0 || p.adds,
                    p.c + i * p.cStride + 4 * j);
    }
}

/// Planes of `rows`, a constant of at most 4, by those of columns.
QK_TARGET_I8MM QK_INLINE void rowsI8MM(size_t rows, tileProduct p) {
    for (size_t g = 0; g < p.depth / GROUP; g++) {
        for (size_t column = 0; column < 16; column += 4) {
            int32x4_t sums[4][4];
            sumPlanes(rows, p.tile + GROUP * g, p.panel + GROUP * (16 * g + column), sums);
            UNROLL for (size_t i = 0; i < rows; i++)
                addToTile(
                    sumsOfFour(sums[i]), floatsAt(p.panelScales + 16 * g + column), p.tileScales[i * TILE_GROUPS + g],
                    g > 0 || p.adds, p.c + i * p.cStride + column);
        }
    }
}

QK_INLINE tileProduct below(tileProduct p, size_t rows) {
    p.tile += rows * QK_MATMUL16_STRIDE;
    p.tileScales += rows * TILE_GROUPS;
    p.c += rows * p.cStride;
    return p;
}

static void tileNEON(tileProduct p, size_t rows) {
    for (; rows >= 4; rows -= 4, p = below(p, 4)) rowsNEON(4, p);
    for (; rows > 0; rows--, p = below(p, 1)) rowsNEON(1, p);
}

QK_TARGET_I8MM static void tileI8MM(tileProduct p, size_t rows) {
    for (; rows >= 4; rows -= 4, p = below(p, 4)) rowsI8MM(4, p);
    for (; rows > 0; rows--, p = below(p, 1)) rowsI8MM(1, p);
}
#endif

void qk_matmul16_tile_at(
    qk_simd level, const qk_matrix *matrix, const int16_t *tile, const float *tileScales, size_t rows, size_t depth,
    const int16_t *panel, const float *panelScales, float *c, size_t cStride, bool adds
) {
    if (matrix->storage == QK_MATRIX_BLOCKS) {
        qk_matmul16_blockTile(level, matrix, tile, rows, depth, panel, panelScales, c, cStride, adds);
        return;
    }
    const tileProduct p = {tile, tileScales, depth, panel, panelScales, c, cStride, adds};
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: tileVNNI(p, rows); return;
    case QK_AVX2: tileAVX2(p, rows); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON:
        if (matrix->storage == QK_MATRIX_PACKED4 && hasPlanes(level, false)) tileI8MM(p, rows);
        else tileNEON(p, rows);
        return;
#endif
    default: tileScalar(p, rows);
    }
}
