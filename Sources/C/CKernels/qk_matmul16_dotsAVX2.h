/// Private: rows of weights against several rows of x at once, with AVX2: codes are unpacked once for all of them.
#ifndef QK_MATMUL16_DOTSAVX2_H
#define QK_MATMUL16_DOTSAVX2_H

#if defined(__x86_64__)
/// Rows of x, their scales, and their sums with the rows of weights.
typedef struct {
    const int16_t *x;
    /// Elements from row to row.
    size_t stride;
    const float *scales;
    size_t scaleStride;
    float (*sums)[ROWS];
} xRows;

// A vector of sums belongs to 8 / count rows of weights, count rows of x each:
//
//     count 2     row 0 x 0, row 0 x 1, row 1 x 0, row 1 x 1, ...          count 8     row 0 x 0, row 0 x 1, ... row 0 x 7

/// For `count` rows of x, 2, 4 or 8.
QK_TARGET_AVX2 QK_INLINE void addPiecesAVX2(bool areBytes, size_t count, const rowPiece *p, const xRows *xs) {
    const bytePlanes planes = planesOf(p->values);
    const size_t byteCount = areBytes ? GROUP : GROUP / 2, rowsAtOnce = 8 / count;
    __m256 totals[ROWS];
    float lanes[8];
    for (size_t part = 0; part < count; part++) {
        for (size_t i = 0; i < 8; i++) lanes[i] = xs->sums[i % count][part * rowsAtOnce + i / count];
        totals[part] = _mm256_loadu_ps(lanes);
    }
    for (size_t g = 0; g < p->groupCount; g++) {
        fetchAhead(p, g, byteCount);
        const __m256 rowScales = _mm256_loadu_ps(p->scales + ROWS * g);
        const float *s = xs->scales + g;
        const size_t n = xs->scaleStride;
        const __m256 xScales =
            count == 2 ? _mm256_setr_ps(s[0], s[n], s[0], s[n], s[0], s[n], s[0], s[n])
            : count == 4
                ? _mm256_setr_ps(s[0], s[n], s[2 * n], s[3 * n], s[0], s[n], s[2 * n], s[3 * n])
                : _mm256_setr_ps(s[0], s[n], s[2 * n], s[3 * n], s[4 * n], s[5 * n], s[6 * n], s[7 * n]);
        UNROLL for (size_t part = 0; part < count; part++) {
            __m256i products[8];
            UNROLL for (size_t i = 0; i < rowsAtOnce; i++) {
                const uint8_t *bytes = p->rows[part * rowsAtOnce + i] + byteCount * g;
                __m256i values[4];
                if (areBytes) widenBytes(bytes, values);
                else unpackAVX2(planes, bytes, values);
                UNROLL for (size_t t = 0; t < count; t++) {
                    const __m256i *x = (const __m256i *)(xs->x + t * xs->stride + GROUP * g);
                    __m256i sums[4];
                    UNROLL for (size_t j = 0; j < 4; j++) sums[j] = _mm256_madd_epi16(values[j], _mm256_loadu_si256(x + j));
                    products[i * count + t] =
                        _mm256_add_epi32(_mm256_add_epi32(sums[0], sums[1]), _mm256_add_epi32(sums[2], sums[3]));
                }
            }
            const int first = (int)(part * rowsAtOnce), rows = (int)rowsAtOnce;
            const __m256i place = _mm256_setr_epi32(
                first, first + rows / 8, first + 2 * rows / 8, first + 3 * rows / 8, first + 4 * rows / 8, first + 5 * rows / 8,
                first + 6 * rows / 8, first + 7 * rows / 8);
            const __m256 scales = _mm256_mul_ps(_mm256_permutevar8x32_ps(rowScales, place), xScales);
            totals[part] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sumsOfEight(products)), scales, totals[part]);
        }
    }
    for (size_t part = 0; part < count; part++) {
        _mm256_storeu_ps(lanes, totals[part]);
        for (size_t i = 0; i < 8; i++) xs->sums[i % count][part * rowsAtOnce + i / count] = lanes[i];
    }
}

#define QK_DEFINE_SOME(name, areBytes, count) \
    QK_TARGET_AVX2 static void name(const rowPiece *p, const xRows *xs) { addPiecesAVX2(areBytes, count, p, xs); }

QK_DEFINE_SOME(addTwoCodesAVX2, false, 2)
QK_DEFINE_SOME(addFourCodesAVX2, false, 4)
QK_DEFINE_SOME(addEightCodesAVX2, false, 8)
QK_DEFINE_SOME(addTwoBytesAVX2, true, 2)
QK_DEFINE_SOME(addFourBytesAVX2, true, 4)
QK_DEFINE_SOME(addEightBytesAVX2, true, 8)

/// For 2, 4 or 8 rows of x.
static void addSomeAVX2(bool areBytes, size_t count, const rowPiece *p, const xRows *xs) {
    switch (count) {
    case 2: areBytes ? addTwoBytesAVX2(p, xs) : addTwoCodesAVX2(p, xs); return;
    case 4: areBytes ? addFourBytesAVX2(p, xs) : addFourCodesAVX2(p, xs); return;
    default: areBytes ? addEightBytesAVX2(p, xs) : addEightCodesAVX2(p, xs);
    }
}
#endif

#endif
