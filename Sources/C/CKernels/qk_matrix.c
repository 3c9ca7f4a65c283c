#include "qk_encodings.h"
#include "qk_codes.h"

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
    const size_t place = matrix->nestedStart + first;
    size_t nested = place / matrix->nestedBlockSize, left = matrix->nestedBlockSize - place % matrix->nestedBlockSize;
    const uint8_t *codes = matrix->absmaxCodes + first;
    for (size_t i = 0; i < count;) {
        const float factor = floatAt(matrix->nestedAbsmax, nested);
        const size_t end = count - i < left ? count : i + left;
        for (; i < end; i++) scales[i] = floatAt(matrix->nestedMap, codes[i]) * factor + matrix->offset;
        nested++;
        left = matrix->nestedBlockSize;
    }
}

/// Constants that are computed at a time.
enum { CHUNK = 64 };

/// What is left to expand, and the constants of the blocks it lies in, some of them at a time.
typedef struct {
    const qk_matrix *matrix;
    size_t start, count;
    float *destination;
    size_t block, used;
    float scales[CHUNK];
} expansion;

/// Elements up to the end of a block: codes from element `start` of the tensor on.
typedef struct {
    float scale;
    size_t start, count;
    float *destination;
} segment;

QK_INLINE expansion expansionOf(const qk_matrix *m, size_t start, size_t count, float *destination) {
    return (expansion){m, start, count, destination, start / m->blockSize, CHUNK, {0}};
}

QK_INLINE segment nextSegment(expansion *e) {
    if (e->used == CHUNK) {
        const size_t last = (e->start + e->count - 1) / e->matrix->blockSize;
        qk_matrix_scales(e->matrix, e->block, last - e->block < CHUNK ? last - e->block + 1 : CHUNK, e->scales);
        e->used = 0;
    }
    const size_t left = (e->block + 1) * e->matrix->blockSize - e->start;
    const segment s = {e->scales[e->used], e->start, e->count < left ? e->count : left, e->destination};
    e->start += s.count;
    e->count -= s.count;
    e->destination += s.count;
    e->block++;
    e->used++;
    return s;
}

/// Elements `from` to `to` of the segment.
QK_INLINE void lookUp(const qk_matrix *m, segment s, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        const size_t element = s.start + i;
        const uint8_t pair = m->values[element / 2];
        s.destination[i] = m->quantMap[element & 1 ? pair & 15 : pair >> 4] * s.scale;
    }
}

static void expandPackedScalar(const qk_matrix *m, size_t start, size_t count, float *destination) {
    for (expansion e = expansionOf(m, start, count, destination); e.count > 0;) {
        const segment s = nextSegment(&e);
        lookUp(m, s, 0, s.count);
    }
}

#if defined(__x86_64__)
QK_TARGET_AVX2 static void expandPackedAVX2(const qk_matrix *m, size_t start, size_t count, float *destination) {
    const __m256 lowerMap = _mm256_loadu_ps(m->quantMap), upperMap = _mm256_loadu_ps(m->quantMap + 8);
    const __m256i shifts = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
    for (expansion e = expansionOf(m, start, count, destination); e.count > 0;) {
        const segment s = nextSegment(&e);
        const __m256 scale = _mm256_set1_ps(s.scale);
        const __m256 lower = _mm256_mul_ps(lowerMap, scale), upper = _mm256_mul_ps(upperMap, scale);
        // The second of a pair comes alone where a row has an odd length.
        size_t i = s.start & 1;
        lookUp(m, s, 0, i);
        const uint8_t *packed = m->values + (s.start + i) / 2;
        for (; i + 8 <= s.count; i += 8, packed += 4) {
            uint32_t pairs;
            memcpy(&pairs, packed, 4);
            const __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32((int)pairs), shifts);
            const __m256 fourthBit = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
            const __m256 values = _mm256_blendv_ps(
                _mm256_permutevar8x32_ps(lower, codes), _mm256_permutevar8x32_ps(upper, codes), fourthBit);
            _mm256_storeu_ps(s.destination + i, values);
        }
        lookUp(m, s, i, s.count);
    }
}

