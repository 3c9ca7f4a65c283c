#include "qk_matmul16_parts.h"

bool qk_matmul16_takesPacked(const qk_matrix *matrix) {
    return matrix->blockSize >= GROUP && matrix->columnCount % GROUP == 0;
}

bool qk_matmul16_takesBytes(const qk_matrix *matrix) { return matrix->blockSize == GROUP; }

bool qk_matmul16_supports(const qk_matrix *matrix) {
    const qk_encoding *encoding = qk_encoding_of(matrix);
    return encoding->hasIntegers && encoding->hasIntegers(matrix);
}

size_t qk_matmul16_width(size_t columnCount) { return (columnCount + GROUP - 1) / GROUP * GROUP; }

integerMap qk_matmul16_integers(const qk_matrix *matrix) {
    integerMap map = {{0}, 0};
    float largest = 0;
    for (size_t code = 0; code < 16; code++) {
        const float magnitude = __builtin_fabsf(matrix->quantMap[code]);
        largest = magnitude > largest ? magnitude : largest;
    }
    if (matrix->storage == QK_MATRIX_BYTES || !(largest > 0x1p-100f)) {
        map.unit = matrix->storage == QK_MATRIX_BYTES;
        return map;
    }
    const float factor = CODE_LIMIT / largest;
    map.unit = largest / CODE_LIMIT;
    for (size_t code = 0; code < 16; code++) {
        const float shifted = matrix->quantMap[code] * factor + 0x1.8p23f;
        map.values[code] = (int16_t)(bitsOf(shifted) - 0x4b400000u);
    }
    return map;
}

void qk_matmul16_scales(
    const qk_matrix *m, float unit, size_t row, size_t column, size_t count, float *scales
) {
    if (m->blockSize == GROUP) {
        const size_t rowBlocks = (m->columnCount + GROUP - 1) / GROUP;
        qk_matrix_scales(m, row * rowBlocks + column / GROUP, count, scales);
    } else {
        const size_t start = row * m->columnCount + column;
        for (size_t g = 0; g < count; g++) qk_matrix_scales(m, (start + g * GROUP) / m->blockSize, 1, scales + g);
    }
    for (size_t g = 0; g < count; g++) scales[g] *= unit;
}

QK_INLINE void quantizeRow(qk_simd level, bool areBytes, const float *x, size_t count, int16_t *quantized, float *scales) {
    const size_t groupCount = (count + GROUP - 1) / GROUP;
    for (size_t g = 0; g < groupCount; g++) {
        float padded[GROUP] = {0};
        int16_t natural[GROUP];
        const size_t part = count - g * GROUP < GROUP ? count - g * GROUP : GROUP;
        if (part < GROUP) memcpy(padded, x + g * GROUP, part * sizeof *x);
        scales[g] = quantizeGroup(part < GROUP ? padded : x + g * GROUP, GROUP, ACTIVATION_LIMIT, natural);
        const bool paired = isPaired(level, areBytes, g, groupCount);
        for (size_t j = 0; j < 4; j++) {
            int16_t *ordered = quantized + placeOf(paired, g, j);
            for (size_t i = 0; i < 16; i++) ordered[i] = natural[elementAt(level, areBytes, j, i)];
            if (hasPlanes(level, areBytes)) storeInPlanes(ordered);
        }
    }
}

QK_INLINE void quantizeAnyRow(
    qk_simd level, const qk_matrix *matrix, const float *x, int16_t *quantized, float *scales
) {
    if (matrix->storage == QK_MATRIX_BLOCKS) qk_matmul16_quantizeForBlocks_at(level, matrix, x, quantized, scales);
    else if (matrix->storage == QK_MATRIX_BYTES) quantizeRow(level, true, x, matrix->columnCount, quantized, scales);
    else quantizeRow(level, false, x, matrix->columnCount, quantized, scales);
}

QK_FOR_LEVELS_OF(
    qk_matmul16_quantize_at, quantizeAnyRow, (matrix, x, quantized, scales), const qk_matrix *matrix, const float *x,
    int16_t *quantized, float *scales)

void qk_matmul16_bytes(const float *x, size_t count, int8_t *bytes, float *scales) {
    for (size_t start = 0; start < count; start += GROUP) {
        float padded[GROUP] = {0};
        int16_t quantized[GROUP];
        memcpy(padded, x + start, (count - start < GROUP ? count - start : GROUP) * sizeof *x);
        scales[start / GROUP] = quantizeGroup(padded, GROUP, 127, quantized);
        for (size_t i = 0; i < GROUP; i++) bytes[start + i] = (int8_t)quantized[i];
    }
}
