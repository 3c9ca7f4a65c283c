#include "qk_matmul16.h"

#include "qk_matmul.h"
#include "qk_exp.h"

enum { GROUP = QK_GROUP, CODE_LIMIT = 8192, ACTIVATION_LIMIT = 4095, TILE_GROUPS = QK_MATMUL16_DEPTH / QK_GROUP };

// Groups of a row whose scales are computed at a time: an even number.
enum { PIECE_GROUPS = 64 };

#define UNROLL _Pragma("clang loop unroll(full)")

bool qk_matmul16_supports(const qk_matrix *matrix) {
    switch (matrix->storage) {
    case QK_MATRIX_DENSE: return false;
    case QK_MATRIX_PACKED4: return matrix->blockSize >= GROUP && matrix->columnCount % GROUP == 0;
    case QK_MATRIX_BYTES: return matrix->blockSize == GROUP;
    }
    return false;
}

size_t qk_matmul16_width(size_t columnCount) { return (columnCount + GROUP - 1) / GROUP * GROUP; }

/// The integers that codes stand for, and what one of them is worth.
typedef struct {
    int16_t values[16];
    float unit;
} integerMap;

static integerMap integersOf(const qk_matrix *matrix) {
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

/// Scales of `count` groups of a row from `column` on.
static void groupScales(const qk_matrix *m, float unit, size_t row, size_t column, size_t count, float *scales) {
    if (m->blockSize == GROUP) {
        const size_t rowBlocks = (m->columnCount + GROUP - 1) / GROUP;
        qk_matrix_scales(m, row * rowBlocks + column / GROUP, count, scales);
    } else {
        const size_t start = row * m->columnCount + column;
        for (size_t g = 0; g < count; g++) qk_matrix_scales(m, (start + g * GROUP) / m->blockSize, 1, scales + g);
    }
    for (size_t g = 0; g < count; g++) scales[g] *= unit;
}

/// The same for 8 rows at once: [groupCount][8]. Beyond `rowCount` rows: the last one again.
static void groupScalesOfEight(
    const qk_matrix *m, float unit, size_t row, size_t rowCount, size_t column, size_t groupCount, float *scales
) {
    enum { EIGHT = QK_MATMUL16_ROWS };
    if (m->absmax || m->blockSize != GROUP) {
        float rowScales[PIECE_GROUPS];
        for (size_t i = 0; i < EIGHT; i++) {
            groupScales(m, unit, row + (i < rowCount ? i : rowCount - 1), column, groupCount, rowScales);
            for (size_t g = 0; g < groupCount; g++) scales[EIGHT * g + i] = rowScales[g];
        }
        return;
    }
    for (size_t i = 0; i < EIGHT; i++) {
        const size_t first = (row + (i < rowCount ? i : rowCount - 1)) * (m->columnCount / GROUP) + column / GROUP;
        const uint8_t *codes = m->absmaxCodes + first;
        for (size_t g = 0; g < groupCount;) {
            float factor, value;
            const size_t nested = (first + g) / m->nestedBlockSize, last = (nested + 1) * m->nestedBlockSize - first;
            memcpy(&factor, m->nestedAbsmax + 4 * nested, sizeof factor);
            for (; g < groupCount && g < last; g++) {
                memcpy(&value, m->nestedMap + 4 * codes[g], sizeof value);
                scales[EIGHT * g + i] = value * factor;
            }
        }
    }
    for (size_t i = 0; i < EIGHT * groupCount; i++) scales[i] = (scales[i] + m->offset) * unit;
}

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

/// One group: its scale.
QK_INLINE float quantizeGroup(const float *x, float limit, int16_t *quantized) {
    int32_t lanes[16] = {0};
    for (size_t i = 0; i < GROUP; i += 16) {
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
        memset(quantized, 0, GROUP * sizeof *quantized);
        return 0;
    }
    const float factor = limit / largest;
    for (size_t i = 0; i < GROUP; i++) {
        float scaled = x[i] * factor;
        scaled = scaled < limit ? scaled : limit;
        scaled = scaled > -limit ? scaled : -limit;
        quantized[i] = (int16_t)(bitsOf(scaled + 0x1.8p23f) - 0x4b400000u);
    }
    return largest / limit;
}

QK_INLINE void quantizeRow(qk_simd level, bool areBytes, const float *x, size_t count, int16_t *quantized, float *scales) {
    const size_t groupCount = (count + GROUP - 1) / GROUP;
    for (size_t g = 0; g < groupCount; g++) {
        float padded[GROUP] = {0};
        int16_t natural[GROUP];
        const size_t part = count - g * GROUP < GROUP ? count - g * GROUP : GROUP;
        if (part < GROUP) memcpy(padded, x + g * GROUP, part * sizeof *x);
        scales[g] = quantizeGroup(part < GROUP ? padded : x + g * GROUP, ACTIVATION_LIMIT, natural);
        const bool paired = isPaired(level, areBytes, g, groupCount);
        for (size_t j = 0; j < 4; j++) {
            int16_t *ordered = quantized + placeOf(paired, g, j);
            for (size_t i = 0; i < 16; i++) ordered[i] = natural[elementAt(level, areBytes, j, i)];
        }
    }
}

QK_INLINE void quantizeAnyRow(
    qk_simd level, bool areBytes, const float *x, size_t count, int16_t *quantized, float *scales
) {
    if (areBytes) quantizeRow(level, true, x, count, quantized, scales);
    else quantizeRow(level, false, x, count, quantized, scales);
}

QK_FOR_LEVELS_OF(
    quantizeRow, quantizeAnyRow, (bool areBytes, const float *x, size_t count, int16_t *quantized, float *scales), areBytes,
    x, count, quantized, scales)

void qk_matmul16_quantize_at(
    qk_simd level, const qk_matrix *matrix, const float *x, int16_t *quantized, float *scales
) {
    const bool areBytes = matrix->storage == QK_MATRIX_BYTES;
    QK_CALL_LEVEL(quantizeRow, level, areBytes, x, matrix->columnCount, quantized, scales);
}

void qk_matmul16_bytes(const float *x, size_t count, int8_t *bytes, float *scales) {
    for (size_t start = 0; start < count; start += GROUP) {
        float padded[GROUP] = {0};
        int16_t quantized[GROUP];
        memcpy(padded, x + start, (count - start < GROUP ? count - start : GROUP) * sizeof *x);
        scales[start / GROUP] = quantizeGroup(padded, 127, quantized);
        for (size_t i = 0; i < GROUP; i++) bytes[start + i] = (int8_t)quantized[i];
    }
}

// Rows of weights against few rows of x.

enum { ROWS = QK_MATMUL16_ROWS };

/// Rows that are multiplied together, and one piece of their columns.
typedef struct {
    /// Codes or bytes of the piece. Beyond the last row: the last row again.
    const uint8_t *rows[ROWS];
    /// From a row's piece to that of the row that is multiplied after it.
    size_t nextRow;
    size_t groupCount;
    /// [groupCount][ROWS].
    const float *scales;
    const int16_t *values;
} rowPiece;

QK_INLINE void addPieceScalar(bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]) {
    for (size_t g = 0; g < p->groupCount; g++) {
        for (size_t row = 0; row < ROWS; row++) {
            int32_t sum = 0;
            for (size_t i = 0; i < GROUP; i++) {
                if (areBytes) {
                    sum += (int8_t)p->rows[row][GROUP * g + i] * x[GROUP * g + i];
                } else {
                    const uint8_t pair = p->rows[row][(GROUP * g + i) / 2];
                    sum += p->values[i & 1 ? pair & 15 : pair >> 4] * x[GROUP * g + i];
                }
            }
            sums[row] = __builtin_fmaf((float)sum, p->scales[ROWS * g + row] * xScales[g], sums[row]);
        }
    }
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

QK_TARGET_AVX2 QK_INLINE void addPieceAVX2(
    bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]
) {
    const bytePlanes planes = planesOf(p->values);
    const size_t byteCount = areBytes ? GROUP : GROUP / 2;
    __m256 total = _mm256_loadu_ps(sums);
    for (size_t g = 0; g < p->groupCount; g++) {
        __m256i products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *bytes = p->rows[row] + byteCount * g;
            __builtin_prefetch(bytes + p->nextRow, 0, 3);
            __m256i values[4];
            if (areBytes) widenBytes(bytes, values);
            else unpackAVX2(planes, bytes, values);
            UNROLL for (size_t j = 0; j < 4; j++)
                values[j] = _mm256_madd_epi16(
                    values[j], _mm256_loadu_si256((const __m256i *)(x + GROUP * g + 16 * j)));
            products[row] = _mm256_add_epi32(
                _mm256_add_epi32(values[0], values[1]), _mm256_add_epi32(values[2], values[3]));
        }
        const __m256 scales = _mm256_mul_ps(_mm256_loadu_ps(p->scales + ROWS * g), _mm256_set1_ps(xScales[g]));
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sumsOfEight(products)), scales, total);
    }
    _mm256_storeu_ps(sums, total);
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