QK_TARGET_AVX512 static void expandPackedAVX512(const qk_matrix *m, size_t start, size_t count, float *destination) {
    const __m512 map = _mm512_loadu_ps(m->quantMap);
    for (expansion e = expansionOf(m, start, count, destination); e.count > 0;) {
        const segment s = nextSegment(&e);
        const __m512 values = _mm512_mul_ps(map, _mm512_set1_ps(s.scale));
        size_t i = s.start & 1;
        lookUp(m, s, 0, i);
        const uint8_t *packed = m->values + (s.start + i) / 2;
        for (; i + 16 <= s.count; i += 16, packed += 8) {
            // Each byte in the lane of two values; the permutation looks at the lowest 4 bits of each half only.
            const __m512i pairs = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)packed));
            const __m512i codes = _mm512_or_si512(_mm512_srli_epi64(pairs, 4), _mm512_slli_epi64(pairs, 32));
            _mm512_storeu_ps(s.destination + i, _mm512_permutexvar_ps(codes, values));
        }
        lookUp(m, s, i, s.count);
    }
}
#endif

#if defined(__aarch64__)
QK_INLINE void scaleMap(const float map[16], float scale, float scaled[16]) {
    for (size_t code = 0; code < 16; code++) scaled[code] = map[code] * scale;
}

QK_INLINE void storeSixteen(const valuePlanes *values, uint8x16_t codes, float *destination) {
    float32x4_t sixteen[4];
    lookUpSixteen(values, codes, sixteen);
    UNROLL for (size_t j = 0; j < 4; j++) storeFloats(destination + 4 * j, sixteen[j]);
}

static void expandPackedNEON(const qk_matrix *m, size_t start, size_t count, float *destination) {
    for (expansion e = expansionOf(m, start, count, destination); e.count > 0;) {
        const segment s = nextSegment(&e);
        float scaled[16];
        scaleMap(m->quantMap, s.scale, scaled);
        const valuePlanes values = planesOfValues(scaled);
        size_t i = s.start & 1;
        lookUp(m, s, 0, i);
        const uint8_t *packed = m->values + (s.start + i) / 2;
        for (; i + 16 <= s.count; i += 16, packed += 8)
            storeSixteen(&values, codesOfSixteen(packed, false), s.destination + i);
        lookUp(m, s, i, s.count);
    }
}
#endif

static void expandPacked(qk_simd level, const qk_matrix *m, size_t row, size_t column, size_t count, float *destination) {
    const size_t start = row * m->columnCount + column;
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: expandPackedAVX512(m, start, count, destination); return;
    case QK_AVX2: expandPackedAVX2(m, start, count, destination); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: expandPackedNEON(m, start, count, destination); return;
#endif
    default: expandPackedScalar(m, start, count, destination);
    }
}

static void expandBytes(qk_simd level, const qk_matrix *m, size_t row, size_t column, size_t count, float *destination) {
    (void)level;
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

enum { LARGEST_BLOCK = 256 };

static void expandBlocks(qk_simd level, const qk_matrix *m, size_t row, size_t column, size_t count, float *destination) {
    const qk_blockFormat *format = m->blockFormat;
    const size_t elements = format->elementCount, bytes = format->byteCount, end = column + count;
    const uint8_t *blocks = m->values + row * (m->columnCount / elements) * bytes;
    while (column < end) {
        const size_t first = column % elements, left = end - column;
        const uint8_t *block = blocks + column / elements * bytes;
        size_t now = left - left % elements;
        if (first == 0 && now > 0) {
            format->decode(level, block, now / elements, destination);
        } else {
            float values[LARGEST_BLOCK];
            format->decode(level, block, 1, values);
            now = elements - first < left ? elements - first : left;
            memcpy(destination, values + first, now * sizeof *values);
        }
        column += now;
        destination += now;
    }
}

enum { MX_BLOCK = 32 };

QK_INLINE float powerOfTwo(uint8_t exponent) {
    // The smallest has no leading one.
    const uint32_t bits = exponent == 0 ? 0x00400000 : exponent == 255 ? 0x7fc00000 : (uint32_t)exponent << 23;
    float power;
    memcpy(&power, &bits, 4);
    return power;
}

QK_INLINE void expandPart(const qk_matrix *m, size_t start, size_t count, float scale, float *destination) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t pair = m->values[(start + i) / 2];
        destination[i] = m->quantMap[(start + i) & 1 ? pair >> 4 : pair & 15] * scale;
    }
}

