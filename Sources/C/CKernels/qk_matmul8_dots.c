#include "qk_matmul8_parts.h"

// Rows of weights against rows of x, run by run.

enum {
    /// Tables of constants that are kept: more than the rows that are multiplied together use at a time.
    TABLES = 8,
    /// Blocks for which a table of 256 is worth making.
    TABLE_BLOCKS = 128,
    /// Groups whose constants are taken at a time where there are no tables.
    PIECE = 64,
    /// Groups of a row that meet several rows of x before the next row of weights does: so much of x stays in the first-level cache.
    RUN_GROUPS = 32,
    /// Rows of weights that meet the same part of x.
    TILE_ROWS = 32,
};

/// What quantized constants stand for in some nested blocks.
typedef struct {
    /// Nested blocks, and when each table was asked for last; 0 for never.
    size_t nested[TABLES], used[TABLES];
    size_t clock;
    /// Where each of the rows that are multiplied together was: its nested block, and the first block behind that.
    size_t places[QUAD], ends[QUAD];
    float values[TABLES][256];
} constantTables;

typedef float mappedFloat __attribute__((aligned(1), may_alias));

/// map[code] * factor + offset, each operation rounded, as `qk_matrix_scales` has it.
QK_INLINE void fillTable(const qk_matrix *m, size_t nested, float *values) {
    const float factor = ((const mappedFloat *)m->nestedAbsmax)[nested], offset = m->offset;
    const mappedFloat *map = (const mappedFloat *)m->nestedMap;
    for (size_t code = 0; code < 256; code++) values[code] = map[code] * factor + offset;
}

static QK_FOR_LEVELS(fillTableAt, fillTable, (m, nested, values), const qk_matrix *m, size_t nested, float *values)

static const float *tableOf(qk_simd level, const qk_matrix *m, constantTables *tables, size_t nested) {
    size_t oldest = 0;
    tables->clock++;
    for (size_t i = 0; i < TABLES; i++) {
        if (tables->used[i] > 0 && tables->nested[i] == nested) {
            tables->used[i] = tables->clock;
            return tables->values[i];
        }
        if (tables->used[i] < tables->used[oldest]) oldest = i;
    }
    tables->nested[oldest] = nested;
    tables->used[oldest] = tables->clock;
    fillTableAt(level, m, nested, tables->values[oldest]);
    return tables->values[oldest];
}

/// Constants of `count` groups of a row, from group `first` on.
static void takeConstants(const qk_matrix *m, size_t row, size_t first, size_t count, float *constants) {
    qk_matmul16_scales(m, 1, row, first * GROUP, count, constants);
}

