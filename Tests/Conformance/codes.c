#include <string.h>

#include "inputs.h"

// Codes of other programs' quantizations, and keys and values as bytes.

enum { COUNT = 1031 };

static void bytesOfRows(qk_simd level, digest *d) {
    enum { ROWS = 5, WIDTH = 203 };
    float *x = FLOATS(WIDTH), *values = FLOATS(ROWS * WIDTH), scales[ROWS];
    int8_t *codes = room(ROWS * (WIDTH + 3), 1);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        for (size_t width = 1; width <= WIDTH; width = width * 2 + 1) {
            for (size_t row = 0; row < ROWS; row++) {
                fillFloats(x, width, (mixture)kind, 10 * width + row);
                // Halfway between two codes.
                if (kind == ORDINARY && row == 1)
                    for (size_t i = 0; i < width; i++) x[i] = i == 0 ? 127 : (float)(i % 255) - 126.5f;
                if (row == 2) memset(x, 0, width * sizeof *x);
                qk_bytes_encode_at(level, x, width, codes + row * (WIDTH + 3), &scales[row]);
                addBytes(d, codes + row * (WIDTH + 3), width);
                addFloats(d, &scales[row], 1);
            }
            qk_bytes_decode_at(level, codes, WIDTH + 3, scales, ROWS, width, values);
            addFloats(d, values, ROWS * width);
        }
    }
}

static void columns(qk_simd level, digest *d) {
    enum { ROWS = 24, OUTPUTS = 72, GAP = 3 };
    uint32_t *words = room(ROWS * (OUTPUTS + GAP), 4), *rows = room(OUTPUTS * (ROWS + GAP), 4);
    fillBytes((uint8_t *)words, 4 * ROWS * (OUTPUTS + GAP), 1);
    for (size_t rowCount = 1; rowCount <= ROWS; rowCount += 23) {
        for (size_t outputs = 8; outputs <= OUTPUTS; outputs += 32) {
            for (int order = QK_COLUMNS_DOWN; order <= QK_COLUMNS_ACROSS; order++) {
                memset(rows, 0x5a, OUTPUTS * (ROWS + GAP) * sizeof *rows);
                qk_columns_turn_at(level, (qk_columnOrder)order, words, OUTPUTS + GAP, rowCount, outputs, rows, ROWS + GAP);
                addBytes(d, rows, OUTPUTS * (ROWS + GAP) * sizeof *rows);
            }
        }
    }
}

static void requantized(qk_simd level, digest *d) {
    enum { GROUPED = 2048 };
    uint8_t *codes = BYTES(GROUPED), *packed = BYTES(GROUPED / 2);
    float *scales = FLOATS(GROUPED / 64), *offsets = FLOATS(GROUPED / 64), *absmax = FLOATS(GROUPED / 64);
    fillBytes(codes, GROUPED, 1);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(scales, GROUPED / 64, (mixture)kind, 2);
        fillFloats(offsets, GROUPED / 64, (mixture)kind, 3);
        for (int variant = 0; variant < 24; variant++) {
            const qk_float type = (qk_float[]){QK_F32, QK_F16, QK_BF16}[variant % 3];
            const qk_groupArithmetic arithmetic = (qk_groupArithmetic)(variant / 3 % 4);
            const qk_grouped format = {
                variant < 12 ? QK_CODES_STREAM : QK_CODES_E2M1, 4, 0, arithmetic, type, variant % 2 ? 64 : 256};
            qk_requantize4_at(
                level, format, codes, 0, GROUPED, scales, arithmetic == QK_SCALED ? NULL : offsets, type, variant % 5 ? QK_NF4 : QK_FP4,
                64, packed, absmax);
            addBytes(d, packed, GROUPED / 2);
            addFloats(d, absmax, GROUPED / 64);
        }
    }
}

static void grouped(qk_simd level, digest *d) {
    uint8_t *codes = BYTES(4 * COUNT + 64);
    float *scales = FLOATS(COUNT), *offsets = FLOATS(COUNT), *values = FLOATS(COUNT);
    fillBytes(codes, 4 * COUNT + 64, 1);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(scales, COUNT, (mixture)kind, 2);
        fillFloats(offsets, COUNT, (mixture)kind, 3);
        for (int codeKind = QK_CODES_STREAM; codeKind <= QK_CODES_E5M2; codeKind++) {
            for (uint32_t bits = 1; bits <= 8; bits++) {
                for (int variant = 0; variant < 9; variant++) {
                    const qk_groupArithmetic arithmetic = (qk_groupArithmetic)(variant % 3);
                    const size_t groupSize = (size_t[]){16, 32, 128}[variant / 3], start = variant % 2 ? groupSize / 2 : 0;
                    const qk_grouped format = {
                        (qk_codeKind)codeKind, bits, codeKind == QK_CODES_OF_BYTES || codeKind == QK_CODES_OF_WORDS ? 8 - bits : 0,
                        arithmetic, (qk_float[]){QK_F32, QK_F16, QK_BF16}[variant % 3], groupSize};
                    const size_t count = COUNT - (size_t)variant * 31;
                    qk_grouped_decode_at(
                        level, format, codes, start, count, scales, arithmetic == QK_SCALED ? NULL : offsets, QK_F32, values);
                    addFloats(d, values, count);
                }
            }
        }
    }
}

const conformance codeKernels[] = {
    {"bytes.rows", bytesOfRows}, {"columns", columns}, {"requantized", requantized}, {"grouped", grouped}, {NULL, NULL},
};