QK_TARGET_VNNI QK_INLINE void addGroupVNNI(
    bool areBytes, const rowPiece *p, size_t g, const int16_t *x, const float *xScales, __m256 *total
) {
    const __m256i map = _mm256_loadu_si256((const __m256i *)p->values);
    __m256i products[ROWS];
    UNROLL for (size_t row = 0; row < ROWS; row++) {
        __m256i values[4];
        if (areBytes) __builtin_prefetch(p->rows[row] + GROUP * g + p->nextRow, 0, 3);
        if (areBytes) widenBytes(p->rows[row] + GROUP * g, values);
        else unpackVNNI(map, p->rows[row] + GROUP / 2 * g, values);
        products[row] = _mm256_setzero_si256();
        UNROLL for (size_t j = 0; j < 4; j++)
            products[row] = _mm256_dpwssd_epi32(
                products[row], values[j], _mm256_loadu_si256((const __m256i *)(x + GROUP * g + 16 * j)));
    }
    const __m256 scales = _mm256_mul_ps(_mm256_loadu_ps(p->scales + ROWS * g), _mm256_set1_ps(xScales[g]));
    *total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sumsOfEight(products)), scales, *total);
}

/// Sums of adjacent lanes, of a in the lower and of b in the upper half of each 128 bits.
QK_TARGET_VNNI QK_INLINE __m512i pairSums(__m512i a, __m512i b) {
    const __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(
        _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)), _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
}

