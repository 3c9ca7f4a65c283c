#include "qk_matmul16_blockPieces.h"

// Rows of blocks against few rows of x with AVX2; with AVX-512, too, as these wait for memory.

#if defined(__x86_64__)
/// Float16 numbers of 8 rows.
QK_TARGET_AVX2 QK_INLINE __m256 halvesOfEight(const uint8_t *const rows[ROWS], size_t offset) {
    __m128i halves = _mm_cvtsi32_si128(shortAt(rows[0] + offset));
    halves = _mm_insert_epi16(halves, (short)shortAt(rows[1] + offset), 1);
    halves = _mm_insert_epi16(halves, (short)shortAt(rows[2] + offset), 2);
    halves = _mm_insert_epi16(halves, (short)shortAt(rows[3] + offset), 3);
    halves = _mm_insert_epi16(halves, (short)shortAt(rows[4] + offset), 4);
    halves = _mm_insert_epi16(halves, (short)shortAt(rows[5] + offset), 5);
    halves = _mm_insert_epi16(halves, (short)shortAt(rows[6] + offset), 6);
    halves = _mm_insert_epi16(halves, (short)shortAt(rows[7] + offset), 7);
    return _mm256_cvtph_ps(halves);
}

/// `fma(float(sums), d * xScale, total)` for 8 rows.
QK_TARGET_AVX2 QK_INLINE __m256 addSpan(__m256i sums, __m256 d, float xScale, __m256 total) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), _mm256_mul_ps(d, _mm256_set1_ps(xScale)), total);
}

QK_TARGET_AVX2 QK_INLINE __m256i productOf(__m256i values, const int16_t *x) {
    return _mm256_madd_epi16(values, _mm256_loadu_si256((const __m256i *)x));
}

/// Nibbles of 16-bit lanes of four: number 0, 1, 2 and 3 of each lane.
QK_TARGET_AVX2 QK_INLINE void nibblesOf(__m256i fours, __m256i nibbles[4]) {
    const __m256i mask = _mm256_set1_epi16(15);
    nibbles[0] = _mm256_and_si256(fours, mask);
    nibbles[1] = _mm256_and_si256(_mm256_srli_epi16(fours, 4), mask);
    nibbles[2] = _mm256_and_si256(_mm256_srli_epi16(fours, 8), mask);
    nibbles[3] = _mm256_srli_epi16(fours, 12);
}

/// Two blocks of 32, one in each half of a register.
QK_TARGET_AVX2 QK_INLINE __m256i bothOf(__m128i first, __m128i second) { return _mm256_set_m128i(second, first); }

/// Fifth bits of two blocks, put to the nibbles: see `fifthBits`.
QK_TARGET_AVX2 QK_INLINE void putFifthBits(uint32_t first, uint32_t second, __m256i n[4]) {
    const __m128i run = _mm_setr_epi16(1, 1 << 2, 1 << 4, 1 << 6, 1 << 8, 1 << 10, 1 << 12, 1 << 14);
    const __m256i even = bothOf(run, run);
    UNROLL for (size_t part = 0; part < 4; part++) {
        const __m256i place = part < 2 ? even : _mm256_slli_epi16(even, 1);
        const __m256i bits = bothOf(
            _mm_set1_epi16((short)(first >> part % 2 * 16)), _mm_set1_epi16((short)(second >> part % 2 * 16)));
        const __m256i isSet = _mm256_cmpeq_epi16(_mm256_and_si256(bits, place), place);
        n[part] = _mm256_or_si256(n[part], _mm256_and_si256(isSet, _mm256_set1_epi16(16)));
    }
}

/// Nibbles are multiplied as they are, and their middle times the sum of x is taken off.
QK_TARGET_AVX2 QK_INLINE void addPieceOfNibbles(blockKind kind, const blockPiece *p, xPiece x, float sums[ROWS]) {
    const size_t blockBytes = bytesOfGroup(kind) / 2, codes = nibblesAt(kind);
    const int32_t middle = middleOf(kind);
    __m256 total = _mm256_loadu_ps(sums);
    for (size_t g = 0; g < p->count / GROUP; g++) {
        const size_t offset = g * 2 * blockBytes;
        __m256i products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, 2 * blockBytes);
            const __m128i first = _mm_loadu_si128((const __m128i *)(block + codes));
            const __m128i second = _mm_loadu_si128((const __m128i *)(block + blockBytes + codes));
            __m256i n[4];
            nibblesOf(bothOf(first, second), n);
            if (hasFifthBits(kind)) putFifthBits(wordAt(block + codes - 4), wordAt(block + blockBytes + codes - 4), n);
            UNROLL for (size_t part = 0; part < 4; part++) n[part] = productOf(n[part], x.values + GROUP * g + 16 * part);
            products[row] = _mm256_add_epi32(_mm256_add_epi32(n[0], n[1]), _mm256_add_epi32(n[2], n[3]));
        }
        const __m256i a = _mm256_hadd_epi32(
            _mm256_hadd_epi32(products[0], products[1]), _mm256_hadd_epi32(products[2], products[3]));
        const __m256i b = _mm256_hadd_epi32(
            _mm256_hadd_epi32(products[4], products[5]), _mm256_hadd_epi32(products[6], products[7]));
        UNROLL for (size_t i = 0; i < 2; i++) {
            const int32_t xSum = x.sums[2 * g + i];
            __m256i block = i == 0 ? _mm256_permute2x128_si256(a, b, 0x20) : _mm256_permute2x128_si256(a, b, 0x31);
            if (middle != 0) block = _mm256_sub_epi32(block, _mm256_set1_epi32(middle * xSum));
            total = addSpan(block, halvesOfEight(p->rows, offset + i * blockBytes), x.scales[g], total);
            if (!hasOffsets(kind)) continue;
            total = addSpan(_mm256_set1_epi32(xSum), halvesOfEight(p->rows, offset + i * blockBytes + 2), x.scales[g], total);
        }
    }
    _mm256_storeu_ps(sums, total);
}

