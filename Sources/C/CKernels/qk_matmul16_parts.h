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

// What becomes of the functions of `qk_matmul16.h` where the matrix consists of blocks.

void qk_matmul16_blockDots(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const int16_t *quantized, const float *scales,
    size_t vectorCount, float *y, size_t yStride);
void qk_matmul16_quantizeForBlocks_at(
    qk_simd level, const qk_matrix *matrix, const float *x, int16_t *quantized, float *scales);
void qk_matmul16_expandBlocks(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t rowCount, size_t column, size_t count, int16_t *tile);
void qk_matmul16_blockTile(
    qk_simd level, const qk_matrix *matrix, const int16_t *tile, size_t rows, size_t depth, const int16_t *panel,
    const float *panelScales, float *c, size_t cStride, bool adds);

/// Scales of 8 rows from `row` on, `groupCount` (at most `PIECE_GROUPS`) groups from `column` on, times `unit`:
/// [groupCount][8]. Beyond `rowCount` rows: the last one again.
void qk_matmul16_scalesOfEight(
    qk_simd level, const qk_matrix *matrix, float unit, size_t row, size_t rowCount, size_t column, size_t groupCount,
    float *scales);

/// One group of x, of a multiple of 16 elements: its scale.
QK_INLINE float quantizeGroup(const float *x, size_t count, float limit, int16_t *quantized) {
    int32_t lanes[16] = {0};
    for (size_t i = 0; i < count; i += 16) {
        for (size_t lane = 0; lane < 16; lane++) {
            // As integers: a NaN is the largest.
            const int32_t magnitude = (int32_t)(bitsOf(x[i + lane]) & 0x7fffffff);
            lanes[lane] = magnitude > lanes[lane] ? magnitude : lanes[lane];
        }
    }
    int32_t bits = 0;
    for (size_t lane = 0; lane < 16; lane++) bits = lanes[lane] > bits ? lanes[lane] : bits;
    const float largest = floatOf((uint32_t)bits);
    if (largest < 1e-30f) {
        memset(quantized, 0, count * sizeof *quantized);
        return 0;
    }
    const float factor = limit / largest;
    for (size_t i = 0; i < count; i++) {
        float scaled = x[i] * factor;
        scaled = scaled < limit ? scaled : limit;
        scaled = scaled > -limit ? scaled : -limit;
        quantized[i] = (int16_t)(bitsOf(scaled + 0x1.8p23f) - 0x4b400000u);
    }
    return largest / limit;
}

// Order of elements. Scalar and bytes: as they are. AVX2 takes the high nibbles of 32 bytes, then the low ones, and pairs lower
// and upper bytes within each half of the register. AVX-512 looks up 16-bit lanes of 4 codes, one of them at a time, in two
// groups at once: code j of each lane of the first, then of the second. NEON takes the high nibbles of 16 bytes, then the low ones.
//
// Where NEON multiplies bytes, integers are in two planes, n = 128 upper + lower: of each 8 elements the bytes of the upper plane,
// then those of the lower one. The sum is 2^14 (sum of both upper) + 2^7 (sums of upper and lower) + (sum of both lower).

enum { PLANE_BITS = 7 };

/// Whether integers of x are in planes.
QK_INLINE bool hasPlanes(qk_simd level, bool areBytes) { return level >= (areBytes ? QK_NEON_DOT : QK_NEON_I8MM); }

/// Of an integer of at most 8192 in magnitude, planes of at most 64.
QK_INLINE void splitPlanes(int16_t value, int8_t *upper, int8_t *lower) {
    *upper = (int8_t)((value + 64) >> PLANE_BITS);
    *lower = (int8_t)(value - *upper * (1 << PLANE_BITS));
}

/// 16 integers in place.
QK_INLINE void storeInPlanes(int16_t integers[16]) {
    int8_t planes[32];
    for (size_t i = 0; i < 16; i++) splitPlanes(integers[i], &planes[i / 8 * 16 + i % 8], &planes[i / 8 * 16 + 8 + i % 8]);
    memcpy(integers, planes, sizeof planes);
}

QK_INLINE void restoreFromPlanes(const int16_t *stored, int16_t integers[16]) {
    int8_t planes[32];
    memcpy(planes, stored, sizeof planes);
    for (size_t i = 0; i < 16; i++)
        integers[i] = (int16_t)(planes[i / 8 * 16 + i % 8] * (1 << PLANE_BITS) + planes[i / 8 * 16 + 8 + i % 8]);
}

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
    if (level >= QK_NEON) return 2 * (part / 2 * 16 + i) + part % 2;
    return 2 * (i / 8 * 16 + part % 2 * 8 + i % 8) + part / 2;
}

QK_INLINE int32_t pairAt(const int16_t *elements) {
    int32_t pair;
    memcpy(&pair, elements, sizeof pair);
    return pair;
}

#if defined(__x86_64__)
#define QK_TARGET_VNNI __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512vnni")))

/// Sums of the lanes of each of 8 vectors.
QK_TARGET_AVX2 QK_INLINE __m256i sumsOfEight(const __m256i v[8]) {
    const __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    const __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

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
