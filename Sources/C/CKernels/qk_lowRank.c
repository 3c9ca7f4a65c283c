#include "qk_lowRank.h"

#include "qk_lanesNEON.h"

/// Floats of the panel of `right` that is copied together: half of the smallest first-level cache.
enum { PANEL_CAPACITY = 4096, ROWS = 6 };

/// A run of elements of one row; `right` is already at its first column.
QK_INLINE void rowOneByOne(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t count, int adds, float *out) {
    for (size_t j = 0; j < count; j++) {
        float sum = 0;
        for (size_t k = 0; k < rank; k++) sum = __builtin_fmaf(left[k], right[k * stride + j], sum);
        const float value = scale * sum;
        out[j] = adds ? out[j] + value : value;
    }
}

/// Rows and columns that lie in the wanted run: whole rows, or a part of one. `out` is where element (0, 0) goes, and
/// rows of it are `columns` apart.
typedef void tile_function(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t rows, size_t width, size_t columns, int adds,
    float *out);

static void tileScalar(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t rows, size_t width, size_t columns, int adds,
    float *out) {
    for (size_t i = 0; i < rows; i++) rowOneByOne(left + i * rank, right, rank, stride, scale, width, adds, out + i * columns);
}

#if defined(__x86_64__)
/// `rows` and `vectors` are constants, so that the sums stay in registers.
QK_TARGET_AVX2 QK_INLINE void blockAVX2(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t columns, int adds, float *out,
    const size_t rows, const size_t vectors) {
    __m256 sums[ROWS][2];
    for (size_t i = 0; i < rows; i++) for (size_t v = 0; v < vectors; v++) sums[i][v] = _mm256_setzero_ps();
    for (size_t k = 0; k < rank; k++) {
        __m256 line[2];
        for (size_t v = 0; v < vectors; v++) line[v] = _mm256_loadu_ps(right + k * stride + 8 * v);
        for (size_t i = 0; i < rows; i++) {
            const __m256 factor = _mm256_broadcast_ss(left + i * rank + k);
            for (size_t v = 0; v < vectors; v++) sums[i][v] = _mm256_fmadd_ps(factor, line[v], sums[i][v]);
        }
    }
    const __m256 scales = _mm256_set1_ps(scale);
    for (size_t i = 0; i < rows; i++) for (size_t v = 0; v < vectors; v++) {
        float *place = out + i * columns + 8 * v;
        __m256 value = _mm256_mul_ps(scales, sums[i][v]);
        if (adds) value = _mm256_add_ps(_mm256_loadu_ps(place), value);
        _mm256_storeu_ps(place, value);
    }
}

QK_TARGET_AVX2 static void tileAVX2(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t rows, size_t width, size_t columns, int adds,
    float *out) {
    for (size_t i = 0; i < rows;) {
        const size_t step = rows - i >= ROWS ? ROWS : 1;
        const float *a = left + i * rank;
        float *place = out + i * columns;
        size_t j = 0;
        for (; j + 16 <= width; j += 16) {
            if (step == ROWS) blockAVX2(a, right + j, rank, stride, scale, columns, adds, place + j, ROWS, 2);
            else blockAVX2(a, right + j, rank, stride, scale, columns, adds, place + j, 1, 2);
        }
        for (; j + 8 <= width; j += 8) {
            if (step == ROWS) blockAVX2(a, right + j, rank, stride, scale, columns, adds, place + j, ROWS, 1);
            else blockAVX2(a, right + j, rank, stride, scale, columns, adds, place + j, 1, 1);
        }
        for (size_t row = 0; row < step; row++)
            rowOneByOne(a + row * rank, right + j, rank, stride, scale, width - j, adds, place + row * columns + j);
        i += step;
    }
}

QK_TARGET_AVX512 QK_INLINE void blockAVX512(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t columns, int adds, float *out,
    const size_t rows, const size_t vectors) {
    __m512 sums[ROWS][2];
    for (size_t i = 0; i < rows; i++) for (size_t v = 0; v < vectors; v++) sums[i][v] = _mm512_setzero_ps();
    for (size_t k = 0; k < rank; k++) {
        __m512 line[2];
        for (size_t v = 0; v < vectors; v++) line[v] = _mm512_loadu_ps(right + k * stride + 16 * v);
        for (size_t i = 0; i < rows; i++) {
            const __m512 factor = _mm512_set1_ps(left[i * rank + k]);
            for (size_t v = 0; v < vectors; v++) sums[i][v] = _mm512_fmadd_ps(factor, line[v], sums[i][v]);
        }
    }
    const __m512 scales = _mm512_set1_ps(scale);
    for (size_t i = 0; i < rows; i++) for (size_t v = 0; v < vectors; v++) {
        float *place = out + i * columns + 16 * v;
        __m512 value = _mm512_mul_ps(scales, sums[i][v]);
        if (adds) value = _mm512_add_ps(_mm512_loadu_ps(place), value);
        _mm512_storeu_ps(place, value);
    }
}

