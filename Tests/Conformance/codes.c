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

static void scaledCodes(qk_simd level, digest *d) {
    uint8_t *codes = BYTES(COUNT + 1);
    float *scales = FLOATS(COUNT), *zeros = FLOATS(COUNT), *values = FLOATS(COUNT);
    fillBytes(codes, COUNT + 1, 1);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(scales, COUNT, (mixture)kind, 2);
        fillFloats(zeros, COUNT, (mixture)kind, 3);
        for (int code = QK_CODE_E4M3; code <= QK_CODE_U4; code++) {
            for (size_t groupSize = 2; groupSize < COUNT; groupSize = groupSize * 2 + 6) {
                for (size_t count = COUNT - 9; count > 3; count = count * 2 / 5) {
                    for (int moves = 0; moves < 2; moves++) {
                        qk_scaledCodes_at(
                            level, (qk_code)code, codes + 1, count, groupSize / 4 * 2, groupSize, scales, moves ? zeros : NULL,
                            kind ? 1 : 0.7f, values);
                        addFloats(d, values, count);
                    }
                }
            }
        }
    }
}

static void columns(qk_simd level, digest *d) {
    enum { INPUTS = 96, OUTPUTS = 40, GROUPS = 5 };
    uint32_t *words = room(INPUTS * OUTPUTS, 4), *groups = room(INPUTS, 4);
    float *scales = FLOATS(GROUPS * OUTPUTS), *zeros = FLOATS(GROUPS * OUTPUTS), *values = FLOATS(INPUTS * OUTPUTS);
    fillBytes(words, 4 * INPUTS * OUTPUTS, 1);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(scales, GROUPS * OUTPUTS, (mixture)kind, 2);
        fillFloats(zeros, GROUPS * OUTPUTS, kind == ORDINARY ? WIDE : (mixture)kind, 3);
        for (int variant = 0; variant < 10; variant++) {
            const unsigned bits = (unsigned[]){2, 3, 4, 8, 4}[variant / 2];
            const qk_columnOrder order = variant / 2 == 4 ? QK_COLUMNS_ACROSS : QK_COLUMNS_DOWN;
            const size_t outputCount = order == QK_COLUMNS_ACROSS || variant % 2 ? OUTPUTS : OUTPUTS - 3;
            // In order, and as a permutation of inputs leaves them.
            for (size_t i = 0; i < INPUTS; i++) groups[i] = (uint32_t)(variant % 2 ? i * 7 % GROUPS : i * GROUPS / INPUTS);
            const qk_columns c = {order, bits, INPUTS, outputCount, words, groups, scales, zeros};
            qk_columns_decode_at(level, &c, values);
            addFloats(d, values, INPUTS * outputCount);
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
        for (int codeKind = QK_CODES_STREAM; codeKind <= QK_CODES_E4M3; codeKind++) {
            for (uint32_t bits = 1; bits <= 8; bits++) {
                for (int variant = 0; variant < 9; variant++) {
                    const qk_groupArithmetic arithmetic = (qk_groupArithmetic)(variant % 3);
                    const size_t groupSize = (size_t[]){16, 32, 128}[variant / 3], start = variant % 2 ? groupSize / 2 : 0;
                    const qk_grouped format = {
                        (qk_codeKind)codeKind, bits, codeKind == QK_CODES_OF_BYTES || codeKind == QK_CODES_OF_WORDS ? 8 - bits : 0,
                        arithmetic, (qk_float[]){QK_F32, QK_F16, QK_BF16}[variant % 3], groupSize};
                    const size_t count = COUNT - (size_t)variant * 31;
                    qk_grouped_decode_at(
                        level, format, codes, start, count, scales, arithmetic == QK_SCALED ? NULL : offsets, values);
                    addFloats(d, values, count);
                }
            }
        }
    }
}

const conformance codeKernels[] = {
    {"bytes.rows", bytesOfRows}, {"packed", scaledCodes}, {"packed.columns", columns}, {"grouped", grouped}, {NULL, NULL},
};