QK_TARGET_AVX2 QK_INLINE void addPieceQ8_0(const blockPiece *p, xPiece x, float sums[ROWS]) {
    __m256 total = _mm256_loadu_ps(sums);
    for (size_t b = 0; b < p->count / 32; b++) {
        const size_t offset = b * BYTES_Q8_0;
        __m256i products[ROWS];
        UNROLL for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, BYTES_Q8_0);
            const __m256i first = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(block + 2)));
            const __m256i second = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(block + 18)));
            products[row] = _mm256_add_epi32(productOf(first, x.values + 32 * b), productOf(second, x.values + 32 * b + 16));
        }
        total = addSpan(sumsOfEight(products), halvesOfEight(p->rows, offset), x.scales[b / 2], total);
    }
    _mm256_storeu_ps(sums, total);
}

/// A block of Q4_K or Q5_K: products by lanes, of each span of which Q5_K has two, and those of its minimums.
QK_TARGET_AVX2 QK_INLINE void productsWithMinimums(
    blockKind kind, const uint8_t *block, const int16_t *x, __m256i xSums, __m256i products[2], __m256i *minimumProducts
) {
    uint64_t packed, packedMinimums;
    packedScales(block, &packed, &packedMinimums);
    int32_t scales[8];
    _mm256_storeu_si256((__m256i *)scales, _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)packed)));
    *minimumProducts = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)packedMinimums)), xSums);
    products[0] = products[1] = _mm256_setzero_si256();
    const __m256i fifths = hasFifthBits(kind) ? _mm256_loadu_si256((const __m256i *)(block + 16)) : _mm256_setzero_si256();
    const __m256i fifth = _mm256_set1_epi16(16);
    const uint8_t *nibbles = block + (hasFifthBits(kind) ? 48 : 16);
    UNROLL for (int k = 0; k < 4; k++) {
        __m256i n[4];
        nibblesOf(_mm256_loadu_si256((const __m256i *)(nibbles + 32 * k)), n);
        UNROLL for (int part = 0; part < 4; part++) {
            // The bit of this part is bit `place` of a lane; it becomes bit 4.
            const int place = 2 * k + part % 2 + part / 2 * 8;
            if (hasFifthBits(kind)) {
                const __m256i bits = place < 4 ? _mm256_slli_epi16(fifths, 4 - place) : _mm256_srli_epi16(fifths, place - 4);
                n[part] = _mm256_or_si256(n[part], _mm256_and_si256(bits, fifth));
            }
            n[part] = productOf(n[part], x + GROUP * k + 16 * part);
        }
        const __m256i lower = _mm256_mullo_epi32(_mm256_add_epi32(n[0], n[2]), _mm256_set1_epi32(scales[2 * k]));
        const __m256i upper = _mm256_mullo_epi32(_mm256_add_epi32(n[1], n[3]), _mm256_set1_epi32(scales[2 * k + 1]));
        const size_t span = (size_t)k * GROUP / spanOf(kind);
        products[span] = _mm256_add_epi32(products[span], _mm256_add_epi32(lower, upper));
    }
}

QK_TARGET_AVX2 QK_INLINE void addPieceWithMinimums(blockKind kind, const blockPiece *p, xPiece x, float sums[ROWS]) {
    const size_t blockBytes = 4 * bytesOfGroup(kind);
    __m256 total = _mm256_loadu_ps(sums);
    for (size_t b = 0; b < p->count / CHUNK; b++) {
        const size_t offset = b * blockBytes;
        const __m256i xSums = _mm256_loadu_si256((const __m256i *)(x.sums + 8 * b));
        __m256i products[2][ROWS], minimumProducts[ROWS];
        for (size_t row = 0; row < ROWS; row++) {
            const uint8_t *block = p->rows[row] + offset;
            fetchAhead(p, row, offset, blockBytes);
            __m256i spans[2];
            productsWithMinimums(kind, block, x.values + CHUNK * b, xSums, spans, &minimumProducts[row]);
            for (size_t i = 0; i < CHUNK / spanOf(kind); i++) products[i][row] = spans[i];
        }
        const float xScale = x.scales[4 * b];
        const __m256 d = halvesOfEight(p->rows, offset);
        for (size_t i = 0; i < CHUNK / spanOf(kind); i++) total = addSpan(sumsOfEight(products[i]), d, xScale, total);
        const __m256 dmin = _mm256_mul_ps(halvesOfEight(p->rows, offset + 2), _mm256_set1_ps(xScale));
        total = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(sumsOfEight(minimumProducts)), dmin, total);
    }
    _mm256_storeu_ps(sums, total);
}

