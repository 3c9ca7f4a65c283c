#include "qk_matmul16_parts.h"

// Scales of rows that are multiplied together.

enum { PREFETCHED_ROWS = ROWS };

typedef float eightFloats __attribute__((vector_size(32), aligned(4), may_alias));
typedef float mappedFloat __attribute__((aligned(1), may_alias));

/// Scales of groups `start` to `end` of 8 rows whose constants belong to one nested block each: (map[code] * factor + offset)
/// * unit, each operation rounded.
QK_INLINE void scalesOfGroups(
    const qk_matrix *m, float unit, const uint8_t *const codes[ROWS], const float factors[ROWS], size_t start, size_t end,
    float *scales
) {
    const mappedFloat *map = (const mappedFloat *)m->nestedMap;
    const eightFloats factor = *(const eightFloats *)factors;
    for (size_t g = start; g < end; g++) {
        eightFloats values;
        UNROLL for (size_t i = 0; i < ROWS; i++) values[i] = map[codes[i][g]];
        *(eightFloats *)(scales + ROWS * g) = (values * factor + m->offset) * unit;
    }
}

static QK_FOR_LEVELS(
    scalesOfFewGroups, scalesOfGroups, (m, unit, codes, factors, start, end, scales), const qk_matrix *m, float unit,
    const uint8_t *const codes[ROWS], const float factors[ROWS], size_t start, size_t end, float *scales)

/// Constants of groups of 8 rows, stored as they are, times `unit`.
QK_INLINE void constantsOfGroups(
    float unit, const uint8_t *const constants[ROWS], size_t start, size_t end, float *scales
) {
    for (size_t g = start; g < end; g++) {
        eightFloats values;
        UNROLL for (size_t i = 0; i < ROWS; i++) values[i] = ((const mappedFloat *)constants[i])[g];
        *(eightFloats *)(scales + ROWS * g) = values * unit;
    }
}

static QK_FOR_LEVELS(
    constantsOfFewGroups, constantsOfGroups, (unit, constants, start, end, scales), float unit,
    const uint8_t *const constants[ROWS], size_t start, size_t end, float *scales)

#if defined(__x86_64__)
/// map[code] of 16 codes; the map of 256 floats stays in registers.
QK_TARGET_VNNI QK_INLINE __m512 lookUp(const __m512 map[16], __m512i codes) {
    const __mmask16 is32 = _mm512_test_epi32_mask(codes, _mm512_set1_epi32(32));
    const __mmask16 is64 = _mm512_test_epi32_mask(codes, _mm512_set1_epi32(64));
    const __mmask16 is128 = _mm512_test_epi32_mask(codes, _mm512_set1_epi32(128));
    __m512 quarters[4];
    // A permutation of two registers looks at the lowest 5 bits.
    UNROLL for (size_t q = 0; q < 4; q++)
        quarters[q] = _mm512_mask_blend_ps(
            is32, _mm512_permutex2var_ps(map[4 * q], codes, map[4 * q + 1]),
            _mm512_permutex2var_ps(map[4 * q + 2], codes, map[4 * q + 3]));
    return _mm512_mask_blend_ps(
        is128, _mm512_mask_blend_ps(is64, quarters[0], quarters[1]), _mm512_mask_blend_ps(is64, quarters[2], quarters[3]));
}

/// 8 bytes of each of two rows.
QK_TARGET_VNNI QK_INLINE __m128i bytesOfTwo(const uint8_t *a, const uint8_t *b) {
    return _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)a), _mm_loadl_epi64((const __m128i *)b));
}

/// As `scalesOfGroups`, as many eights of groups as there are; the first group that is left.
QK_TARGET_VNNI static size_t scalesOfManyGroups(
    const qk_matrix *m, float unit, const uint8_t *const codes[ROWS], const float factors[ROWS], size_t start, size_t end,
    float *scales
) {
    if (end - start < 8) return start;
    __m512 map[16];
    UNROLL for (size_t i = 0; i < 16; i++) map[i] = _mm512_loadu_ps(m->nestedMap + 64 * i);
    const __m512 factor = _mm512_broadcast_f32x8(_mm256_loadu_ps(factors));
    const __m512 offset = _mm512_set1_ps(m->offset), units = _mm512_set1_ps(unit);
    // Bytes of two rows in turn, then these pairs group by group.
    const __m512i turns = _mm512_broadcast_i32x4(_mm_set_epi8(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0));
    const __m512i pairs = _mm512_set_epi16(
        31, 23, 15, 7, 30, 22, 14, 6, 29, 21, 13, 5, 28, 20, 12, 4, 27, 19, 11, 3, 26, 18, 10, 2, 25, 17, 9, 1, 24, 16, 8, 0);
    for (; start + 8 <= end; start += 8) {
        const uint8_t *at[ROWS];
        UNROLL for (size_t i = 0; i < ROWS; i++) at[i] = codes[i] + start;
        const __m256i lower = _mm256_set_m128i(bytesOfTwo(at[2], at[3]), bytesOfTwo(at[0], at[1]));
        const __m256i upper = _mm256_set_m128i(bytesOfTwo(at[6], at[7]), bytesOfTwo(at[4], at[5]));
        const __m512i rows = _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1);
        const __m512i groups = _mm512_permutexvar_epi16(pairs, _mm512_shuffle_epi8(rows, turns));
        const __m128i two[4] = {
            _mm512_castsi512_si128(groups), _mm512_extracti32x4_epi32(groups, 1), _mm512_extracti32x4_epi32(groups, 2),
            _mm512_extracti32x4_epi32(groups, 3)};
        UNROLL for (size_t i = 0; i < 4; i++) {
            const __m512 values = lookUp(map, _mm512_cvtepu8_epi32(two[i]));
            const __m512 constants = _mm512_add_ps(_mm512_mul_ps(values, factor), offset);
            _mm512_storeu_ps(scales + ROWS * (start + 2 * i), _mm512_mul_ps(constants, units));
        }
    }
    return start;
}

