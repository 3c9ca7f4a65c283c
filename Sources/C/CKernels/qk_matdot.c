#include "qk_matdot.h"

#include "qk_encodings.h"
#include "qk_lanesNEON.h"
#include "qk_levels.h"
#include "qk_matmul.h"

enum { LANES = 32, PIECE = 512 };

QK_INLINE float totalOf(float lanes[LANES]) {
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    return lanes[0];
}

/// `count`, at most LANES, elements of x and of a row, with zeros after them.
QK_INLINE void addLast(const float *x, const float *row, size_t count, float lanes[LANES]) {
    for (size_t lane = 0; lane < count; lane++) lanes[lane] = __builtin_fmaf(row[lane], x[lane], lanes[lane]);
}

QK_INLINE void rowScalar(qk_products p, size_t row, size_t vectorCount) {
    const qk_matrix *m = p.matrix;
    float lanes[QK_MATDOT_VECTORS][LANES] = {{0}}, piece[PIECE];
    for (size_t start = 0; start < m->columnCount; start += PIECE) {
        const size_t count = m->columnCount - start < PIECE ? m->columnCount - start : PIECE;
        qk_matrix_expand_at(QK_SCALAR, m, row, start, count, piece);
        for (size_t i = 0; i < count; i += LANES)
            for (size_t t = 0; t < vectorCount; t++)
                addLast(p.x + t * p.xStride + start + i, piece + i, count - i < LANES ? count - i : LANES, lanes[t]);
    }
    for (size_t t = 0; t < vectorCount; t++) p.y[t * p.yStride + row - p.firstRow] = totalOf(lanes[t]);
}

static void productsScalar(qk_products p, size_t vectorCount) {
    for (size_t row = p.firstRow; row < p.firstRow + p.rowCount; row++) rowScalar(p, row, vectorCount);
}

#if defined(__x86_64__) || defined(__aarch64__)
/// With the number of vectors as a constant.
#define FOR_COUNTS(rows, expands, type, p, vectorCount) \
    switch (vectorCount) { \
    case 1: rows(expands, type, p, 1); break; \
    case 2: rows(expands, type, p, 2); break; \
    case 3: rows(expands, type, p, 3); break; \
    case 4: rows(expands, type, p, 4); break; \
    }

#define FOR_TYPES(rows, type, p, vectorCount) \
    switch (type) { \
    case QK_F32: FOR_COUNTS(rows, false, QK_F32, p, vectorCount) return true; \
    case QK_F16: FOR_COUNTS(rows, false, QK_F16, p, vectorCount) return true; \
    case QK_BF16: FOR_COUNTS(rows, false, QK_BF16, p, vectorCount) return true; \
    default: return false; \
    }
#endif

#if defined(__x86_64__)
/// Adds the products of `count` elements, a multiple of LANES.
QK_TARGET_AVX2 QK_INLINE void addAVX2(
    qk_float type, size_t vectorCount, const uint8_t *row, const float *x, size_t xStride, size_t count, __m256 sums[][4]
) {
    for (size_t i = 0; i < count; i += LANES) {
        UNROLL for (size_t j = 0; j < 4; j++) {
            const __m256 weights = loadEight(type, row, i + 8 * j);
            UNROLL for (size_t t = 0; t < vectorCount; t++)
                sums[t][j] = _mm256_fmadd_ps(weights, _mm256_loadu_ps(x + t * xStride + i + 8 * j), sums[t][j]);
        }
    }
}

/// Rows of elements of `type`, or of any weight, which are expanded a piece at a time.
QK_TARGET_AVX2 QK_INLINE void rowsAVX2(bool expands, qk_float type, qk_products p, size_t vectorCount) {
    const qk_matrix *m = p.matrix;
    const size_t whole = m->columnCount - m->columnCount % LANES;
    const size_t width = type == QK_F32 ? 4 : 2;
    for (size_t row = p.firstRow; row < p.firstRow + p.rowCount; row++) {
        __m256 sums[QK_MATDOT_VECTORS][4];
        UNROLL for (size_t t = 0; t < vectorCount; t++)
            UNROLL for (size_t j = 0; j < 4; j++) sums[t][j] = _mm256_setzero_ps();
        if (expands) {
            float piece[PIECE];
            for (size_t start = 0; start < whole; start += PIECE) {
                const size_t count = whole - start < PIECE ? whole - start : PIECE;
                qk_matrix_expand_at(QK_AVX2, m, row, start, count, piece);
                addAVX2(QK_F32, vectorCount, (const uint8_t *)piece, p.x + start, p.xStride, count, sums);
            }
        } else {
            addAVX2(type, vectorCount, m->values + row * m->columnCount * width, p.x, p.xStride, whole, sums);
        }
        float last[LANES];
        if (whole < m->columnCount) qk_matrix_expand_at(QK_AVX2, m, row, whole, m->columnCount - whole, last);
        UNROLL for (size_t t = 0; t < vectorCount; t++) {
            float lanes[LANES];
            UNROLL for (size_t j = 0; j < 4; j++) _mm256_storeu_ps(lanes + 8 * j, sums[t][j]);
            addLast(p.x + t * p.xStride + whole, last, m->columnCount - whole, lanes);
            p.y[t * p.yStride + row - p.firstRow] = totalOf(lanes);
        }
    }
}