/// Two groups at once: the sums of the first of each of 8 vectors' lower 8 lanes, then of their upper ones.
QK_TARGET_VNNI QK_INLINE __m512i sumsOfHalves(const __m512i v[8]) {
    const __m512i a = pairSums(pairSums(v[0], v[1]), pairSums(v[2], v[3]));
    const __m512i b = pairSums(pairSums(v[4], v[5]), pairSums(v[6], v[7]));
    // a: four rows in each 128 bits, of which the first two belong to the first group. Then 0 2 of a, 0 2 of b, and 1 3.
    const __m512i sums = _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    return _mm512_shuffle_i32x4(sums, sums, 0xd8);
}

QK_TARGET_VNNI QK_INLINE void addPairVNNI(
    const rowPiece *p, size_t g, const int16_t *x, const float *xScales, __m256 *total
) {
    const __m512i map = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p->values));
    __m512i products[ROWS];
    UNROLL for (size_t row = 0; row < ROWS; row++) {
        const __m512i codes = _mm512_loadu_si512(p->rows[row] + GROUP / 2 * g);
        __builtin_prefetch(p->rows[row] + GROUP / 2 * g + p->nextRow, 0, 3);
        // The permutation looks at the lowest 5 bits of a lane, and the map is there twice.
        const __m512i values[4] = {
            _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 4), map), _mm512_permutexvar_epi16(codes, map),
            _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 12), map),
            _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 8), map)};
        products[row] = _mm512_setzero_si512();
        UNROLL for (size_t j = 0; j < 4; j++)
            products[row] = _mm512_dpwssd_epi32(
                products[row], values[j], _mm512_loadu_si512(x + GROUP * g + 32 * j));
    }
    const __m512 sums = _mm512_cvtepi32_ps(sumsOfHalves(products));
    const __m256 first = _mm256_mul_ps(_mm256_loadu_ps(p->scales + ROWS * g), _mm256_set1_ps(xScales[g]));
    const __m256 second = _mm256_mul_ps(_mm256_loadu_ps(p->scales + ROWS * g + ROWS), _mm256_set1_ps(xScales[g + 1]));
    *total = _mm256_fmadd_ps(_mm512_castps512_ps256(sums), first, *total);
    *total = _mm256_fmadd_ps(_mm512_extractf32x8_ps(sums, 1), second, *total);
}

