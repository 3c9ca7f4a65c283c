#include <math.h>
#include <string.h>

#include "inputs.h"

// Products with every way to store a weight. Integers and panels in between are in an order of each level's own; only what
// comes out counts.

enum { ROWS = 21, COLUMNS = 832, VECTORS = 37 };

static float nf4[16] = {-1,     -0.696192801f, -0.525073051f, -0.394917488f, -0.284441382f, -0.184773430f, -0.0910500363f, 0,
                        0.0795802996f, 0.160930201f, 0.246112302f, 0.337915242f, 0.440709829f, 0.562616885f, 0.722956061f, 1};

/// A matrix and a name for each encoding; `number` counts them, false beyond the last.
static bool makeMatrix(size_t number, mixture kind, size_t columns, qk_matrix *m) {
    static const qk_float dense[] = {QK_F32, QK_F16, QK_BF16, QK_F64};
    static const uint32_t blocks[] = {2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 16, 20, 23, 34, 39};
    const size_t blockTypes = sizeof blocks / sizeof *blocks;
    *m = (qk_matrix){.rowCount = ROWS, .columnCount = columns};
    memcpy(m->quantMap, nf4, sizeof nf4);
    if (number < 4) {
        m->storage = QK_MATRIX_DENSE;
        m->type = dense[number];
        uint8_t *values = BYTES(ROWS * columns * qk_float_byteCount(m->type) + 1);
        fillStored(m->type, values + 1, ROWS * columns, kind, number);
        m->values = values + 1;
        return true;
    }
    float *absmax = FLOATS(ROWS * (columns / 32 + 1));
    fillFloats(absmax, ROWS * (columns / 32 + 1), kind, number);
    m->absmax = (const uint8_t *)absmax;
    uint8_t *values = BYTES(ROWS * (columns + 64) * 9 / 8 + 1024);
    fillBytes(values, ROWS * (columns + 64) * 9 / 8 + 1024, number + 50);
    m->values = values + 1;
    if (number < 8) {
        m->storage = QK_MATRIX_PACKED4;
        m->blockSize = (size_t[]){64, 64, 256, 32}[number - 4];
        if (number != 5) return true;
        m->absmax = NULL;
        uint8_t *codes = BYTES(ROWS * columns / 64 + 1);
        float *nested = FLOATS(8), *map = FLOATS(256);
        fillBytes(codes, ROWS * columns / 64 + 1, 3);
        fillFloats(nested, 8, kind, 4);
        fillFloats(map, 256, ORDINARY, 5);
        m->absmaxCodes = codes;
        m->nestedAbsmax = (const uint8_t *)nested;
        m->nestedMap = (const uint8_t *)map;
        m->nestedBlockSize = 256;
        m->nestedStart = 201;
        m->offset = 0.01f;
        return true;
    }
    if (number == 8) {
        m->storage = QK_MATRIX_BYTES;
        m->blockSize = 64;
        return true;
    }
    if (number == 9) {
        m->storage = QK_MATRIX_MXFP4;
        m->absmax = m->values;
        return columns % 32 == 0;
    }
    if (number - 10 >= blockTypes) return false;
    m->storage = QK_MATRIX_BLOCKS;
    m->blockFormat = qk_blockFormat_of(blocks[number - 10]);
    return true;
}

enum { MATRIX_COUNT = 25 };

/// Rows are whole blocks.
static size_t columnsOf(size_t number, bool odd) {
    if (number < 8) return odd ? COLUMNS - 27 : COLUMNS;
    if (number == 8) return odd ? COLUMNS - 5 : COLUMNS;
    return number < 15 ? COLUMNS : 768;
}

static void dots(qk_simd level, digest *d) {
    for (size_t number = 0; number < MATRIX_COUNT; number++) {
        for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
            qk_matrix m;
            const size_t columns = columnsOf(number, kind == WIDE);
            if (!makeMatrix(number, (mixture)kind, columns, &m)) continue;
            float *x = FLOATS(4 * (columns + 3)), *y = FLOATS(4 * QK_MATDOT_COLUMNS);
            fillFloats(x, 4 * (columns + 3), (mixture)kind, 1);
            for (size_t vectors = 1; vectors <= 4; vectors++) {
                qk_matdot_at(level, &m, 2, ROWS - 2, x, columns + 3, vectors, y, ROWS);
                addFloats(d, y, vectors * ROWS);
                qk_matdot_columns_at(level, &m, 5, 301, x, columns, vectors, y, QK_MATDOT_COLUMNS);
                addFloats(d, y, vectors * QK_MATDOT_COLUMNS);
            }
            releaseAll();
        }
    }
}

