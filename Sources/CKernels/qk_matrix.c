#include "qk_matrix.h"

#include "qk_lanes.h"

QK_INLINE float floatAt(const uint8_t *values, size_t i) {
    float value;
    memcpy(&value, values + 4 * i, 4);
    return value;
}

void qk_matrix_scales(const qk_matrix *matrix, size_t first, size_t count, float *scales) {
    if (matrix->absmax) {
        memcpy(scales, matrix->absmax + 4 * first, 4 * count);
        return;
    }
    size_t nested = first / matrix->nestedBlockSize, left = matrix->nestedBlockSize - first % matrix->nestedBlockSize;
    const uint8_t *codes = matrix->absmaxCodes + first;
    for (size_t i = 0; i < count;) {
        const float factor = floatAt(matrix->nestedAbsmax, nested);
        const size_t end = count - i < left ? count : i + left;
        for (; i < end; i++) scales[i] = floatAt(matrix->nestedMap, codes[i]) * factor + matrix->offset;
        nested++;
        left = matrix->nestedBlockSize;
    }
}

/// Elements that lie in one block: its 16 values, and the codes from element `start` of the tensor on.
typedef struct {
    const float *values;
    const uint8_t *packed;
    size_t start, count;
    float *destination;
} lookup;

QK_INLINE void lookUpScalar(lookup l, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        const size_t element = l.start + i;
        const uint8_t pair = l.packed[element / 2];
        l.destination[i] = l.values[element & 1 ? pair & 15 : pair >> 4];
    }
}

#if defined(__x86_64__)
/// Elements `from` to `to`, the first of which is the first of a pair.
QK_TARGET_AVX2 static void lookUpAVX2(lookup l, size_t from, size_t to) {
    const __m256 lower = _mm256_loadu_ps(l.values), upper = _mm256_loadu_ps(l.values + 8);
    const __m256i shifts = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
    const uint8_t *packed = l.packed + (l.start + from) / 2;
    size_t i = from;
    for (; i + 8 <= to; i += 8, packed += 4) {
        uint32_t pairs;
        memcpy(&pairs, packed, 4);
        __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32((int)pairs), shifts);
        __m256 fourthBit = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
        __m256 values = _mm256_blendv_ps(
            _mm256_permutevar8x32_ps(lower, codes), _mm256_permutevar8x32_ps(upper, codes), fourthBit);
        _mm256_storeu_ps(l.destination + i, values);
    }
    lookUpScalar(l, i, to);
}

QK_TARGET_AVX512 static void lookUpAVX512(lookup l, size_t from, size_t to) {
    const __m512 values = _mm512_loadu_ps(l.values);
    const uint8_t *packed = l.packed + (l.start + from) / 2;
    size_t i = from;
    for (; i + 16 <= to; i += 16, packed += 8) {
        // Each byte in the lane of two values; the permutation looks at the lowest 4 bits of each half only.
        __m512i pairs = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)packed));
        __m512i codes = _mm512_or_si512(_mm512_srli_epi64(pairs, 4), _mm512_slli_epi64(pairs, 32));
        _mm512_storeu_ps(l.destination + i, _mm512_permutexvar_ps(codes, values));
    }
    lookUpScalar(l, i, to);
}
#endif

QK_INLINE void lookUp(qk_simd level, lookup l) {
    const size_t from = l.start & 1 && l.count > 0 ? 1 : 0;
    lookUpScalar(l, 0, from);
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: lookUpAVX512(l, from, l.count); return;
    case QK_AVX2: lookUpAVX2(l, from, l.count); return;
#endif
    default: lookUpScalar(l, from, l.count);
    }
}

static void expandPacked(qk_simd level, const qk_matrix *m, size_t start, size_t count, float *destination) {
    enum { CHUNK = 64 };
    float scales[CHUNK];
    size_t block = start / m->blockSize, used = CHUNK;
    while (count > 0) {
        if (used == CHUNK) {
            const size_t last = (start + count - 1) / m->blockSize;
            qk_matrix_scales(m, block, last - block < CHUNK ? last - block + 1 : CHUNK, scales);
            used = 0;
        }
        const size_t left = m->blockSize - start % m->blockSize, part = count < left ? count : left;
        float values[16];
        for (size_t code = 0; code < 16; code++) values[code] = m->quantMap[code] * scales[used];
        lookUp(level, (lookup){values, m->values, start, part, destination});
        start += part;
        destination += part;
        count -= part;
        block++;
        used++;
    }
}

static void expandBytes(const qk_matrix *m, size_t row, size_t column, size_t count, float *destination) {
    const size_t blocks = (m->columnCount + m->blockSize - 1) / m->blockSize;
    const uint8_t *bytes = m->values + row * blocks * m->blockSize;
    for (size_t i = column; i < column + count;) {
        const size_t block = i / m->blockSize;
        size_t end = (block + 1) * m->blockSize;
        if (end > column + count) end = column + count;
        const float scale = floatAt(m->absmax, row * blocks + block);
        for (; i < end; i++) *destination++ = (float)(int8_t)bytes[i] * scale;
    }
}

void qk_matrix_expand_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t column, size_t count, float *destination
) {
    const size_t start = row * matrix->columnCount + column;
    switch (matrix->storage) {
    case QK_MATRIX_DENSE:
        qk_widen_at(
            level, matrix->type, matrix->values + start * qk_float_byteCount(matrix->type), count, destination);
        return;
    case QK_MATRIX_PACKED4: expandPacked(level, matrix, start, count, destination); return;
    case QK_MATRIX_BYTES: expandBytes(matrix, row, column, count, destination); return;
    }
    __builtin_trap();
}

void qk_matrix_expand(const qk_matrix *matrix, size_t row, size_t column, size_t count, float *destination) {
    qk_matrix_expand_at(qk_simd_best(), matrix, row, column, count, destination);
}