QK_TARGET_VNNI QK_INLINE void addPieceVNNI(
    bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]
) {
    __m256 total = _mm256_loadu_ps(sums);
    size_t g = 0;
    if (!areBytes)
        for (; g + 2 <= p->groupCount; g += 2) addPairVNNI(p, g, x, xScales, &total);
    for (; g < p->groupCount; g++) addGroupVNNI(areBytes, p, g, x, xScales, &total);
    _mm256_storeu_ps(sums, total);
}
#endif

#define QK_DEFINE_DOTS(name, addPiece, target) \
    target static void name(bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]) { \
        if (areBytes) addPiece(true, p, x, xScales, sums); \
        else addPiece(false, p, x, xScales, sums); \
    }

QK_DEFINE_DOTS(addAnyScalar, addPieceScalar, )
#if defined(__x86_64__)
QK_DEFINE_DOTS(addAnyAVX2, addPieceAVX2, QK_TARGET_AVX2)
QK_DEFINE_DOTS(addAnyVNNI, addPieceVNNI, QK_TARGET_VNNI)
#endif

static void addPiece(
    qk_simd level, bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]
) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: addAnyVNNI(areBytes, p, x, xScales, sums); return;
    case QK_AVX2: addAnyAVX2(areBytes, p, x, xScales, sums); return;
#endif
    default: addAnyScalar(areBytes, p, x, xScales, sums);
    }
}

void qk_matmul16_dots_at(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const int16_t *quantized, const float *scales,
    size_t vectorCount, float *y, size_t yStride
) {
    const bool areBytes = matrix->storage == QK_MATRIX_BYTES;
    const integerMap map = integersOf(matrix);
    const size_t width = qk_matmul16_width(matrix->columnCount), groupCount = width / GROUP;
    const size_t rowBytes = areBytes ? width : width / 2;
    for (size_t start = 0; start < rowCount; start += ROWS) {
        const size_t count = rowCount - start < ROWS ? rowCount - start : ROWS;
        for (size_t t = 0; t < vectorCount; t++) memset(y + t * yStride + start, 0, count * sizeof *y);
        for (size_t first = 0; first < groupCount; first += PIECE_GROUPS) {
            float pieceScales[PIECE_GROUPS * ROWS];
            rowPiece piece = {{0}, ROWS * rowBytes, groupCount - first, pieceScales, map.values};
            if (piece.groupCount > PIECE_GROUPS) piece.groupCount = PIECE_GROUPS;
            for (size_t i = 0; i < ROWS; i++) {
                const size_t row = firstRow + start + (i < count ? i : count - 1);
                piece.rows[i] = matrix->values + row * rowBytes + first * (areBytes ? GROUP : GROUP / 2);
            }
            groupScalesOfEight(
                matrix, map.unit, firstRow + start, count, first * GROUP, piece.groupCount, pieceScales);
            for (size_t t = 0; t < vectorCount; t++) {
                float sums[ROWS] = {0};
                memcpy(sums, y + t * yStride + start, count * sizeof *y);
                addPiece(
                    level, areBytes, &piece, quantized + t * width + first * GROUP, scales + t * groupCount + first, sums);
                memcpy(y + t * yStride + start, sums, count * sizeof *y);
            }
        }
    }
}

// Tiles of weights against panels of many rows of x.

QK_INLINE void expandScalar(bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t byte = areBytes ? bytes[i] : bytes[i / 2];
        tile[i] = areBytes ? (int8_t)byte : values[i & 1 ? byte & 15 : byte >> 4];
    }
}

#if defined(__x86_64__)
QK_TARGET_AVX2 static void expandAVX2(
    bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile
) {
    const bytePlanes planes = planesOf(values);
    for (size_t i = 0; i < count; i += GROUP) {
        __m256i group[4];
        if (areBytes) widenBytes(bytes + i, group);
        else unpackAVX2(planes, bytes + i / 2, group);
        for (size_t j = 0; j < 4; j++) _mm256_storeu_si256((__m256i *)(tile + i + 16 * j), group[j]);
    }
}

QK_TARGET_VNNI static void expandVNNI(
    bool areBytes, const int16_t *values, const uint8_t *bytes, size_t count, int16_t *tile
) {
    const __m256i map = _mm256_loadu_si256((const __m256i *)values);
    for (size_t i = 0; i < count; i += GROUP) {
        __m256i group[4];
        if (areBytes) widenBytes(bytes + i, group);
        else unpackVNNI(map, bytes + i / 2, group);
        for (size_t j = 0; j < 4; j++) _mm256_storeu_si256((__m256i *)(tile + i + 16 * j), group[j]);
    }
}
#endif

