#include <string.h>

#include "inputs.h"

// Optimizers, dropout, and what chooses codes by the inputs of a layer.

static void optimizers(qk_simd level, digest *d) {
    enum { COUNT = 517 };
    float *g = FLOATS(COUNT), *p = FLOATS(COUNT), *first = FLOATS(COUNT), *second = FLOATS(COUNT);
    const qk_adamw c = {0.999f, 0.1f, 0.99f, 0.01f, 0.003f, 0.2f, 1e-8f, 0.5f};
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(g, COUNT, (mixture)kind, 1);
        fillFloats(p, COUNT, ORDINARY, 2);
        memset(second, 0, COUNT * sizeof *second);
        for (size_t count = COUNT; count > 500; count -= 7) {
            double sum;
            qk_adamw_step_at(level, c, g, count, first, second, p);
            qk_sgd_step_at(level, 0.99f, 0.1f, 0.7f, g, count, p);
            qk_sumOfSquares_at(level, p, count, &sum);
            addFloats(d, p, COUNT);
            addFloats(d, second, COUNT);
            addDoubles(d, &sum, 1);
        }
    }
}

static void dropout(qk_simd level, digest *d) {
    enum { COUNT = 1000 };
    float *x = FLOATS(COUNT), *y = FLOATS(COUNT);
    const qk_random_stream stream = {0x123456789abcdef, 7, 9};
    fillFloats(x, COUNT, ORDINARY, 1);
    for (size_t count = 1; count <= COUNT; count = count * 3 + 1) {
        qk_dropout_at(level, stream, 1u << 30, 4.0f / 3, x, 64 * count, count, y);
        qk_dropout_add_at(level, stream, 3u << 30, 4, x, 128, count, y);
        addFloats(d, y, COUNT);
        uint32_t words[QK_RANDOM_GROUP];
        qk_random_words(stream, count, words);
        addBytes(d, words, sizeof words);
    }
}

static void fillBlock(double *block, uint64_t seed) {
    float *floats = FLOATS(QK_BLOCK64_COUNT);
    fillFloats(floats, QK_BLOCK64_COUNT, ORDINARY, seed);
    for (size_t i = 0; i < QK_BLOCK64_COUNT; i++) block[i] = floats[i];
}

static void blocks64(qk_simd level, digest *d) {
    double *a = room(QK_BLOCK64_COUNT, 8), *b = room(QK_BLOCK64_COUNT, 8), *c = room(QK_BLOCK64_COUNT, 8);
    float *sums = FLOATS(QK_BLOCK64_COUNT);
    fillBlock(a, 1);
    fillFloats(sums, QK_BLOCK64_COUNT, ORDINARY, 3);
    for (size_t i = 0; i < 64; i++) c[65 * i] = 20;
    qk_block64_multiply_at(level, a, a, 64, false, c);
    addDoubles(d, c, QK_BLOCK64_COUNT);
    const uint8_t isPositive = qk_block64_factor(level, c);
    addBytes(d, &isPositive, 1);
    addDoubles(d, c, QK_BLOCK64_COUNT);
    fillBlock(b, 2);
    qk_block64_solve_at(level, c, b);
    addDoubles(d, b, QK_BLOCK64_COUNT);
    qk_block64_multiply_at(level, a, b, 37, true, c);
    qk_block64_add_at(level, sums, c);
    qk_block64_scale_at(level, 0.3, c);
    addDoubles(d, c, QK_BLOCK64_COUNT);
    for (size_t i = 0; i < 64; i++) b[i] = 1 + (double)i * 0x1p-7;
    qk_block64_reverse(c, b);
    addDoubles(d, c, QK_BLOCK64_COUNT);
}