static void tiles(qk_simd level, digest *d) {
    const size_t width = qk_matmul_width(level);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        for (size_t depth = 1; depth <= QK_MATMUL_DEPTH; depth = depth * 3 + 1) {
            float *tile = FLOATS(ROWS * QK_MATMUL_STRIDE), *x = FLOATS(VECTORS * depth), *c = FLOATS(ROWS * 64);
            float *panel = FLOATS(64 * depth), *stored = FLOATS(64 * 64);
            fillFloats(tile, ROWS * QK_MATMUL_STRIDE, (mixture)kind, depth);
            fillFloats(x, VECTORS * depth, (mixture)kind, depth + 1);
            fillFloats(stored, 64 * 64, (mixture)kind, depth + 2);
            for (int adds = 0; adds < 2; adds++) {
                for (size_t first = 0; first < 64; first += width) {
                    const size_t rows = first >= VECTORS ? 0 : VECTORS - first < width ? VECTORS - first : width;
                    qk_matmul_panel_at(level, x + (rows ? first : 0) * depth, depth, rows, depth, panel);
                    qk_matmul_tile_at(level, tile, ROWS, depth, panel, c + first, 64, adds);
                }
                addFloats(d, c, ROWS * 64);
            }
            qk_matmul_store_at(level, c, 64, ROWS, 37, 0.7f, 0.3f, stored, 64);
            addFloats(d, stored, 64 * 64);
            qk_matmul_storeTransposed_at(level, c, 64, 33, ROWS, 0.7f, kind ? 0.3f : 0, stored, 64);
            addFloats(d, stored, 64 * 64);
            qk_matmul_transpose_at(level, c, 64, ROWS, 37, stored, 64);
            addFloats(d, stored, 64 * 64);
            releaseAll();
        }
    }
}

static void expandedPanels(qk_simd level, digest *d) {
    const size_t width = qk_matmul_width(level);
    for (size_t number = 0; number < MATRIX_COUNT; number++) {
        qk_matrix m;
        if (!makeMatrix(number, ORDINARY, columnsOf(number, true), &m)) continue;
        float *panels = FLOATS(ROWS * 224), *tile = FLOATS(QK_MATMUL_STRIDE), *c = FLOATS(224);
        fillFloats(tile, QK_MATMUL_STRIDE, ORDINARY, 1);
        qk_matmul_expandPanels_at(level, &m, 1, ROWS - 1, 3, 201, panels);
        for (size_t first = 0; first < 201; first += width)
            qk_matmul_tile_at(level, tile, 1, ROWS - 1, panels + first * (ROWS - 1), c + first, 224, false);
        addFloats(d, c, 201);
        releaseAll();
    }
}

static void integers(qk_simd level, digest *d) {
    const size_t width = qk_matmul_width(level);
    for (size_t number = 4; number < MATRIX_COUNT; number++) {
        for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
            qk_matrix m;
            if (!makeMatrix(number, (mixture)kind, columnsOf(number, number == 8), &m) || !qk_matmul16_supports(&m)) continue;
            const size_t depth = qk_matmul16_width(m.columnCount), groups = depth / QK_GROUP;
            float *x = FLOATS(VECTORS * m.columnCount), *scales = FLOATS(VECTORS * groups), *y = FLOATS(VECTORS * ROWS);
            int16_t *quantized = room(VECTORS * depth, 2), *panel = room(64 * depth, 2);
            int16_t *tile = room(ROWS * QK_MATMUL16_STRIDE, 2);
            float *panelScales = FLOATS(64 * groups), *tileScales = FLOATS(ROWS * 4), *c = FLOATS(ROWS * 64);
            fillFloats(x, VECTORS * m.columnCount, (mixture)kind, number);
            memset(x, 0, 100 * sizeof *x);
            for (size_t t = 0; t < VECTORS; t++)
                qk_matmul16_quantize_at(level, &m, x + t * m.columnCount, quantized + t * depth, scales + t * groups);
            for (size_t vectors = 1; vectors <= 9; vectors += 2) {
                qk_matmul16_dots_at(level, &m, 2, ROWS - 2, quantized, scales, vectors, y, ROWS);
                addFloats(d, y, vectors * ROWS);
            }
            for (size_t first = 0; first < 64; first += width) {
                const size_t rows = first >= VECTORS ? 0 : VECTORS - first < width ? VECTORS - first : width;
                qk_matmul16_panel_at(
                    level, &m, quantized + (rows ? first : 0) * depth, scales + (rows ? first : 0) * groups, rows, panel,
                    panelScales);
                for (size_t start = 0; start < depth; start += QK_MATMUL16_DEPTH) {
                    const size_t now = depth - start < QK_MATMUL16_DEPTH ? depth - start : QK_MATMUL16_DEPTH;
                    qk_matmul16_expand_at(level, &m, 0, ROWS, start, now, tile, tileScales);
                    qk_matmul16_tile_at(
                        level, &m, tile, tileScales, ROWS, now, panel + start * width, panelScales + start / QK_GROUP * width,
                        c + first, 64, start > 0);
                }
            }
            addFloats(d, c, ROWS * 64);
            releaseAll();
        }
    }
}