void qk_matmul16_expand_at(
    qk_simd level, const qk_matrix *matrix, size_t row, size_t column, size_t count, int16_t *tile, float *scales
) {
    const bool areBytes = matrix->storage == QK_MATRIX_BYTES;
    const integerMap map = integersOf(matrix);
    const size_t element = row * qk_matmul16_width(matrix->columnCount) + column;
    const uint8_t *bytes = matrix->values + (areBytes ? element : element / 2);
    groupScales(matrix, map.unit, row, column, count / GROUP, scales);
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: expandVNNI(areBytes, map.values, bytes, count, tile); return;
    case QK_AVX2: expandAVX2(areBytes, map.values, bytes, count, tile); return;
#endif
    default: expandScalar(areBytes, map.values, bytes, count, tile);
    }
}

QK_INLINE void fillPanel(
    size_t width, const int16_t *quantized, size_t stride, size_t rows, size_t groupCount, bool pairs, int16_t *panel
) {
    for (size_t g = 0; g < groupCount; g++) {
        for (size_t part = 0; part < 4; part++) {
            const int16_t *source = quantized + placeOf(pairs && (g | 1) < groupCount, g, part);
            int16_t *destination = panel + width * (GROUP * g + 16 * part);
            for (size_t j = 0; j < width; j++) {
                for (size_t i = 0; i < 16; i += 2) {
                    int32_t pair = 0;
                    if (j < rows) memcpy(&pair, source + j * stride + i, sizeof pair);
                    memcpy(destination + width * i + 2 * j, &pair, sizeof pair);
                }
            }
        }
    }
}

void qk_matmul16_panel_at(
    qk_simd level, const qk_matrix *matrix, const int16_t *quantized, const float *scales, size_t rows, int16_t *panel,
    float *panelScales
) {
    const size_t depth = qk_matmul16_width(matrix->columnCount), groupCount = depth / GROUP;
    const size_t width = qk_matmul_width(level);
    const bool pairs = isPaired(level, matrix->storage == QK_MATRIX_BYTES, 0, 2);
    if (width == 32) fillPanel(32, quantized, depth, rows, groupCount, pairs, panel);
    else fillPanel(16, quantized, depth, rows, groupCount, pairs, panel);
    for (size_t g = 0; g < groupCount; g++)
        for (size_t j = 0; j < width; j++) panelScales[g * width + j] = j < rows ? scales[j * groupCount + g] : 0;
}

typedef struct {
    const int16_t *tile;
    const float *tileScales;
    size_t depth;
    const int16_t *panel;
    const float *panelScales;
    float *c;
    size_t cStride;
    bool adds;
} tileProduct;

QK_INLINE void tileScalar(tileProduct p, size_t rows) {
    for (size_t row = 0; row < rows; row++) {
        float *c = p.c + row * p.cStride;
        for (size_t j = 0; j < 16; j++) {
            float total = p.adds ? c[j] : 0;
            for (size_t g = 0; g < p.depth / GROUP; g++) {
                int32_t sum = 0;
                for (size_t k = GROUP * g; k < GROUP * (g + 1); k++)
                    sum += p.tile[row * QK_MATMUL16_STRIDE + k] * p.panel[16 * (k - k % 2) + 2 * j + k % 2];
                total = __builtin_fmaf((float)sum, p.tileScales[row * TILE_GROUPS + g] * p.panelScales[16 * g + j], total);
            }
            c[j] = total;
        }
    }
}

#if defined(__x86_64__)
QK_TARGET_AVX2 QK_INLINE int32_t pairAt(const int16_t *elements) {
    int32_t pair;
    memcpy(&pair, elements, sizeof pair);
    return pair;
}