/// As `constantsOfGroups`, as many eights of groups as there are; the first group that is left.
QK_TARGET_VNNI static size_t constantsOfManyGroups(
    float unit, const uint8_t *const constants[ROWS], size_t groupCount, float *scales
) {
    const __m256 units = _mm256_set1_ps(unit);
    size_t g = 0;
    for (; g + 8 <= groupCount; g += 8) {
        __m256 rows[ROWS], pairs[ROWS], fours[ROWS];
        UNROLL for (size_t i = 0; i < ROWS; i++) rows[i] = _mm256_loadu_ps((const float *)(const void *)(constants[i] + 4 * g));
        UNROLL for (size_t i = 0; i < ROWS; i += 2) {
            pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
        }
        UNROLL for (size_t i = 0; i < ROWS; i += 4) {
            UNROLL for (size_t j = 0; j < 2; j++) {
                fours[i + 2 * j] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0x44);
                fours[i + 2 * j + 1] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0xee);
            }
        }
        UNROLL for (size_t i = 0; i < 4; i++) {
            const __m256 lower = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
            const __m256 upper = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
            _mm256_storeu_ps(scales + ROWS * (g + i), _mm256_mul_ps(lower, units));
            _mm256_storeu_ps(scales + ROWS * (g + i + 4), _mm256_mul_ps(upper, units));
        }
    }
    return g;
}
#endif

static void scalesOfGroupsAt(
    qk_simd level, const qk_matrix *m, float unit, const uint8_t *const codes[ROWS], const float factors[ROWS], size_t start,
    size_t end, float *scales
) {
#if defined(__x86_64__)
    if (level == QK_AVX512) start = scalesOfManyGroups(m, unit, codes, factors, start, end, scales);
#endif
    scalesOfFewGroups(level, m, unit, codes, factors, start, end, scales);
}

static void constantsOfGroupsAt(
    qk_simd level, float unit, const uint8_t *const constants[ROWS], size_t groupCount, float *scales
) {
    size_t start = 0;
#if defined(__x86_64__)
    if (level == QK_AVX512) start = constantsOfManyGroups(unit, constants, groupCount, scales);
#endif
    constantsOfFewGroups(level, unit, constants, start, groupCount, scales);
}

void qk_matmul16_scalesOfEight(
    qk_simd level, const qk_matrix *m, float unit, size_t row, size_t rowCount, size_t column, size_t groupCount,
    float *scales
) {
    if (m->blockSize != GROUP) {
        float rowScales[PIECE_GROUPS];
        for (size_t i = 0; i < ROWS; i++) {
            qk_matmul16_scales(m, unit, row + (i < rowCount ? i : rowCount - 1), column, groupCount, rowScales);
            for (size_t g = 0; g < groupCount; g++) scales[ROWS * g + i] = rowScales[g];
        }
        return;
    }
    const size_t rowGroups = qk_matmul16_width(m->columnCount) / GROUP;
    const uint8_t *constants[ROWS];
    size_t firsts[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        firsts[i] = (row + (i < rowCount ? i : rowCount - 1)) * rowGroups + column / GROUP;
        constants[i] = m->absmax ? m->absmax + 4 * firsts[i] : m->absmaxCodes + firsts[i];
    }
    const size_t size = m->absmax ? 4 : 1;
    // Those of the rows after the next: a processor does not foresee runs this short.
    for (size_t i = 0; i < ROWS; i++) {
        const uint8_t *ahead = constants[i] + size * PREFETCHED_ROWS * rowGroups;
        for (size_t byte = 0; byte < size * groupCount; byte += 64) __builtin_prefetch(ahead + byte, 0, 3);
    }
    if (m->absmax) {
        constantsOfGroupsAt(level, unit, constants, groupCount, scales);
        return;
    }
    for (size_t i = 0; i < ROWS; i++) firsts[i] += m->nestedStart;
    for (size_t start = 0, end; start < groupCount; start = end) {
        float factors[ROWS];
        end = groupCount;
        size_t nested = (firsts[0] + start) / m->nestedBlockSize, blockEnd = (nested + 1) * m->nestedBlockSize;
        for (size_t i = 0; i < ROWS; i++) {
            while (firsts[i] + start >= blockEnd) {
                nested++;
                blockEnd += m->nestedBlockSize;
            }
            memcpy(&factors[i], m->nestedAbsmax + 4 * nested, sizeof factors[i]);
            if (blockEnd - firsts[i] < end) end = blockEnd - firsts[i];
        }
        scalesOfGroupsAt(level, m, unit, constants, factors, start, end, scales);
    }
}
