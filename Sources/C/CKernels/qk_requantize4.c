#include "qk_requantize4.h"

#include "qk_grouped_numbers.h"
#include "qk_quantize4_search.h"

enum { LARGEST_BLOCK = 4096 };

bool qk_requantize4_takes(qk_grouped format, size_t blockSize) {
    return isByTable(format, 0) && blockSize >= 64 && blockSize <= LARGEST_BLOCK && format.groupSize % blockSize == 0;
}

/// One call.
typedef struct {
    qk_grouped format;
    const uint8_t *source;
    size_t start, count;
    const float *scales, *offsets;
    qk_float type;
    qk_code4 code;
    size_t blockSize;
    uint8_t *packed;
    float *absmax;
} requantization;

#if defined(__x86_64__)
#include "qk_grouped_tableAVX2.h"

/// Of 32 bytes of two codes: bit c is set where code c is among them, in pieces that are yet to be joined.
typedef struct {
    __m256i lower, upper;
} presence;

QK_TARGET_AVX2 QK_INLINE presence addCodes(presence p, __m256i codes) {
    // One bit for each of codes 0 to 7, and for each of 8 to 15.
    const __m256i lower = _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i upper = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, -128));
    p.lower = _mm256_or_si256(p.lower, _mm256_shuffle_epi8(lower, codes));
    p.upper = _mm256_or_si256(p.upper, _mm256_shuffle_epi8(upper, codes));
    return p;
}

QK_TARGET_AVX2 QK_INLINE __m256i evenCodes(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }
QK_TARGET_AVX2 QK_INLINE __m256i oddCodes(__m256i bytes) {
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
}

/// Magnitudes, as bits, of those of eight values whose bit is set.
QK_TARGET_AVX2 QK_INLINE __m256i magnitudesOf(__m256 values, int present) {
    const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i isPresent = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(present), bits), bits);
    return _mm256_and_si256(_mm256_and_si256(_mm256_castps_si256(values), _mm256_set1_epi32(0x7fffffff)), isPresent);
}

/// The largest magnitude, as bits, of the values whose codes are in a block.
QK_TARGET_AVX2 QK_INLINE uint32_t largestOfBlock(const uint8_t *source, size_t byteCount, __m256 lower, __m256 upper) {
    presence p = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t i = 0; i < byteCount; i += 32) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(source + i));
        p = addCodes(addCodes(p, evenCodes(bytes)), oddCodes(bytes));
    }
    // The 32 bytes of each become one: bytes 0 and 8 of `joined`.
    const __m128i a = _mm_or_si128(_mm256_castsi256_si128(p.lower), _mm256_extracti128_si256(p.lower, 1));
    const __m128i b = _mm_or_si128(_mm256_castsi256_si128(p.upper), _mm256_extracti128_si256(p.upper, 1));
    __m128i joined = _mm_or_si128(_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b));
    joined = _mm_or_si128(joined, _mm_srli_epi64(joined, 32));
    joined = _mm_or_si128(joined, _mm_srli_epi64(joined, 16));
    joined = _mm_or_si128(joined, _mm_srli_epi64(joined, 8));
    const int ofLower = _mm_extract_epi8(joined, 0), ofUpper = _mm_extract_epi8(joined, 8);
    return largestAVX2(_mm256_max_epi32(magnitudesOf(lower, ofLower), magnitudesOf(upper, ofUpper)));
}

/// The codes of 16 intervals, in both halves.
QK_TARGET_AVX2 QK_INLINE __m256i tableOf(const search_avx2 *search, __m256i lower, __m256i upper) {
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(lower, upper), 0xd8);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    return _mm256_broadcastsi128_si256(_mm_shuffle_epi8(_mm256_castsi256_si128(search->codes), bytes));
}

/// The values of the group that a block is of.
typedef struct {
    size_t group;
    /// Elements of it from the next block on.
    size_t left;
    __m256 lower, upper;
} groupValues;

QK_TARGET_AVX2 QK_INLINE void computeGroup(groupValues *values, const requantization *q, const float numbers[16]) {
    const __m256 scale = _mm256_set1_ps(q->scales[values->group]);
    const __m256 offset = _mm256_set1_ps(q->offsets ? q->offsets[values->group] : 0);
    values->lower = roundEight(q->type, computeEight(q->format, _mm256_loadu_ps(numbers), scale, offset));
    values->upper = roundEight(q->type, computeEight(q->format, _mm256_loadu_ps(numbers + 8), scale, offset));
}

