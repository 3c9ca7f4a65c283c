#include "qk_grouped.h"

#include "qk_grouped_numbers.h"

// A piece of a row at a time, which stays in the nearest cache: codes become numbers first, numbers become elements then, and these
// are rounded to their type.

typedef enum { MULTIPLY, ADD, SUBTRACT } operation;

QK_INLINE void withOne(operation operation, float operand, size_t count, float *values) {
    for (size_t i = 0; i < count; i++)
        values[i] = operation == MULTIPLY ? values[i] * operand : operation == ADD ? values[i] + operand : values[i] - operand;
}

/// `values` and the operand of each one's group; the first value is element `start` of its group, whose operand is the first.
QK_INLINE void withGroups(
    operation operation, size_t groupSize, size_t start, const float *restrict operands, size_t count, float *restrict values) {
    if (groupSize == 1) {
        for (size_t i = 0; i < count; i++)
            values[i] = operation == MULTIPLY ? values[i] * operands[i]
                : operation == ADD            ? values[i] + operands[i]
                                              : values[i] - operands[i];
        return;
    }
    size_t i = 0;
    // Groups of the sizes that there are get loops without a rest.
    if (start == 0 && groupSize == 16)
        for (; i + 16 <= count; i += 16) withOne(operation, *operands++, 16, values + i);
    if (start == 0 && groupSize % 32 == 0)
        for (; i + groupSize <= count; i += groupSize, operands++)
            for (size_t j = 0; j < groupSize; j += 32) withOne(operation, *operands, 32, values + i + j);
    while (i < count) {
        const size_t left = groupSize - start, here = count - i < left ? count - i : left;
        withOne(operation, *operands++, here, values + i);
        i += here;
        start = 0;
    }
}

#if defined(__x86_64__)
/// Of whole eights; returns how many values these were.
QK_TARGET_AVX2 static inline size_t roundToF16AVX2(size_t count, float *values) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(values + i, _mm256_cvtph_ps(narrowEightF16(_mm256_loadu_ps(values + i))));
    return i;
}
#endif

QK_INLINE void roundTo(qk_simd level, qk_float type, size_t count, float *values) {
    size_t i = 0;
    switch (type) {
    case QK_BF16:
        for (; i < count; i++) {
            const uint32_t bits = bitsOf(values[i]), rounded = bits + 0x7fff + (bits >> 16 & 1);
            values[i] = floatOf(((bits & 0x7fffffff) > 0x7f800000 ? bits | 0x400000 : rounded) & 0xffff0000);
        }
        return;
    case QK_F16:
#if defined(__x86_64__)
        if (level != QK_SCALAR) i = roundToF16AVX2(count, values);
#endif
        (void)level;
        for (; i < count; i++) values[i] = widenF16(narrowF16(values[i]));
        return;
    default: return;
    }
}

/// Numbers to elements: `scales` and `offsets` begin with those of the first, which is element `start` of its group.
///
/// - isRounded: whether elements are going to be rounded to `format.rounding` anyway.
QK_INLINE void compute(
    qk_simd level, qk_grouped format, size_t start, const float *scales, const float *offsets, size_t count, float *values,
    bool isRounded) {
    const size_t group = format.groupSize;
    switch (format.arithmetic) {
    case QK_SCALED: withGroups(MULTIPLY, group, start, scales, count, values); return;
    case QK_SCALED_TWICE:
        withGroups(MULTIPLY, group, start, scales, count, values);
        withGroups(MULTIPLY, group, start, offsets, count, values);
        return;
    case QK_SCALED_THEN_MOVED:
        withGroups(MULTIPLY, group, start, scales, count, values);
        roundTo(level, format.rounding, count, values);
        withGroups(ADD, group, start, offsets, count, values);
        break;
    case QK_MOVED_THEN_SCALED:
        withGroups(SUBTRACT, group, start, offsets, count, values);
        roundTo(level, format.rounding, count, values);
        withGroups(MULTIPLY, group, start, scales, count, values);
        break;
    }
    if (!isRounded) roundTo(level, format.rounding, count, values);
}

// Codes of 4 bits have 16 values in a group: these are computed once, and looked up.

QK_INLINE void byTable(
    qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets, qk_float type,
    uint8_t *values) {
    const size_t group = format.groupSize;
    float numbers[16], table[16];
    numbersOfCodes(format.kind, numbers);
    format.groupSize = 16;
    for (size_t done = 0, index = 0; done < count; start = 0, index++) {
        const size_t left = group - start, here = count - done < left ? count - done : left;
        memcpy(table, numbers, sizeof numbers);
        compute(QK_SCALAR, format, 0, scales + index, offsets ? offsets + index : NULL, 16, table, type == format.rounding);
        for (size_t i = done; i < done + here; i++) storeOne(type, values, i, table[codes[i / 2] >> 4 * (i % 2) & 15]);
        done += here;
    }
}

#if defined(__x86_64__)
#include "qk_grouped_tableAVX2.h"
#endif

QK_INLINE void decodeByTable(
    qk_simd level, qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets,
    qk_float type, void *values) {
#if defined(__x86_64__)
    if (level != QK_SCALAR) {
        byTableAVX2(format, codes, start, count, scales, offsets, type, values);
        return;
    }
#endif
    (void)level;
    switch (type) {
    case QK_F32: byTable(format, codes, start, count, scales, offsets, QK_F32, values); return;
    case QK_F16: byTable(format, codes, start, count, scales, offsets, QK_F16, values); return;
    default: byTable(format, codes, start, count, scales, offsets, QK_BF16, values); return;
    }
}

QK_INLINE void decode(
    qk_simd level, qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets,
    qk_float type, void *values) {
    if (isByTable(format, start)) {
        decodeByTable(level, format, codes, start, count, scales, offsets, type, values);
        return;
    }
    float floats[PIECE];
    for (size_t done = 0; done < count; done += PIECE) {
        const size_t here = count - done < PIECE ? count - done : PIECE, passed = (start + done) / format.groupSize;
        float *piece = type == QK_F32 ? (float *)values + done : floats;
        numbers(level, format, codes, done, here, piece);
        compute(
            level, format, (start + done) % format.groupSize, scales + passed, offsets ? offsets + passed : NULL, here, piece,
            type == format.rounding);
        if (type != QK_F32) qk_narrow_at(level, type, piece, here, (uint16_t *)values + done);
    }
}

QK_FOR_LEVELS_OF(
    qk_grouped_decode_at, decode, (format, codes, start, count, scales, offsets, type, values), qk_grouped format,
    const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets, qk_float type, void *values)

void qk_grouped_decode(
    qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets, qk_float type,
    void *values) {
    qk_grouped_decode_at(qk_simd_best(), format, codes, start, count, scales, offsets, type, values);
}
