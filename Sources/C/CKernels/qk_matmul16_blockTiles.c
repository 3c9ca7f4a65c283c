#include "qk_matmul16_blocks.h"
#include "qk_matmul16_tilesNEON.h"

// Tiles of blocks against panels of many rows of x: 16 columns at a time, on processors with AVX-512 too.

/// 16 columns of a panel that has `width` of them.
typedef struct {
    const int16_t *tile;
    size_t depth, width;
    const int16_t *panel;
    const float *panelScales;
    float *c;
    size_t cStride;
    bool adds;
    /// Sums of the columns in the blocks or groups of 32 of a chunk, where they have offsets or minimums: [8][16].
    const int32_t *sums;
} tileProduct;

enum { COLUMNS = 16 };

/// The pair at element k, an even one, of column j.
QK_INLINE const int16_t *panelPair(const tileProduct *p, size_t k, size_t j) { return p->panel + p->width * k + 2 * j; }

/// Behind the integers, which need not be aligned as floats are.
QK_INLINE chunkTail readTail(const tileProduct *p, size_t row) {
    chunkTail tail;
    memcpy(&tail, p->tile + row * QK_MATMUL16_STRIDE + CHUNK, sizeof tail);
    return tail;
}

/// `inGroups`: of a block of 256, else of blocks one behind the other.
QK_INLINE void sumColumns(const tileProduct *p, bool inGroups, int32_t *sums) {
    for (size_t g = 0; g < p->depth / 32; g++) {
        int32_t *restrict group = sums + COLUMNS * g;
        memset(group, 0, COLUMNS * sizeof *group);
        for (size_t i = 0; i < 16; i++) {
            const int16_t *restrict pairs = panelPair(p, inGroups ? runOfGroup(g, i / 8) + 2 * (i % 8) : 32 * g + 2 * i, 0);
            for (size_t j = 0; j < COLUMNS; j++) group[j] += pairs[2 * j] + pairs[2 * j + 1];
        }
    }
}

static QK_FOR_LEVELS(sumColumnsAt, sumColumns, (p, inGroups, sums), const tileProduct *p, bool inGroups, int32_t *sums)

QK_INLINE void rowsScalar(blockKind kind, tileProduct p, size_t rows) {
    const size_t span = spanOf(kind);
    for (size_t row = 0; row < rows; row++) {
        const chunkTail tail = readTail(&p, row);
        for (size_t j = 0; j < COLUMNS; j++) {
            float *c = p.c + row * p.cStride + j, total = p.adds ? *c : 0;
            for (size_t s = 0; s < p.depth / span; s++) {
                int32_t sum = 0;
                for (size_t k = s * span; k < (s + 1) * span; k += 2) {
                    const int16_t *pair = p.tile + row * QK_MATMUL16_STRIDE + k, *other = panelPair(&p, k, j);
                    sum += pair[0] * other[0] + pair[1] * other[1];
                }
                const float xScale = p.panelScales[p.width * (s * span / GROUP) + j];
                total = __builtin_fmaf((float)sum, tail.scales[scaleOf(kind, s)] * xScale, total);
                if (!hasOffsets(kind)) continue;
                total = __builtin_fmaf((float)p.sums[COLUMNS * s + j], tail.offsets[s] * xScale, total);
            }
            if (hasMinimums(kind)) {
                int32_t sum = 0;
                for (size_t g = 0; g < 8; g++) sum += tail.minimums[g] * p.sums[COLUMNS * g + j];
                total = __builtin_fmaf(-(float)sum, tail.scales[1] * p.panelScales[j], total);
            }
            *c = total;
        }
    }
}

static void anyRowsScalar(const qk_matrix *m, tileProduct p, size_t rows) { QK_FOR_KINDS(rowsScalar, m, p, rows) }

#if defined(__x86_64__)
/// `rows`, a constant, is at most 6.
QK_TARGET_AVX2 QK_INLINE void fewRowsAVX2(blockKind kind, size_t rows, tileProduct p) {
    const size_t span = spanOf(kind);
    for (size_t s = 0; s < p.depth / span; s++) {
        __m256i sums[6][2];
        UNROLL for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
        for (size_t k = s * span; k < (s + 1) * span; k += 2) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)panelPair(&p, k, 0));
            const __m256i second = _mm256_loadu_si256((const __m256i *)panelPair(&p, k, 8));
            UNROLL for (size_t i = 0; i < rows; i++) {
                const __m256i pair = _mm256_set1_epi32(pairAt(p.tile + i * QK_MATMUL16_STRIDE + k));
                sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(pair, first));
                sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(pair, second));
            }
        }
        const float *xScales = p.panelScales + p.width * (s * span / GROUP);
        UNROLL for (size_t i = 0; i < rows; i++) {
            const chunkTail tail = readTail(&p, i);
            const __m256 d = _mm256_set1_ps(tail.scales[scaleOf(kind, s)]);
            UNROLL for (size_t j = 0; j < 2; j++) {
                float *place = p.c + i * p.cStride + 8 * j;
                const __m256 xScale = _mm256_loadu_ps(xScales + 8 * j);
                __m256 total = s > 0 || p.adds ? _mm256_loadu_ps(place) : _mm256_setzero_ps();
                total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i][j]), _mm256_mul_ps(d, xScale), total);
                if (hasOffsets(kind)) {
                    const __m256i sum = _mm256_loadu_si256((const __m256i *)(p.sums + COLUMNS * s + 8 * j));
                    const __m256 offset = _mm256_mul_ps(_mm256_set1_ps(tail.offsets[s]), xScale);
                    total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), offset, total);
                }
                if (hasMinimums(kind) && s == p.depth / span - 1) {
                    __m256i sum = _mm256_setzero_si256();
                    UNROLL for (size_t g = 0; g < 8; g++)
                        sum = _mm256_add_epi32(
                            sum, _mm256_mullo_epi32(
                                     _mm256_set1_epi32(tail.minimums[g]),
                                     _mm256_loadu_si256((const __m256i *)(p.sums + COLUMNS * g + 8 * j))));
                    const __m256 dmin = _mm256_mul_ps(_mm256_set1_ps(tail.scales[1]), xScale);
                    total = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(sum), dmin, total);
                }
                _mm256_storeu_ps(place, total);
            }
        }
    }
}