/// Half a block of Q6_K: products by lanes. `scales` are those of its 8 groups of 16.
QK_TARGET_AVX2 QK_INLINE __m256i productsQ6_K(
    const uint8_t *lower, const uint8_t *upper, const uint8_t *scales, const int16_t *x
) {
    const __m256i nibble = _mm256_set1_epi8(15), pair = _mm256_set1_epi8(0x30), middle = _mm256_set1_epi8(32);
    const __m256i low[2] = {_mm256_loadu_si256((const __m256i *)lower), _mm256_loadu_si256((const __m256i *)(lower + 32))};
    const __m256i high = _mm256_loadu_si256((const __m256i *)upper);
    const __m256i pairs[4] = {_mm256_slli_epi16(high, 4), _mm256_slli_epi16(high, 2), high, _mm256_srli_epi16(high, 2)};
    // The lower four lanes of 32 bits belong to the first group of a plane, the upper ones to the second: their scales as the
    // highest byte, which a shift brings down with its sign.
    const __m256i groups = _mm256_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)scales));
    __m256i total = _mm256_setzero_si256();
    UNROLL for (size_t plane = 0; plane < 4; plane++) {
        const __m256i nibbles = plane < 2 ? low[plane] : _mm256_srli_epi16(low[plane - 2], 4);
        const __m256i codes = _mm256_sub_epi8(
            _mm256_or_si256(_mm256_and_si256(nibbles, nibble), _mm256_and_si256(pairs[plane], pair)), middle);
        const int16_t *xPlane = x + plane / 2 * GROUP + plane % 2 * 16;
        const __m256i even = productOf(_mm256_srai_epi16(_mm256_slli_epi16(codes, 8), 8), xPlane);
        const __m256i odd = productOf(_mm256_srai_epi16(codes, 8), xPlane + 32);
        const int first = (int)(2 * plane) << 24 | 0x808080, second = (int)(2 * plane + 1) << 24 | 0x808080;
        const __m256i places = _mm256_setr_epi32(first, first, first, first, second, second, second, second);
        const __m256i scale = _mm256_srai_epi32(_mm256_shuffle_epi8(groups, places), 24);
        total = _mm256_add_epi32(total, _mm256_mullo_epi32(_mm256_add_epi32(even, odd), scale));
    }
    return total;
}

QK_TARGET_AVX2 QK_INLINE void addPieceQ6_K(const blockPiece *p, xPiece x, float sums[ROWS]) {
    __m256 total = _mm256_loadu_ps(sums);
    for (size_t b = 0; b < p->count / CHUNK; b++) {
        const size_t offset = b * BYTES_Q6_K;
        const __m256 d = halvesOfEight(p->rows, offset + 208);
        for (size_t c = 0; c < 2; c++) {
            __m256i products[ROWS];
            for (size_t row = 0; row < ROWS; row++) {
                const uint8_t *block = p->rows[row] + offset;
                fetchAhead(p, row, offset + BYTES_Q6_K / 2 * c, BYTES_Q6_K / 2);
                products[row] = productsQ6_K(
                    block + 64 * c, block + 128 + 32 * c, block + 192 + 8 * c, x.values + CHUNK * b + 128 * c);
            }
            total = addSpan(sumsOfEight(products), d, x.scales[4 * b + 2 * c], total);
        }
    }
    _mm256_storeu_ps(sums, total);
}

QK_TARGET_AVX2 QK_INLINE void addPieceAVX2(blockKind kind, const blockPiece *p, xPiece x, float sums[ROWS]) {
    switch (kind) {
    case IS_Q4_0: case IS_Q4_1: case IS_Q5_0: case IS_Q5_1: addPieceOfNibbles(kind, p, x, sums); return;
    case IS_Q8_0: addPieceQ8_0(p, x, sums); return;
    case IS_Q4_K: case IS_Q5_K: addPieceWithMinimums(kind, p, x, sums); return;
    case IS_Q6_K: addPieceQ6_K(p, x, sums); return;
    }
}

QK_TARGET_AVX2 void qk_matmul16_addPieceAVX2(const qk_matrix *matrix, const blockPiece *piece, xPiece x, float sums[ROWS]) {
    QK_FOR_KINDS(addPieceAVX2, matrix, piece, x, sums)
}
#endif