/// How rows of x are kept is each level's own.
static void bytes(qk_simd level, digest *d) {
    enum { MOST = 9 };
    for (size_t number = 4; number < 8; number++) {
        for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
            qk_matrix m;
            if (!makeMatrix(number, (mixture)kind, COLUMNS, &m)) continue;
            for (size_t i = 0; kind == WIDE && i < 16; i++) m.quantMap[i] *= 0.37f;
            qk_matmul8_prepare(&m);
            addBytes(d, m.codeBytes, sizeof m.codeBytes);
            if (!qk_matmul8_supports(&m)) continue;
            float *x = FLOATS(MOST * COLUMNS), *scales = FLOATS(MOST), *y = FLOATS(MOST * ROWS);
            uint8_t *quantized = BYTES(MOST * COLUMNS / QK_GROUP * QK_MATMUL8_BYTES);
            fillFloats(x, MOST * COLUMNS, (mixture)kind, number);
            // A row of zeros, and parts of some.
            memset(x + COLUMNS, 0, (COLUMNS + 100) * sizeof *x);
            for (size_t vectors = 1; vectors <= MOST; vectors++) {
                for (size_t t = 0; t < vectors; t++)
                    qk_matmul8_quantize_at(level, x + t * COLUMNS, COLUMNS, t, vectors, quantized, scales);
                addFloats(d, scales, vectors);
                qk_matmul8_dots_at(level, &m, 2, ROWS - 2, quantized, scales, vectors, y, ROWS);
                addFloats(d, y, vectors * ROWS);
            }
            releaseAll();
        }
    }
}

static void expanded(qk_simd level, digest *d) {
    for (size_t number = 0; number < MATRIX_COUNT; number++) {
        for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
            qk_matrix m;
            const size_t columns = columnsOf(number, kind == WIDE);
            if (!makeMatrix(number, (mixture)kind, columns, &m)) continue;
            float *values = FLOATS(columns);
            for (size_t start = 0; start < columns; start = start * 3 + 1) {
                const size_t count = (columns - start) * 2 / 3 + 1;
                qk_matrix_expand_at(level, &m, start % ROWS, start, count, values);
                addFloats(d, values, count);
            }
            releaseAll();
        }
    }
}

static void lowRank(qk_simd level, digest *d) {
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        for (size_t rank = 1; rank <= 33; rank *= 2) {
            float *left = FLOATS(ROWS * rank), *right = FLOATS(rank * 133), *out = FLOATS(ROWS * 133);
            fillFloats(left, ROWS * rank, (mixture)kind, rank);
            fillFloats(right, rank * 133, (mixture)kind, rank + 1);
            fillFloats(out, ROWS * 133, (mixture)kind, rank + 2);
            qk_lowRank_at(level, left, right, rank, 133, 0.7f, 50, ROWS * 133 - 101, 1, out);
            qk_lowRank_at(level, left, right, rank, 133, 1.3f, 5, 90, 0, out + ROWS * 133 - 95);
            addFloats(d, out, ROWS * 133);
            releaseAll();
        }
    }
}

const conformance productKernels[] = {
    {"matdot", dots},        {"matmul", tiles}, {"matmul.expandPanels", expandedPanels},
    {"matmul16", integers}, {"matmul8", bytes},     {"matrix", expanded}, {"lowRank", lowRank}, {NULL, NULL},
};
