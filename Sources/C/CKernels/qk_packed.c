#include "qk_packed.h"

#include "qk_transpose.h"

/// 0, .5, 1, 1.5, 2, 3, 4, 6: from two on, the bits of a float32 with another bias.
QK_INLINE float valueOfE2M1(uint32_t code) {
    const uint32_t magnitude = code & 7;
    const uint32_t bits = magnitude < 2 ? bitsOf((float)(int32_t)magnitude * 0.5f) : (magnitude << 22) + (126u << 23);
    return floatOf(bits | (code & 8) << 28);
}

QK_INLINE float valueOfCode(qk_code type, const uint8_t *codes, size_t i) {
    switch (type) {
    case QK_CODE_E4M3: return loadOne(QK_F8_E4M3, codes, i);
    case QK_CODE_E5M2: return loadOne(QK_F8_E5M2, codes, i);
    case QK_CODE_I8: return (float)(int8_t)codes[i];
    case QK_CODE_E2M1: return valueOfE2M1(codes[i / 2] >> 4 * (i & 1));
    case QK_CODE_U4: return (float)(int32_t)(codes[i / 2] >> 4 * (i & 1) & 15);
    }
    __builtin_trap();
}

/// One group, or what is in the run of it.
QK_INLINE void groupOf(
    qk_code type, const uint8_t *restrict codes, size_t count, float scale, float zero, float factor, float *restrict values
) {
    if (type == QK_CODE_E2M1 || type == QK_CODE_U4) {
        // In pairs: the compiler reads each byte once then.
        size_t j = 0;
        for (; j < count / 2; j++) {
            values[2 * j] = (valueOfCode(type, codes, 2 * j) - zero) * scale * factor;
            values[2 * j + 1] = (valueOfCode(type, codes, 2 * j + 1) - zero) * scale * factor;
        }
        if (count & 1) values[count - 1] = (valueOfCode(type, codes, count - 1) - zero) * scale * factor;
        return;
    }
    for (size_t i = 0; i < count; i++) values[i] = (valueOfCode(type, codes, i) - zero) * scale * factor;
}

QK_INLINE void scaledCodes(
    qk_code type, const uint8_t *codes, size_t count, size_t phase, size_t groupSize, const float *scales, const float *zeros,
    float factor, float *values
) {
    const size_t perByte = type == QK_CODE_E2M1 || type == QK_CODE_U4 ? 2 : 1;
    for (size_t start = 0; start < count; scales++, phase = 0) {
        const size_t left = count - start, room = groupSize - phase, length = left < room ? left : room;
        // x - 0 is x, also of -0.
        const float zero = zeros ? *zeros++ : 0;
        groupOf(type, codes + start / perByte, length, *scales, zero, factor, values + start);
        start += length;
    }
}

QK_INLINE void scaledCodesOfAny(
    qk_code type, const uint8_t *codes, size_t count, size_t phase, size_t groupSize, const float *scales, const float *zeros,
    float factor, float *values
) {
    switch (type) {
    case QK_CODE_E4M3: scaledCodes(QK_CODE_E4M3, codes, count, phase, groupSize, scales, zeros, factor, values); return;
    case QK_CODE_E5M2: scaledCodes(QK_CODE_E5M2, codes, count, phase, groupSize, scales, zeros, factor, values); return;
    case QK_CODE_I8: scaledCodes(QK_CODE_I8, codes, count, phase, groupSize, scales, zeros, factor, values); return;
    case QK_CODE_E2M1: scaledCodes(QK_CODE_E2M1, codes, count, phase, groupSize, scales, zeros, factor, values); return;
    case QK_CODE_U4: scaledCodes(QK_CODE_U4, codes, count, phase, groupSize, scales, zeros, factor, values); return;
    }
    __builtin_trap();
}

QK_FOR_LEVELS(
    qk_scaledCodes_at, scaledCodesOfAny, (type, codes, count, phase, groupSize, scales, zeros, factor, values), qk_code type,
    const uint8_t *codes, size_t count, size_t phase, size_t groupSize, const float *scales, const float *zeros, float factor,
    float *values)