#if defined(__x86_64__)
/// 32 elements; products with powers of two are exact, or rounded once where they are very small.
QK_TARGET_AVX2 static void expandMXBlockAVX2(const float map[16], const uint8_t *codes, float scale, float *destination) {
    const __m256 lowerMap = _mm256_loadu_ps(map), upperMap = _mm256_loadu_ps(map + 8), scales = _mm256_set1_ps(scale);
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    for (size_t i = 0; i < MX_BLOCK; i += 8, codes += 4) {
        uint32_t pairs;
        memcpy(&pairs, codes, 4);
        const __m256i indices = _mm256_srlv_epi32(_mm256_set1_epi32((int)pairs), shifts);
        const __m256 fourthBit = _mm256_castsi256_ps(_mm256_slli_epi32(indices, 28));
        const __m256 values = _mm256_blendv_ps(
            _mm256_permutevar8x32_ps(lowerMap, indices), _mm256_permutevar8x32_ps(upperMap, indices), fourthBit);
        _mm256_storeu_ps(destination + i, _mm256_mul_ps(values, scales));
    }
}
#endif

#if defined(__aarch64__)
/// 32 elements, as the product of each code: rounded as that of each element.
static void expandMXBlockNEON(const float map[16], const uint8_t *codes, float scale, float *destination) {
    float scaled[16];
    scaleMap(map, scale, scaled);
    const valuePlanes values = planesOfValues(scaled);
    for (size_t i = 0; i < MX_BLOCK; i += 16) storeSixteen(&values, codesOfSixteen(codes + i / 2, true), destination + i);
}
#endif

static void expandMX(qk_simd level, const qk_matrix *m, size_t row, size_t column, size_t count, float *destination) {
    for (size_t start = row * m->columnCount + column, end = start + count; start < end;) {
        const size_t left = MX_BLOCK - start % MX_BLOCK, now = end - start < left ? end - start : left;
        const float scale = powerOfTwo(m->absmax[start / MX_BLOCK]);
#if defined(__x86_64__)
        if (level >= QK_AVX2 && now == MX_BLOCK) expandMXBlockAVX2(m->quantMap, m->values + start / 2, scale, destination);
        else expandPart(m, start, now, scale, destination);
#elif defined(__aarch64__)
        if (level >= QK_NEON && now == MX_BLOCK) expandMXBlockNEON(m->quantMap, m->values + start / 2, scale, destination);
        else expandPart(m, start, now, scale, destination);
#else
        (void)level;
        expandPart(m, start, now, scale, destination);
#endif
        start += now;
        destination += now;
    }
}

static void widenDense(qk_simd level, const qk_matrix *m, size_t row, size_t column, size_t count, float *destination) {
    const size_t start = row * m->columnCount + column;
    qk_widen_at(level, m->type, m->values + start * qk_float_byteCount(m->type), count, destination);
}

const qk_encoding *qk_encoding_of(const qk_matrix *matrix) {
    static const qk_encoding encodings[] = {
        [QK_MATRIX_DENSE] = {widenDense, qk_matdot_dense, NULL},
        [QK_MATRIX_PACKED4] = {expandPacked, NULL, qk_matmul16_takesPacked},
        [QK_MATRIX_BYTES] = {expandBytes, NULL, qk_matmul16_takesBytes},
        [QK_MATRIX_BLOCKS] = {expandBlocks, NULL, qk_matmul16_takesBlocks},
        [QK_MATRIX_MXFP4] = {expandMX, NULL, NULL},
    };
    return &encodings[matrix->storage];
}

void qk_matrix_expand_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t column, size_t count, float *destination
) {
    qk_encoding_of(matrix)->expand(level, matrix, row, column, count, destination);
}

void qk_matrix_expand(const qk_matrix *matrix, size_t row, size_t column, size_t count, float *destination) {
    qk_matrix_expand_at(qk_simd_best(), matrix, row, column, count, destination);
}