QK_INLINE tileProduct below(tileProduct p, size_t rows) {
    p.tile += rows * QK_MATMUL16_STRIDE;
    p.c += rows * p.cStride;
    return p;
}

QK_TARGET_AVX2 QK_INLINE void rowsAVX2(blockKind kind, tileProduct p, size_t rows) {
    for (; rows >= 6; rows -= 6, p = below(p, 6)) fewRowsAVX2(kind, 6, p);
    if (rows >= 3) fewRowsAVX2(kind, 3, p), p = below(p, 3), rows -= 3;
    for (; rows > 0; rows--, p = below(p, 1)) fewRowsAVX2(kind, 1, p);
}

QK_TARGET_AVX2 static void anyRowsAVX2(const qk_matrix *m, tileProduct p, size_t rows) { QK_FOR_KINDS(rowsAVX2, m, p, rows) }
#endif

#if defined(__aarch64__)
/// `rows`, a constant, is at most 4.
QK_INLINE void fewRowsNEON(blockKind kind, size_t rows, tileProduct p) {
    const size_t span = spanOf(kind);
    for (size_t s = 0; s < p.depth / span; s++) {
        int32x4_t sums[4][4];
        sumPairs(rows, p.tile, p.panel, p.width, s * span, (s + 1) * span, sums);
        UNROLL for (size_t i = 0; i < rows; i++) {
            const chunkTail tail = readTail(&p, i);
            UNROLL for (size_t j = 0; j < 4; j++) {
                float *place = p.c + i * p.cStride + 4 * j;
                const float32x4_t xScales = floatsAt(p.panelScales + p.width * (s * span / GROUP) + 4 * j);
                addToTile(sums[i][j], xScales, tail.scales[scaleOf(kind, s)], s > 0 || p.adds, place);
                if (hasOffsets(kind)) addToTile(vld1q_s32(p.sums + COLUMNS * s + 4 * j), xScales, tail.offsets[s], true, place);
                if (hasMinimums(kind) && s == p.depth / span - 1) {
                    int32x4_t sum = vdupq_n_s32(0);
                    UNROLL for (size_t g = 0; g < 8; g++)
                        sum = vmlaq_n_s32(sum, vld1q_s32(p.sums + COLUMNS * g + 4 * j), tail.minimums[g]);
                    const float32x4_t dmin = vmulq_n_f32(xScales, tail.scales[1]);
                    storeFloats(place, vfmsq_f32(floatsAt(place), vcvtq_f32_s32(sum), dmin));
                }
            }
        }
    }
}

QK_INLINE void rowsNEON(blockKind kind, tileProduct p, size_t rows) {
    while (rows > 0) {
        const size_t now = rows >= 4 ? 4 : 1;
        if (now == 4) fewRowsNEON(kind, 4, p);
        else fewRowsNEON(kind, 1, p);
        p.tile += now * QK_MATMUL16_STRIDE;
        p.c += now * p.cStride;
        rows -= now;
    }
}

static void anyRowsNEON(const qk_matrix *m, tileProduct p, size_t rows) { QK_FOR_KINDS(rowsNEON, m, p, rows) }
#endif

static void anyRows(qk_simd level, const qk_matrix *m, tileProduct p, size_t rows) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: case QK_AVX2: anyRowsAVX2(m, p, rows); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: anyRowsNEON(m, p, rows); return;
#endif
    default: anyRowsScalar(m, p, rows);
    }
}

void qk_matmul16_blockTile(
    qk_simd level, const qk_matrix *matrix, const int16_t *tile, size_t rows, size_t depth, const int16_t *panel,
    const float *panelScales, float *c, size_t cStride, bool adds
) {
    const size_t width = qk_matmul_width(level);
    for (size_t column = 0; column < width; column += COLUMNS) {
        int32_t sums[8 * COLUMNS];
        const tileProduct p = {
            tile, depth, width, panel + 2 * column, panelScales + column, c + column, cStride, adds, sums};
        const blockKind kind = (blockKind)matrix->blockFormat->identifier;
        if (hasOffsets(kind) || hasMinimums(kind)) sumColumnsAt(level, &p, hasMinimums(kind), sums);
        anyRows(level, matrix, p, rows);
    }
}