static void feedback(qk_simd level, digest *d) {
    enum { COLUMNS = 128, ROWS = 11 };
    float *weight = FLOATS(ROWS * COLUMNS), *scales = FLOATS(ROWS * COLUMNS / 32), factors[5] = {1, 0.95f, 0.9f, 0.85f, 1.05f};
    double *importance = room(COLUMNS, 8), *passing = room(3 * QK_BLOCK64_COUNT, 8);
    uint32_t *order = room(COLUMNS, 4);
    uint8_t *codes = BYTES(64 * COLUMNS), *packed = BYTES(32 * COLUMNS);
    fillFloats(weight, ROWS * COLUMNS, ORDINARY, 1);
    for (size_t i = 0; i < 3; i++) fillBlock(passing + i * QK_BLOCK64_COUNT, i + 2);
    for (size_t i = 0; i < 3 * QK_BLOCK64_COUNT; i++) passing[i] *= 0x1p-5;
    for (uint32_t i = 0; i < COLUMNS; i++) {
        importance[i] = 1 + (i * 37 % 50) * 0.5;
        order[i] = i * 51 % COLUMNS;
    }
    for (size_t blockSize = 32; blockSize <= 128; blockSize *= 2) {
        qk_searchScales_at(level, weight, 0, ROWS * COLUMNS - 17, COLUMNS, importance, blockSize, factors, 5, scales);
        addFloats(d, scales, (ROWS * COLUMNS - 17 + blockSize - 1) / blockSize);
        const qk_feedback f = {weight, COLUMNS, scales, blockSize, order, COLUMNS, passing, 2};
        double *scratch = room(qk_feedback_scratchCount(&f), 8);
        qk_feedback_at(level, &f, 1, ROWS - 1, scratch, codes);
        addBytes(d, codes, (ROWS - 1) * COLUMNS);
        qk_packCodes(codes, (ROWS - 1) * COLUMNS - 1, packed);
        addBytes(d, packed, (ROWS - 1) * COLUMNS / 2);
    }
}

static void flips(qk_simd level, digest *d) {
    enum { COLUMNS = 75 };
    float *a = FLOATS(COLUMNS * COLUMNS), *moments = FLOATS(COLUMNS * COLUMNS), *scales = FLOATS(COLUMNS), *floats = FLOATS(COLUMNS);
    double *delta = room(COLUMNS, 8), *product = room(COLUMNS, 8), *rows = room(5 * COLUMNS, 8);
    uint8_t *codes = BYTES(COLUMNS);
    qk_flip_steps steps;
    for (uint8_t code = 0; code < 16; code++) {
        steps.values[code] = (code - 7) * 0.125;
        steps.greater[code] = code < 15 ? code + 1 : code;
        steps.smaller[code] = code > 0 ? code - 1 : code;
    }
    fillFloats(a, COLUMNS * COLUMNS, ORDINARY, 1);
    for (size_t i = 0; i < COLUMNS; i++)
        for (size_t j = 0; j < COLUMNS; j++) moments[i * COLUMNS + j] = a[i * COLUMNS + j] + a[j * COLUMNS + i] + (i == j ? 30 : 0);
    fillFloats(floats, COLUMNS, ORDINARY, 2);
    for (size_t i = 0; i < COLUMNS; i++) {
        scales[i] = 0.1f + 0x1p-8f * (float)(i / 32);
        delta[i] = floats[i] * 0.02;
        for (size_t row = 0; row < 5; row++) rows[row * COLUMNS + i] = a[row * COLUMNS + i] * (i % 3 ? 1.25 : -0.5);
    }
    fillBytes(codes, COLUMNS, 3);
    for (size_t i = 0; i < COLUMNS; i++) codes[i] &= 15;
    double *out = room(5 * COLUMNS, 8);
    qk_flip_products_at(level, moments, COLUMNS, COLUMNS, rows, 5, out, COLUMNS);
    addDoubles(d, out, 5 * COLUMNS);
    qk_flip_products_at(level, moments, COLUMNS, COLUMNS, delta, 1, product, COLUMNS);
    const qk_flip_row row = {room(COLUMNS, 8), room(COLUMNS, 8), room(COLUMNS, 8), room(COLUMNS, 8), room(COLUMNS, 8)};
    const double found = qk_flip_prepare(moments, COLUMNS, 0.5, 0.25, 1.25, delta, product, &row);
    addDoubles(d, &found, 1);
    addDoubles(d, row.gradient, COLUMNS);
    size_t flipCount;
    qk_flip_run_at(level, moments, COLUMNS, 0.5, 0.25, &steps, scales, 40, &row, codes, &flipCount);
    addBytes(d, codes, COLUMNS);
    addBytes(d, &flipCount, 8);
    double sums[3];
    qk_flip_measure(delta, product, COLUMNS, &sums[0], &sums[1], &sums[2]);
    addDoubles(d, sums, 3);
}

const conformance trainingKernels[] = {
    {"optimizer", optimizers}, {"dropout", dropout}, {"block64", blocks64}, {"calibrate", feedback}, {"flips", flips}, {NULL, NULL},
};