QK_INLINE float totalOf(const float lanes[LANES]) {
    float sums[4];
    for (size_t i = 0; i < 4; i++) sums[i] = lanes[i] + lanes[i + 4];
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/// Rows of weights and of x that are multiplied, and where they come in.
typedef struct {
    qk_simd level;
    const qk_matrix *matrix;
    size_t firstRow;
    byteRun x;
    /// Of each row of x, times the unit of the codes.
    float scales[VECTORS];
    float *y;
    size_t yStride;
} byteProduct;

/// Whether constants of rows are looked up as they are used.
static bool usesTables(const qk_matrix *m) { return !m->absmax && m->blockSize == GROUP && m->nestedBlockSize >= TABLE_BLOCKS; }

/// Prepares as many groups, at most `groupCount`, of `rowCount` rows as have the same nested blocks.
static void takeTables(
    const byteProduct *p, constantTables *tables, size_t row, size_t rowCount, size_t first, size_t groupCount, codeRun *run
) {
    const qk_matrix *m = p->matrix;
    run->hasTables = true;
    run->groupCount = groupCount;
    for (size_t i = 0; i < rowCount; i++) {
        const size_t block = (p->firstRow + row + i) * (m->columnCount / GROUP) + first, place = m->nestedStart + block;
        // Mostly the same as before: nothing is divided.
        if (place >= tables->ends[i] || place + m->nestedBlockSize < tables->ends[i]) {
            tables->places[i] = place / m->nestedBlockSize;
            tables->ends[i] = (tables->places[i] + 1) * m->nestedBlockSize;
        }
        run->constantCodes[i] = m->absmaxCodes + block;
        run->tables[i] = tableOf(p->level, m, tables, tables->places[i]);
        if (tables->ends[i] - place < run->groupCount) run->groupCount = tables->ends[i] - place;
    }
}

/// Four rows, or one of the last ones, with one row of x: codes are read as they lie.
static void multiplyOne(const byteProduct *p, constantTables *tables, size_t row, size_t rowCount) {
    const qk_matrix *m = p->matrix;
    const size_t groupCount = m->columnCount / GROUP, rowBytes = m->columnCount / 2;
    const bool hasTables = rowCount == QUAD && usesTables(m);
    float sums[QUAD][LANES] = {{0}}, constants[QUAD][PIECE];
    codeRun run;
    for (size_t first = 0; first < groupCount; first += run.groupCount) {
        run = (codeRun){.rowCount = rowCount, .codes = m->codeBytes};
        if (hasTables) takeTables(p, tables, row, rowCount, first, groupCount - first, &run);
        else run.groupCount = groupCount - first < PIECE ? groupCount - first : PIECE;
        for (size_t i = 0; i < rowCount; i++) {
            run.pairs[i] = m->values + (p->firstRow + row + i) * rowBytes + first * HALF_GROUP;
            run.constants[i] = constants[i];
            if (!hasTables) takeConstants(m, p->firstRow + row + i, first, run.groupCount, constants[i]);
        }
        run.ahead = m->values + (p->firstRow + row + QUAD) * rowBytes + first * HALF_GROUP * QUAD;
        const byteRun x = {p->x.groups + first, 1};
        qk_matmul8_addRun(p->level, &run, &x, sums);
    }
    for (size_t i = 0; i < rowCount; i++) p->y[row + i] = totalOf(sums[i]) * p->scales[0];
}

/// Rows with several rows of x, a part of these after the other.
static void multiplySome(const byteProduct *p, constantTables *tables, size_t row, size_t rowCount) {
    const qk_matrix *m = p->matrix;
    const size_t groupCount = m->columnCount / GROUP, rowBytes = m->columnCount / 2, vectors = p->x.rowCount;
    const bool hasTables = vectors == VECTORS && usesTables(m);
    float sums[TILE_ROWS][VECTORS][LANES], constants[RUN_GROUPS];
    memset(sums, 0, rowCount * sizeof *sums);
    for (size_t start = 0; start < groupCount; start += RUN_GROUPS) {
        const size_t end = groupCount - start < RUN_GROUPS ? groupCount : start + RUN_GROUPS;
        for (size_t i = 0; i < rowCount; i++) {
            codeRun run = {.constants = {constants}, .rowCount = 1, .codes = m->codeBytes};
            for (size_t first = start; first < end; first += run.groupCount) {
                run.groupCount = end - first;
                run.pairs[0] = m->values + (p->firstRow + row + i) * rowBytes + first * HALF_GROUP;
                if (hasTables) takeTables(p, tables, row + i, 1, first, end - first, &run);
                else takeConstants(m, p->firstRow + row + i, first, run.groupCount, constants);
                const byteRun x = {p->x.groups + first * vectors, vectors};
                qk_matmul8_addRun(p->level, &run, &x, sums[i]);
            }
        }
    }
    for (size_t i = 0; i < rowCount; i++)
        for (size_t t = 0; t < vectors; t++) p->y[t * p->yStride + row + i] = totalOf(sums[i][t]) * p->scales[t];
}

void qk_matmul8_dots_at(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const uint8_t *quantized, const float *scales,
    size_t vectorCount, float *y, size_t yStride
) {
    const size_t groupCount = matrix->columnCount / GROUP;
    constantTables tables;
    memset(&tables, 0, offsetof(constantTables, values));
    for (size_t t = 0, vectors; t < vectorCount; t += vectors) {
        vectors = vectorCount - t < VECTORS ? vectorCount - t : VECTORS;
        const byteGroup *groups = (const byteGroup *)(const void *)quantized + t * groupCount;
        byteProduct product = {
            .level = level, .matrix = matrix, .firstRow = firstRow, .x = {groups, vectors}, .y = y + t * yStride,
            .yStride = yStride};
        for (size_t i = 0; i < vectors; i++) product.scales[i] = scales[t + i] * matrix->codeUnit;
        for (size_t row = 0, rows; row < rowCount; row += rows) {
            const size_t left = rowCount - row;
            if (vectors == 1) {
                rows = left < QUAD ? 1 : QUAD;
                multiplyOne(&product, &tables, row, rows);
            } else {
                rows = left < TILE_ROWS ? left : TILE_ROWS;
                multiplySome(&product, &tables, row, rows);
            }
        }
    }
}