QK_TARGET_AVX512 static void tileAVX512(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t rows, size_t width, size_t columns, int adds,
    float *out) {
    for (size_t i = 0; i < rows;) {
        const size_t step = rows - i >= ROWS ? ROWS : 1;
        const float *a = left + i * rank;
        float *place = out + i * columns;
        size_t j = 0;
        for (; j + 32 <= width; j += 32) {
            if (step == ROWS) blockAVX512(a, right + j, rank, stride, scale, columns, adds, place + j, ROWS, 2);
            else blockAVX512(a, right + j, rank, stride, scale, columns, adds, place + j, 1, 2);
        }
        for (; j + 16 <= width; j += 16) {
            if (step == ROWS) blockAVX512(a, right + j, rank, stride, scale, columns, adds, place + j, ROWS, 1);
            else blockAVX512(a, right + j, rank, stride, scale, columns, adds, place + j, 1, 1);
        }
        for (size_t row = 0; row < step; row++)
            rowOneByOne(a + row * rank, right + j, rank, stride, scale, width - j, adds, place + row * columns + j);
        i += step;
    }
}
#endif

#if defined(__aarch64__)
/// `rows` and `vectors`, at most 4, are constants, so that the sums stay in registers.
QK_INLINE void blockNEON(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t columns, int adds, float *out,
    const size_t rows, const size_t vectors) {
    float32x4_t sums[ROWS][4];
    UNROLL for (size_t i = 0; i < rows; i++)
        UNROLL for (size_t v = 0; v < vectors; v++) sums[i][v] = vdupq_n_f32(0);
    for (size_t k = 0; k < rank; k++) {
        float32x4_t line[4];
        UNROLL for (size_t v = 0; v < vectors; v++) line[v] = floatsAt(right + k * stride + 4 * v);
        UNROLL for (size_t i = 0; i < rows; i++)
            UNROLL for (size_t v = 0; v < vectors; v++) sums[i][v] = vfmaq_n_f32(sums[i][v], line[v], left[i * rank + k]);
    }
    UNROLL for (size_t i = 0; i < rows; i++) {
        UNROLL for (size_t v = 0; v < vectors; v++) {
            float *place = out + i * columns + 4 * v;
            const float32x4_t value = vmulq_n_f32(sums[i][v], scale);
            storeFloats(place, adds ? vaddq_f32(floatsAt(place), value) : value);
        }
    }
}

static void tileNEON(
    const float *left, const float *right, size_t rank, size_t stride, float scale, size_t rows, size_t width, size_t columns, int adds,
    float *out) {
    for (size_t i = 0; i < rows;) {
        const size_t step = rows - i >= ROWS ? ROWS : 1;
        const float *a = left + i * rank;
        float *place = out + i * columns;
        size_t j = 0;
        for (; j + 16 <= width; j += 16) {
            if (step == ROWS) blockNEON(a, right + j, rank, stride, scale, columns, adds, place + j, ROWS, 4);
            else blockNEON(a, right + j, rank, stride, scale, columns, adds, place + j, 1, 4);
        }
        for (; j + 4 <= width; j += 4) {
            if (step == ROWS) blockNEON(a, right + j, rank, stride, scale, columns, adds, place + j, ROWS, 1);
            else blockNEON(a, right + j, rank, stride, scale, columns, adds, place + j, 1, 1);
        }
        for (size_t row = 0; row < step; row++)
            rowOneByOne(a + row * rank, right + j, rank, stride, scale, width - j, adds, place + row * columns + j);
        i += step;
    }
}
#endif

static tile_function *tileFor(qk_simd level) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: return tileAVX512;
    case QK_AVX2: return tileAVX2;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: return tileNEON;
#endif
    default: return tileScalar;
    }
}

void qk_lowRank_at(
    qk_simd level, const float *left, const float *right, size_t rank, size_t columns, float scale, size_t start, size_t count, int adds,
    float *out) {
    if (count == 0) return;
    tile_function *const tile = tileFor(level);
    size_t row = start / columns, column = start % columns, done = 0;
    // The rest of a row begun, or a run within one.
    if (column > 0 || count < columns) {
        const size_t rest = columns - column < count ? columns - column : count;
        tile(left + row * rank, right + column, rank, columns, scale, 1, rest, columns, adds, out);
        done = rest;
        row += 1;
    }
    const size_t rows = (count - done) / columns;
    // Lines of `right` are a large power of two apart in many models and would share one set of the cache: copied together.
    float panel[PANEL_CAPACITY];
    const size_t width = rank > 0 && rank <= PANEL_CAPACITY / 32 ? PANEL_CAPACITY / rank / 32 * 32 : 0;
    if (rows < 2 * ROWS || width == 0) {
        tile(left + row * rank, right, rank, columns, scale, rows, columns, columns, adds, out + done);
    } else {
        for (size_t j = 0; j < columns; j += width) {
            const size_t used = columns - j < width ? columns - j : width;
            for (size_t k = 0; k < rank; k++) memcpy(panel + k * width, right + k * columns + j, used * sizeof(float));
            tile(left + row * rank, panel, rank, width, scale, rows, used, columns, adds, out + done + j);
        }
    }
    done += rows * columns;
    if (done < count) tile(left + (row + rows) * rank, right, rank, columns, scale, 1, count - done, columns, adds, out + done);
}

void qk_lowRank(
    const float *left, const float *right, size_t rank, size_t columns, float scale, size_t start, size_t count, int adds, float *out) {
    qk_lowRank_at(qk_simd_best(), left, right, rank, columns, scale, start, count, adds, out);
}