QK_TARGET_AVX2 QK_INLINE groupValues valuesOfBlock(const requantization *q, const float numbers[16], size_t block) {
    const size_t size = q->format.groupSize, place = q->start + block * q->blockSize;
    groupValues values = {.group = place / size - q->start / size, .left = size - place % size};
    computeGroup(&values, q, numbers);
    return values;
}

/// Those of the next block, if there is one.
QK_TARGET_AVX2 QK_INLINE void advance(groupValues *values, const requantization *q, const float numbers[16], bool isLast) {
    values->left -= q->blockSize;
    if (values->left > 0 || isLast) return;
    values->group++;
    values->left = q->format.groupSize;
    computeGroup(values, q, numbers);
}

/// Blocks up to the first with a value that is not finite; returns how many these were.
///
/// In two passes: a block is a long chain of operations that wait for each other, of which more fit side by side if they are halved.
QK_TARGET_AVX2 static size_t finiteBlocksAVX2(const requantization *q, const code_table *table, size_t firstBlock) {
    const search_avx2 search = makeSearchAVX2(table);
    const size_t blockCount = q->count / q->blockSize, byteCount = q->blockSize / 2;
    float numbers[16];
    numbersOfCodes(q->format.kind, numbers);
    groupValues values = valuesOfBlock(q, numbers, firstBlock);
    size_t end = firstBlock;
    for (; end < blockCount; advance(&values, q, numbers, ++end == blockCount)) {
        const uint32_t magnitude = largestOfBlock(q->source + end * byteCount, byteCount, values.lower, values.upper);
        if (magnitude >= INFINITY_BITS) break;
        q->absmax[end] = floatOf(magnitude);
    }
    values = valuesOfBlock(q, numbers, firstBlock);
    for (size_t block = firstBlock; block < end; advance(&values, q, numbers, ++block == end)) {
        // Values that are not in the block may be anything: nobody looks them up.
        const __m256 reciprocal = _mm256_set1_ps(1 / divisorOf(bitsOf(q->absmax[block])));
        const __m256i codes = tableOf(
            &search, intervalsAVX2(&search, _mm256_mul_ps(values.lower, reciprocal)),
            intervalsAVX2(&search, _mm256_mul_ps(values.upper, reciprocal)));
        for (size_t i = block * byteCount; i < (block + 1) * byteCount; i += 32) {
            const __m256i bytes = _mm256_loadu_si256((const __m256i *)(q->source + i));
            const __m256i high = _mm256_shuffle_epi8(codes, evenCodes(bytes)), low = _mm256_shuffle_epi8(codes, oddCodes(bytes));
            _mm256_storeu_si256((__m256i *)(q->packed + i), _mm256_or_si256(_mm256_slli_epi16(high, 4), low));
        }
    }
    return end - firstBlock;
}
#endif

/// One block, decoded and quantized.
static size_t oneBlock(qk_simd level, const requantization *q, size_t block) {
    float values[LARGEST_BLOCK];
    const size_t first = block * q->blockSize, place = q->start + first, group = q->format.groupSize;
    const size_t passed = place / group - q->start / group;
    qk_grouped_decode_at(
        level, q->format, q->source + first / 2, place % group, q->blockSize, q->scales + passed,
        q->offsets ? q->offsets + passed : NULL, q->type, values);
    return qk_quantize4_at(
        level, q->code, q->type, values, q->blockSize, q->blockSize, q->packed + first / 2, q->absmax + block);
}

size_t qk_requantize4_at(
    qk_simd level, qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets,
    qk_float type, qk_code4 code, size_t blockSize, uint8_t *packed, float *absmax
) {
    const requantization q = {format, codes, start, count, scales, offsets, type, code, blockSize, packed, absmax};
    const size_t blockCount = count / blockSize;
    size_t firstNonFinite = count;
    for (size_t block = 0; block < blockCount; block++) {
#if defined(__x86_64__)
        if (level != QK_SCALAR) {
            code_table table;
            memcpy(table.thresholds, qk_quantize4_thresholds(code), sizeof table.thresholds);
            memcpy(table.codes, qk_quantize4_codes(code), sizeof table.codes);
            block += finiteBlocksAVX2(&q, &table, block);
            if (block == blockCount) break;
        }
#endif
        const size_t found = oneBlock(level, &q, block);
        if (found < blockSize && firstNonFinite == count) firstNonFinite = block * blockSize + found;
    }
    return firstNonFinite;
}

size_t qk_requantize4(
    qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets, qk_float type,
    qk_code4 code, size_t blockSize, uint8_t *packed, float *absmax
) {
    return qk_requantize4_at(
        qk_simd_best(), format, codes, start, count, scales, offsets, type, code, blockSize, packed, absmax);
}