void qk_scaledCodes(
    qk_code type, const uint8_t *codes, size_t count, size_t phase, size_t groupSize, const float *scales, const float *zeros,
    float factor, float *values
) {
    qk_scaledCodes_at(qk_simd_best(), type, codes, count, phase, groupSize, scales, zeros, factor, values);
}

// Columns: a band of inputs of some outputs is decoded as it lies, a row for each input, and turned while it is in the first cache.

enum { BAND = 32, WIDTH = 64 };

/// Where a word across has the code of each of its eight columns.
static const uint32_t shiftsAcross[8] = {0, 16, 4, 20, 8, 24, 12, 28};

/// One input of a band: `row[j]` for `width` outputs from `first` on.
QK_INLINE void inputDown(const qk_columns *c, unsigned bits, size_t input, size_t first, size_t width, float *restrict row) {
    const size_t bit = input * bits;
    const uint32_t shift = (uint32_t)(bit % 32), mask = (1u << bits) - 1;
    const uint32_t *restrict words = c->words + bit / 32 * c->outputCount + first;
    const size_t group = (size_t)c->groups[input] * c->outputCount + first;
    const float *restrict scales = c->scales + group, *restrict zeros = c->zeros + group;
    if (shift + bits > 32) {
        const uint32_t *restrict next = words + c->outputCount;
        for (size_t j = 0; j < width; j++)
            row[j] = scales[j] * ((float)(int32_t)((words[j] >> shift | next[j] << (32 - shift)) & mask) - zeros[j]);
    } else {
        for (size_t j = 0; j < width; j++) row[j] = scales[j] * ((float)(int32_t)(words[j] >> shift & mask) - zeros[j]);
    }
}

QK_INLINE void inputAcross(const qk_columns *c, size_t input, size_t first, size_t width, float *restrict row) {
    const uint32_t *restrict words = c->words + (input * c->outputCount + first) / 8;
    const size_t group = (size_t)c->groups[input] * c->outputCount + first;
    const float *restrict scales = c->scales + group, *restrict zeros = c->zeros + group;
    for (size_t word = 0; word < width / 8; word++)
        UNROLL for (size_t k = 0; k < 8; k++) {
            const size_t j = 8 * word + k;
            row[j] = scales[j] * ((float)(int32_t)(words[word] >> shiftsAcross[k] & 15) - zeros[j]);
        }
}

QK_INLINE void columnsOf(const qk_columns *c, qk_columnOrder order, unsigned bits, float *values) {
    float band[BAND][WIDTH];
    for (size_t first = 0; first < c->outputCount; first += WIDTH) {
        const size_t left = c->outputCount - first, width = left < WIDTH ? left : WIDTH;
        for (size_t start = 0; start < c->inputCount; start += BAND) {
            const size_t rest = c->inputCount - start, height = rest < BAND ? rest : BAND;
            for (size_t i = 0; i < height; i++) {
                if (order == QK_COLUMNS_DOWN) {
                    inputDown(c, bits, start + i, first, width, band[i]);
                } else {
                    inputAcross(c, start + i, first, width, band[i]);
                }
            }
            transposeWords(
                band, sizeof band[0], height, width, values + first * c->inputCount + start, c->inputCount * sizeof(float));
        }
    }
}

QK_INLINE void columnsOfAny(const qk_columns *columns, float *values) {
    if (columns->order == QK_COLUMNS_ACROSS) {
        columnsOf(columns, QK_COLUMNS_ACROSS, 4, values);
        return;
    }
    switch (columns->bits) {
    case 2: columnsOf(columns, QK_COLUMNS_DOWN, 2, values); return;
    case 3: columnsOf(columns, QK_COLUMNS_DOWN, 3, values); return;
    case 4: columnsOf(columns, QK_COLUMNS_DOWN, 4, values); return;
    case 8: columnsOf(columns, QK_COLUMNS_DOWN, 8, values); return;
    default: __builtin_trap();
    }
}

QK_FOR_LEVELS(qk_columns_decode_at, columnsOfAny, (columns, values), const qk_columns *columns, float *values)

void qk_columns_decode(const qk_columns *columns, float *values) { qk_columns_decode_at(qk_simd_best(), columns, values); }