/// `rows`, a constant, is at most 6.
QK_TARGET_AVX2 QK_INLINE void rowsAVX2(size_t rows, tileProduct p) {
    for (size_t g = 0; g < p.depth / GROUP; g++) {
        __m256i sums[6][2];
        UNROLL for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
        for (size_t k = GROUP * g; k < GROUP * (g + 1); k += 2) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)(p.panel + 16 * k));
            const __m256i second = _mm256_loadu_si256((const __m256i *)(p.panel + 16 * k + 16));
            UNROLL for (size_t i = 0; i < rows; i++) {
                const __m256i pair = _mm256_set1_epi32(pairAt(p.tile + i * QK_MATMUL16_STRIDE + k));
                sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(pair, first));
                sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(pair, second));
            }
        }
        UNROLL for (size_t i = 0; i < rows; i++) {
            const __m256 scale = _mm256_set1_ps(p.tileScales[i * TILE_GROUPS + g]);
            UNROLL for (size_t j = 0; j < 2; j++) {
                float *place = p.c + i * p.cStride + 8 * j;
                const __m256 scales = _mm256_mul_ps(scale, _mm256_loadu_ps(p.panelScales + 16 * g + 8 * j));
                const __m256 total = g > 0 || p.adds ? _mm256_loadu_ps(place) : _mm256_setzero_ps();
                _mm256_storeu_ps(place, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i][j]), scales, total));
            }
        }
    }
}

/// `rows`, a constant, is at most 12.
QK_TARGET_VNNI QK_INLINE void rowsVNNI(size_t rows, tileProduct p) {
    for (size_t g = 0; g < p.depth / GROUP; g++) {
        __m512i sums[12][2];
        UNROLL for (size_t i = 0; i < rows; i++) sums[i][0] = sums[i][1] = _mm512_setzero_si512();
        for (size_t k = GROUP * g; k < GROUP * (g + 1); k += 2) {
            const __m512i first = _mm512_loadu_si512(p.panel + 32 * k), second = _mm512_loadu_si512(p.panel + 32 * k + 32);
            UNROLL for (size_t i = 0; i < rows; i++) {
                const __m512i pair = _mm512_set1_epi32(pairAt(p.tile + i * QK_MATMUL16_STRIDE + k));
                sums[i][0] = _mm512_dpwssd_epi32(sums[i][0], pair, first);
                sums[i][1] = _mm512_dpwssd_epi32(sums[i][1], pair, second);
            }
        }
        UNROLL for (size_t i = 0; i < rows; i++) {
            const __m512 scale = _mm512_set1_ps(p.tileScales[i * TILE_GROUPS + g]);
            UNROLL for (size_t j = 0; j < 2; j++) {
                float *place = p.c + i * p.cStride + 16 * j;
                const __m512 scales = _mm512_mul_ps(scale, _mm512_loadu_ps(p.panelScales + 32 * g + 16 * j));
                const __m512 total = g > 0 || p.adds ? _mm512_loadu_ps(place) : _mm512_setzero_ps();
                _mm512_storeu_ps(place, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i][j]), scales, total));
            }
        }
    }
}

QK_INLINE tileProduct below(tileProduct p, size_t rows) {
    p.tile += rows * QK_MATMUL16_STRIDE;
    p.tileScales += rows * TILE_GROUPS;
    p.c += rows * p.cStride;
    return p;
}

QK_TARGET_AVX2 static void tileAVX2(tileProduct p, size_t rows) {
    for (; rows >= 6; rows -= 6, p = below(p, 6)) rowsAVX2(6, p);
    if (rows >= 3) rowsAVX2(3, p), p = below(p, 3), rows -= 3;
    for (; rows > 0; rows--, p = below(p, 1)) rowsAVX2(1, p);
}

QK_TARGET_VNNI static void tileVNNI(tileProduct p, size_t rows) {
    for (; rows >= 12; rows -= 12, p = below(p, 12)) rowsVNNI(12, p);
    if (rows >= 8) rowsVNNI(8, p), p = below(p, 8), rows -= 8;
    if (rows >= 4) rowsVNNI(4, p), p = below(p, 4), rows -= 4;
    for (; rows > 0; rows--, p = below(p, 1)) rowsVNNI(1, p);
}
#endif

void qk_matmul16_tile_at(
    qk_simd level, const int16_t *tile, const float *tileScales, size_t rows, size_t depth, const int16_t *panel,
    const float *panelScales, float *c, size_t cStride, bool adds
) {
    const tileProduct p = {tile, tileScales, depth, panel, panelScales, c, cStride, adds};
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: tileVNNI(p, rows); return;
    case QK_AVX2: tileAVX2(p, rows); return;
#endif
    default: tileScalar(p, rows);
    }
}