QK_TARGET_AVX512 QK_INLINE void addAVX512(
    qk_float type, size_t vectorCount, const uint8_t *row, const float *x, size_t xStride, size_t count, __m512 sums[][2]
) {
    for (size_t i = 0; i < count; i += LANES) {
        UNROLL for (size_t j = 0; j < 2; j++) {
            const __m512 weights = loadSixteen(type, row, i + 16 * j);
            UNROLL for (size_t t = 0; t < vectorCount; t++)
                sums[t][j] = _mm512_fmadd_ps(weights, _mm512_loadu_ps(x + t * xStride + i + 16 * j), sums[t][j]);
        }
    }
}

QK_TARGET_AVX512 QK_INLINE void rowsAVX512(bool expands, qk_float type, qk_products p, size_t vectorCount) {
    const qk_matrix *m = p.matrix;
    const size_t whole = m->columnCount - m->columnCount % LANES;
    const size_t width = type == QK_F32 ? 4 : 2;
    for (size_t row = p.firstRow; row < p.firstRow + p.rowCount; row++) {
        __m512 sums[QK_MATDOT_VECTORS][2];
        UNROLL for (size_t t = 0; t < vectorCount; t++)
            UNROLL for (size_t j = 0; j < 2; j++) sums[t][j] = _mm512_setzero_ps();
        if (expands) {
            float piece[PIECE];
            for (size_t start = 0; start < whole; start += PIECE) {
                const size_t count = whole - start < PIECE ? whole - start : PIECE;
                qk_matrix_expand_at(QK_AVX512, m, row, start, count, piece);
                addAVX512(QK_F32, vectorCount, (const uint8_t *)piece, p.x + start, p.xStride, count, sums);
            }
        } else {
            addAVX512(type, vectorCount, m->values + row * m->columnCount * width, p.x, p.xStride, whole, sums);
        }
        float last[LANES];
        if (whole < m->columnCount) qk_matrix_expand_at(QK_AVX512, m, row, whole, m->columnCount - whole, last);
        UNROLL for (size_t t = 0; t < vectorCount; t++) {
            float lanes[LANES];
            UNROLL for (size_t j = 0; j < 2; j++) _mm512_storeu_ps(lanes + 16 * j, sums[t][j]);
            addLast(p.x + t * p.xStride + whole, last, m->columnCount - whole, lanes);
            p.y[t * p.yStride + row - p.firstRow] = totalOf(lanes);
        }
    }
}

QK_TARGET_AVX2 static bool denseAVX2(qk_products p, size_t vectorCount) {
    FOR_TYPES(rowsAVX2, p.matrix->type, p, vectorCount)
}

QK_TARGET_AVX512 static bool denseAVX512(qk_products p, size_t vectorCount) {
    FOR_TYPES(rowsAVX512, p.matrix->type, p, vectorCount)
}

QK_TARGET_AVX2 static void expandedAVX2(qk_products p, size_t vectorCount) {
    FOR_COUNTS(rowsAVX2, true, QK_F32, p, vectorCount)
}

QK_TARGET_AVX512 static void expandedAVX512(qk_products p, size_t vectorCount) {
    FOR_COUNTS(rowsAVX512, true, QK_F32, p, vectorCount)
}
#elif defined(__aarch64__)
/// Adds the products of `count` elements, a multiple of LANES.
QK_INLINE void addNEON(
    qk_float type, size_t vectorCount, const uint8_t *row, const float *x, size_t xStride, size_t count, float32x4_t sums[][8]
) {
    for (size_t i = 0; i < count; i += LANES) {
        UNROLL for (size_t j = 0; j < 8; j++) {
            const float32x4_t weights = loadFour(type, row, i + 4 * j);
            UNROLL for (size_t t = 0; t < vectorCount; t++)
                sums[t][j] = vfmaq_f32(sums[t][j], weights, floatsAt(x + t * xStride + i + 4 * j));
        }
    }
}

