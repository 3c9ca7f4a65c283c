#include "qk_matmul16_parts.h"

// Rows of weights against few rows of x.

/// Rows that are multiplied together, and one piece of their columns.
typedef struct {
    /// Codes or bytes of the piece. Beyond the last row: the last row again.
    const uint8_t *rows[ROWS];
    /// What is read after these rows, from where there are `ROWS` times a group's bytes to ask for with each group.
    const uint8_t *ahead;
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

/// Asks for what comes after a group of all rows, as it lies in memory: the rows are far apart, and hardware sees no order in them.
QK_INLINE void fetchAhead(const rowPiece *p, size_t g, size_t byteCount) {
    const uint8_t *ahead = p->ahead + ROWS * byteCount * g;
    UNROLL for (size_t i = 0; i < ROWS * byteCount; i += 64) __builtin_prefetch(ahead + i, 0, 3);
}

#if defined(__x86_64__)
QK_TARGET_AVX2 QK_INLINE void addPieceAVX2(
    bool areBytes, const rowPiece *p, const int16_t *x, const float *xScales, float sums[ROWS]
) {
    const bytePlanes planes = planesOf(p->values);
    const size_t byteCount = areBytes ? GROUP : GROUP / 2;
    __m256 total = _mm256_loadu_ps(sums);
    for (size_t g = 0; g < p->groupCount; g++) {
        fetchAhead(p, g, byteCount);
        __m256i products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *bytes = p->rows[row] + byteCount * g;
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

QK_TARGET_VNNI QK_INLINE void addGroupVNNI(
    bool areBytes, const rowPiece *p, size_t g, const int16_t *x, const float *xScales, __m256 *total
) {
    const __m256i map = _mm256_loadu_si256((const __m256i *)p->values);
    __m256i products[ROWS];
    fetchAhead(p, g, areBytes ? GROUP : GROUP / 2);
    UNROLL for (size_t row = 0; row < ROWS; row++) {
        __m256i values[4];
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
    fetchAhead(p, g, GROUP / 2);
    fetchAhead(p, g + 1, GROUP / 2);
    UNROLL for (size_t row = 0; row < ROWS; row++) {
        const __m512i codes = _mm512_loadu_si512(p->rows[row] + GROUP / 2 * g);
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

#include "qk_matmul16_dotsAVX2.h"
#include "qk_matmul16_dotsNEON.h"

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
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: addAnyNEON(level, areBytes, p, x, xScales, sums); return;
#endif
    default: addAnyScalar(areBytes, p, x, xScales, sums);
    }
}

/// Rows of x that are multiplied together, of so many that are left.
static size_t rowsAtOnce(qk_simd level, size_t left) {
    if (level != QK_AVX2 || left == 1) return 1;
    return left >= 8 ? 8 : left >= 4 ? 4 : 2;
}

void qk_matmul16_dots_at(
    qk_simd level, const qk_matrix *matrix, size_t firstRow, size_t rowCount, const int16_t *quantized, const float *scales,
    size_t vectorCount, float *y, size_t yStride
) {
    if (matrix->storage == QK_MATRIX_BLOCKS) {
        qk_matmul16_blockDots(level, matrix, firstRow, rowCount, quantized, scales, vectorCount, y, yStride);
        return;
    }
    const bool areBytes = matrix->storage == QK_MATRIX_BYTES;
    const integerMap map = qk_matmul16_integers(matrix);
    const size_t width = qk_matmul16_width(matrix->columnCount), groupCount = width / GROUP;
    const size_t rowBytes = areBytes ? width : width / 2;
    for (size_t start = 0; start < rowCount; start += ROWS) {
        const size_t count = rowCount - start < ROWS ? rowCount - start : ROWS;
        for (size_t t = 0; t < vectorCount; t++) memset(y + t * yStride + start, 0, count * sizeof *y);
        for (size_t first = 0; first < groupCount; first += PIECE_GROUPS) {
            float pieceScales[PIECE_GROUPS * ROWS];
            const size_t firstByte = first * (areBytes ? GROUP : GROUP / 2);
            const uint8_t *ahead = matrix->values + (firstRow + start + ROWS) * rowBytes + ROWS * firstByte;
            rowPiece piece = {{0}, ahead, groupCount - first, pieceScales, map.values};
            if (piece.groupCount > PIECE_GROUPS) piece.groupCount = PIECE_GROUPS;
            for (size_t i = 0; i < ROWS; i++) {
                const size_t row = firstRow + start + (i < count ? i : count - 1);
                piece.rows[i] = matrix->values + row * rowBytes + firstByte;
            }
            qk_matmul16_scalesOfEight(
                level, matrix, map.unit, firstRow + start, count, first * GROUP, piece.groupCount, pieceScales);
            for (size_t t = 0, now; t < vectorCount; t += now) {
                now = rowsAtOnce(level, vectorCount - t);
                float sums[8][ROWS] = {{0}};
                for (size_t i = 0; i < now; i++) memcpy(sums[i], y + (t + i) * yStride + start, count * sizeof *y);
                const int16_t *x = quantized + t * width + first * GROUP;
                const float *xScales = scales + t * groupCount + first;
                if (now == 1) addPiece(level, areBytes, &piece, x, xScales, sums[0]);
#if defined(__x86_64__)
                else addSomeAVX2(areBytes, now, &piece, &(xRows){x, width, xScales, groupCount, sums});
#endif
                for (size_t i = 0; i < now; i++) memcpy(y + (t + i) * yStride + start, sums[i], count * sizeof *y);
            }
        }
    }
}
