/// Private: what the parts of `qk_matmul16.h` share.
#ifndef QK_MATMUL16_PARTS_H
#define QK_MATMUL16_PARTS_H

#include "qk_encodings.h"
#include "qk_levels.h"
#include "qk_matmul.h"
#include "qk_matmul16.h"

enum {
    GROUP = QK_GROUP,
    CODE_LIMIT = 8192,
    ACTIVATION_LIMIT = 4095,
    /// Rows that are multiplied together with few rows of x.
    ROWS = QK_MATMUL16_ROWS,
    /// Groups of a row whose scales are computed at a time: an even number.
    PIECE_GROUPS = 64,
};

/// The integers that codes stand for, and what one of them is worth.
typedef struct {
    int16_t values[16];
    float unit;
} integerMap;

integerMap qk_matmul16_integers(const qk_matrix *matrix);

/// Scales of `count` groups of a row from `column` on, times `unit`.
void qk_matmul16_scales(
    const qk_matrix *matrix, float unit, size_t row, size_t column, size_t count, float *scales);

/// Scales of 8 rows from `row` on, `groupCount` (at most `PIECE_GROUPS`) groups from `column` on, times `unit`:
/// [groupCount][8]. Beyond `rowCount` rows: the last one again.
void qk_matmul16_scalesOfEight(
    qk_simd level, const qk_matrix *matrix, float unit, size_t row, size_t rowCount, size_t column, size_t groupCount,
    float *scales);

// Order of elements. Scalar and bytes: as they are. AVX2 takes the high nibbles of 32 bytes, then the low ones, and pairs lower
// and upper bytes within each half of the register. AVX-512 looks up 16-bit lanes of 4 codes, one of them at a time, in two
// groups at once: code j of each lane of the first, then of the second.

/// Whether group `group` of `groupCount` is unpacked together with its neighbour.
QK_INLINE bool isPaired(qk_simd level, bool areBytes, size_t group, size_t groupCount) {
    return level == QK_AVX512 && !areBytes && (group | 1) < groupCount;
}

/// Place, in its row, of 16 ordered elements: number `part` of the 4 of a group.
QK_INLINE size_t placeOf(bool isPaired, size_t group, size_t part) {
    return isPaired ? group / 2 * 2 * GROUP + 32 * part + group % 2 * 16 : group * GROUP + 16 * part;
}

/// Element of a group that comes at place `i` of part `part` there.
QK_INLINE size_t elementAt(qk_simd level, bool areBytes, size_t part, size_t i) {
    if (areBytes || level == QK_SCALAR) return 16 * part + i;
    if (level == QK_AVX512) return 4 * i + part;
    return 2 * (i / 8 * 16 + part % 2 * 8 + i % 8) + part / 2;
}

#if defined(__x86_64__)
#define QK_TARGET_VNNI __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512vnni")))

/// Lower and upper bytes of the 16 integers.
typedef struct {
    __m256i lower, upper;
} bytePlanes;

QK_TARGET_AVX2 QK_INLINE bytePlanes planesOf(const int16_t values[16]) {
    uint8_t lower[16], upper[16];
    for (size_t code = 0; code < 16; code++) {
        lower[code] = (uint8_t)values[code];
        upper[code] = (uint8_t)((uint16_t)values[code] >> 8);
    }
    return (bytePlanes){
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)lower)),
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)upper))};
}

/// 64 codes as integers, in this level's order.
QK_TARGET_AVX2 QK_INLINE void unpackAVX2(bytePlanes planes, const uint8_t *packed, __m256i values[4]) {
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)packed), nibble = _mm256_set1_epi8(15);
    const __m256i first = _mm256_and_si256(_mm256_srli_epi16(pairs, 4), nibble), second = _mm256_and_si256(pairs, nibble);
    const __m256i firstLower = _mm256_shuffle_epi8(planes.lower, first);
    const __m256i firstUpper = _mm256_shuffle_epi8(planes.upper, first);
    const __m256i secondLower = _mm256_shuffle_epi8(planes.lower, second);
    const __m256i secondUpper = _mm256_shuffle_epi8(planes.upper, second);
    values[0] = _mm256_unpacklo_epi8(firstLower, firstUpper);
    values[1] = _mm256_unpackhi_epi8(firstLower, firstUpper);
    values[2] = _mm256_unpacklo_epi8(secondLower, secondUpper);
    values[3] = _mm256_unpackhi_epi8(secondLower, secondUpper);
}

QK_TARGET_AVX2 QK_INLINE void widenBytes(const uint8_t *bytes, __m256i values[4]) {
    UNROLL for (size_t j = 0; j < 4; j++)
        values[j] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(bytes + 16 * j)));
}

/// 64 codes as integers, in this level's order.
QK_TARGET_VNNI QK_INLINE void unpackVNNI(__m256i map, const uint8_t *packed, __m256i values[4]) {
    const __m256i codes = _mm256_loadu_si256((const __m256i *)packed);
    // The permutation looks at the lowest 4 bits of a lane.
    values[0] = _mm256_permutexvar_epi16(_mm256_srli_epi16(codes, 4), map);
    values[1] = _mm256_permutexvar_epi16(codes, map);
    values[2] = _mm256_permutexvar_epi16(_mm256_srli_epi16(codes, 12), map);
    values[3] = _mm256_permutexvar_epi16(_mm256_srli_epi16(codes, 8), map);
}

#endif

#endif