/// Rows of elements of `type`, or of any weight, which are expanded a piece at a time. 16 registers hold the sums of two vectors;
/// those of more are moved to and fro.
QK_INLINE void rowsNEON(bool expands, qk_float type, qk_products p, size_t vectorCount) {
    const qk_matrix *m = p.matrix;
    const size_t whole = m->columnCount - m->columnCount % LANES, width = type == QK_F32 ? 4 : 2;
    for (size_t row = p.firstRow; row < p.firstRow + p.rowCount; row++) {
        float32x4_t sums[QK_MATDOT_VECTORS][8];
        UNROLL for (size_t t = 0; t < vectorCount; t++)
            UNROLL for (size_t j = 0; j < 8; j++) sums[t][j] = vdupq_n_f32(0);
        if (expands) {
            float piece[PIECE];
            for (size_t start = 0; start < whole; start += PIECE) {
                const size_t count = whole - start < PIECE ? whole - start : PIECE;
                qk_matrix_expand_at(QK_NEON, m, row, start, count, piece);
                addNEON(QK_F32, vectorCount, (const uint8_t *)piece, p.x + start, p.xStride, count, sums);
            }
        } else {
            addNEON(type, vectorCount, m->values + row * m->columnCount * width, p.x, p.xStride, whole, sums);
        }
        float last[LANES];
        if (whole < m->columnCount) qk_matrix_expand_at(QK_NEON, m, row, whole, m->columnCount - whole, last);
        UNROLL for (size_t t = 0; t < vectorCount; t++) {
            float lanes[LANES];
            UNROLL for (size_t j = 0; j < 8; j++) storeFloats(lanes + 4 * j, sums[t][j]);
            addLast(p.x + t * p.xStride + whole, last, m->columnCount - whole, lanes);
            p.y[t * p.yStride + row - p.firstRow] = totalOf(lanes);
        }
    }
}

static bool denseNEON(qk_products p, size_t vectorCount) { FOR_TYPES(rowsNEON, p.matrix->type, p, vectorCount) }

static void expandedNEON(qk_products p, size_t vectorCount) { FOR_COUNTS(rowsNEON, true, QK_F32, p, vectorCount) }
#endif

bool qk_matdot_dense(qk_simd level, qk_products products, size_t vectorCount) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: return denseAVX512(products, vectorCount);
    case QK_AVX2: return denseAVX2(products, vectorCount);
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: return denseNEON(products, vectorCount);
#endif
    default: (void)products, (void)vectorCount; return false;
    }
}

void qk_matdot_at(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const float *x, size_t xStride,
    size_t vectorCount, float *y, size_t yStride
) {
    const qk_products p = {matrix, firstRow, rowCount, x, xStride, y, yStride};
    const qk_encoding *encoding = qk_encoding_of(matrix);
    if (encoding->dots && encoding->dots(level, p, vectorCount)) return;
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: expandedAVX512(p, vectorCount); return;
    case QK_AVX2: expandedAVX2(p, vectorCount); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: expandedNEON(p, vectorCount); return;
#endif
    default: productsScalar(p, vectorCount);
    }
}

// Columns: rows are expanded, four of them at a time, and added to sums that stay in the first-level cache.

enum { ROWS_AT_ONCE = 4, COLUMNS = QK_MATDOT_COLUMNS };

/// sums += x[0] rows[0] + ... in order.
QK_INLINE void addRows(const float *x, const float *rows, size_t rowCount, size_t columnCount, float *sums) {
    if (rowCount == ROWS_AT_ONCE) {
        const float x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
        for (size_t i = 0; i < columnCount; i++) {
            float sum = __builtin_fmaf(x0, rows[i], sums[i]);
            sum = __builtin_fmaf(x1, rows[COLUMNS + i], sum);
            sum = __builtin_fmaf(x2, rows[2 * COLUMNS + i], sum);
            sums[i] = __builtin_fmaf(x3, rows[3 * COLUMNS + i], sum);
        }
    } else {
        for (size_t row = 0; row < rowCount; row++)
            for (size_t i = 0; i < columnCount; i++) sums[i] = __builtin_fmaf(x[row], rows[row * COLUMNS + i], sums[i]);
    }
}

static QK_FOR_LEVELS(
    addRowsAt, addRows, (x, rows, rowCount, columnCount, sums), const float *x, const float *rows, size_t rowCount,
    size_t columnCount, float *sums)

void qk_matdot_columns_at(
    qk_simd level, const qk_matrix *matrix, size_t firstColumn, size_t columnCount, const float *x, size_t xStride,
    size_t vectorCount, float *y, size_t yStride
) {
    for (size_t piece = 0; piece < matrix->rowCount; piece += QK_MATMUL_DEPTH) {
        const size_t left = matrix->rowCount - piece, depth = left < QK_MATMUL_DEPTH ? left : QK_MATMUL_DEPTH;
        float sums[QK_MATDOT_VECTORS][COLUMNS] = {{0}};
        for (size_t start = 0; start < depth; start += ROWS_AT_ONCE) {
            const size_t rowCount = depth - start < ROWS_AT_ONCE ? depth - start : ROWS_AT_ONCE;
            float rows[ROWS_AT_ONCE * COLUMNS];
            for (size_t row = 0; row < rowCount; row++)
                qk_matrix_expand_at(
                    level, matrix, piece + start + row, firstColumn, columnCount, rows + row * COLUMNS);
            for (size_t t = 0; t < vectorCount; t++)
                addRowsAt(level, x + t * xStride + piece + start, rows, rowCount, columnCount, sums[t]);
        }
        for (size_t t = 0; t < vectorCount; t++)
            for (size_t i = 0; i < columnCount; i++)
                y[t * yStride + i] = piece > 0 ? y[t * yStride + i] + sums[t][i] : sums[t][i];
    }
}
