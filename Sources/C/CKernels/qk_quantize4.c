#include "qk_quantize4.h"

#include <stdbool.h>

#include "qk_quantize4_search.h"

// NF4: (code[i] + code[i + 1]) / 2 in float32. FP4: the same over its values in ascending order; the interval
// (-0.0026, 0] is code 0 and (0, 0.0026] is code 8, the "negative zero".
static const code_table tables[2] = {
    [QK_NF4] = {
        {0xbf591cd8, 0xbf1c5270, 0xbeeb8480, 0xbeadea76, 0xbe703cec, 0xbe0d38bc, 0xbd3a7871, 0x3d22faff,
         0x3df64862, 0x3e5067e0, 0x3e9582d4, 0x3ec753f9, 0x3f006d04, 0x3f248daf, 0x3f5c89da},
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    },
    [QK_FP4] = {
        {0xbf555556, 0xbf155556, 0xbed55556, 0xbe955556, 0xbe555556, 0xbdb00000, 0xbb2aaaab, 0x00000000,
         0x3b2aaaab, 0x3db00000, 0x3e555556, 0x3e955556, 0x3ed55556, 0x3f155556, 0x3f555556},
        {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3},
    },
};

const uint32_t *qk_quantize4_thresholds(qk_code4 code) { return tables[code].thresholds; }

const uint8_t *qk_quantize4_codes(qk_code4 code) { return tables[code].codes; }

/// One call.
typedef struct {
    const code_table *table;
    const uint8_t *source;
    size_t count, blockSize;
    uint8_t *packed;
    float *absmax;
} quantization;

/// Values coded at a time; divides every block size.
enum { GROUP = 32 };

QK_INLINE float clampToUnit(float value) {
    value = value < -1 ? -1 : value;
    return value > 1 ? 1 : value;
}

/// Packs `count` scaled values, with a zero after the last of an odd number.
QK_INLINE void packScalar(const code_table *table, const float *scaled, size_t count, uint8_t *packed) {
    float padded[GROUP] = {0};
    uint32_t intervals[GROUP];
    memcpy(padded, scaled, count * sizeof(float));
    for (int i = 0; i < GROUP; i++) {
        uint32_t interval = 0;
        // "not >=" rather than "<": a NaN is above every threshold.
        for (int k = 0; k < 15; k++) interval += !(floatOf(table->thresholds[k]) >= padded[i]);
        intervals[i] = interval;
    }
    for (size_t k = 0; k < (count + 1) / 2; k++)
        packed[k] = (uint8_t)(table->codes[intervals[2 * k]] << 4 | table->codes[intervals[2 * k + 1]]);
}

/// Largest magnitude as bits: NaN counts above infinity, infinity above everything finite.
QK_INLINE uint32_t magnitudeScalar(qk_float type, const uint8_t *source, size_t start, size_t count) {
    uint32_t largest = 0;
    for (size_t i = start; i < start + count; i++) {
        uint32_t magnitude = bitsOf(loadOne(type, source, i)) & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

/// One whole block: multiplied by the reciprocal.
QK_INLINE void wholeBlockScalar(qk_float type, quantization q, size_t block) {
    size_t start = block * q.blockSize;
    uint32_t magnitude = magnitudeScalar(type, q.source, start, q.blockSize);
    float reciprocal = 1 / divisorOf(magnitude), scaled[GROUP];
    q.absmax[block] = floatOf(magnitude);
    for (size_t i = start; i < start + q.blockSize; i += GROUP) {
        for (size_t j = 0; j < GROUP; j++) scaled[j] = clampToUnit(loadOne(type, q.source, i + j) * reciprocal);
        packScalar(q.table, scaled, GROUP, q.packed + i / 2);
    }
}

/// The last, partial block of a tensor: truly divided.
QK_INLINE void partialBlockScalar(qk_float type, quantization q, size_t block) {
    size_t start = block * q.blockSize;
    float divisor = divisorOf(magnitudeScalar(type, q.source, start, q.count - start)), scaled[GROUP];
    q.absmax[block] = divisor;
    for (size_t i = start; i < q.count; i += GROUP) {
        size_t now = q.count - i < GROUP ? q.count - i : GROUP;
        for (size_t j = 0; j < now; j++) scaled[j] = clampToUnit(loadOne(type, q.source, i + j) / divisor);
        packScalar(q.table, scaled, now, q.packed + i / 2);
    }
}

QK_INLINE size_t indexOfNonFinite(qk_float type, const uint8_t *source, size_t start, size_t end) {
    while (start < end && (bitsOf(loadOne(type, source, start)) & 0x7fffffff) < INFINITY_BITS) start++;
    return start;
}

#if defined(__x86_64__)
/// Whole blocks up to the first with a non-finite value; returns how many that were.
QK_TARGET_AVX2 QK_INLINE size_t finiteBlocksAVX2(qk_float type, quantization q, size_t firstBlock) {
    const search_avx2 search = makeSearchAVX2(q.table);
    const size_t blockCount = q.count / q.blockSize;
    const __m256i magnitudeMask = _mm256_set1_epi32(0x7fffffff);
    for (size_t block = firstBlock; block < blockCount; block++) {
        size_t start = block * q.blockSize, end = start + q.blockSize;
        __m256i magnitudes = _mm256_setzero_si256();
        for (size_t i = start; i < end; i += 8) {
            __m256i bits = _mm256_castps_si256(loadEight(type, q.source, i));
            magnitudes = _mm256_max_epi32(magnitudes, _mm256_and_si256(bits, magnitudeMask));
        }
        uint32_t magnitude = largestAVX2(magnitudes);
        if (magnitude >= INFINITY_BITS) return block - firstBlock;
        q.absmax[block] = floatOf(magnitude);
        // No clamp: 1.0000001 is above the last threshold as 1 is.
        __m256 reciprocal = _mm256_set1_ps(1 / divisorOf(magnitude));
        for (size_t i = start; i < end; i += GROUP) {
            __m256i a = intervalsAVX2(&search, _mm256_mul_ps(loadEight(type, q.source, i), reciprocal));
            __m256i b = intervalsAVX2(&search, _mm256_mul_ps(loadEight(type, q.source, i + 8), reciprocal));
            __m256i c = intervalsAVX2(&search, _mm256_mul_ps(loadEight(type, q.source, i + 16), reciprocal));
            __m256i d = intervalsAVX2(&search, _mm256_mul_ps(loadEight(type, q.source, i + 24), reciprocal));
            _mm_storeu_si128((__m128i *)(q.packed + i / 2), packAVX2(&search, a, b, c, d));
        }
    }
    return blockCount - firstBlock;
}

/// As `search_avx2`, sixteen values wide.
typedef struct {
    __m512 first, second, third, fourth;
    __m512i codes;
} search_avx512;

QK_TARGET_AVX512 QK_INLINE search_avx512 makeSearchAVX512(const code_table *table) {
    const search_avx2 half = makeSearchAVX2(table);
    return (search_avx512){
        _mm512_castsi512_ps(_mm512_set1_epi32((int)table->thresholds[7])),
        _mm512_castps256_ps512(half.second),
        _mm512_castps256_ps512(half.third),
        _mm512_castps256_ps512(half.fourth),
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)table->codes)),
    };
}

/// The sign of the difference is the answer: exact, as subnormals are not flushed and nothing here is NaN.
QK_TARGET_AVX512 QK_INLINE __m512i appendAnswerAVX512(__m512i interval, __m512 scaled, __m512 threshold) {
    return _mm512_shldi_epi32(interval, _mm512_castps_si512(_mm512_sub_ps(threshold, scaled)), 1);
}

/// The 8 bytes of 16 scaled values.
QK_TARGET_AVX512 QK_INLINE __m128i packAVX512(const search_avx512 *search, __m512 scaled) {
    __m512i interval = appendAnswerAVX512(_mm512_setzero_si512(), scaled, search->first);
    interval = appendAnswerAVX512(interval, scaled, _mm512_permutexvar_ps(interval, search->second));
    interval = appendAnswerAVX512(interval, scaled, _mm512_permutexvar_ps(interval, search->third));
    interval = appendAnswerAVX512(interval, scaled, _mm512_permutexvar_ps(interval, search->fourth));
    __m512i codes = _mm512_permutexvar_epi32(interval, search->codes);
    // In each 64-bit lane the even value is the lower half: its code goes above that of the odd one.
    return _mm512_cvtepi64_epi8(_mm512_or_si512(_mm512_slli_epi32(codes, 4), _mm512_srli_epi64(codes, 32)));
}

QK_TARGET_AVX512 QK_INLINE size_t finiteBlocksAVX512(qk_float type, quantization q, size_t firstBlock) {
    const search_avx512 search = makeSearchAVX512(q.table);
    const size_t blockCount = q.count / q.blockSize;
    const __m512i magnitudeMask = _mm512_set1_epi32(0x7fffffff);
    for (size_t block = firstBlock; block < blockCount; block++) {
        size_t start = block * q.blockSize, end = start + q.blockSize;
        __m512i magnitudes = _mm512_setzero_si512();
        for (size_t i = start; i < end; i += 16) {
            __m512i bits = _mm512_castps_si512(loadSixteen(type, q.source, i));
            magnitudes = _mm512_max_epi32(magnitudes, _mm512_and_si512(bits, magnitudeMask));
        }
        uint32_t magnitude = (uint32_t)_mm512_reduce_max_epi32(magnitudes);
        if (magnitude >= INFINITY_BITS) return block - firstBlock;
        q.absmax[block] = floatOf(magnitude);
        __m512 reciprocal = _mm512_set1_ps(1 / divisorOf(magnitude));
        for (size_t i = start; i < end; i += GROUP) {
            __m128i low = packAVX512(&search, _mm512_mul_ps(loadSixteen(type, q.source, i), reciprocal));
            __m128i high = packAVX512(&search, _mm512_mul_ps(loadSixteen(type, q.source, i + 16), reciprocal));
            _mm_storeu_si128((__m128i *)(q.packed + i / 2), _mm_unpacklo_epi64(low, high));
        }
    }
    return blockCount - firstBlock;
}

QK_TARGET_AVX2 static size_t finiteBlocksAnyAVX2(qk_float type, quantization q, size_t firstBlock) {
    QK_RETURN_FOR_STORED(finiteBlocksAVX2, type, q, firstBlock);
}

QK_TARGET_AVX512 static size_t finiteBlocksAnyAVX512(qk_float type, quantization q, size_t firstBlock) {
    QK_RETURN_FOR_STORED(finiteBlocksAVX512, type, q, firstBlock);
}
#endif

#include "qk_quantize4NEON.h"

/// As many whole blocks from `firstBlock` on as vector code can do, which is up to the first with a non-finite value.
static size_t finiteBlocks(qk_simd level, qk_float type, quantization q, size_t firstBlock) {
#if defined(__x86_64__)
    if (level == QK_AVX512) return finiteBlocksAnyAVX512(type, q, firstBlock);
    if (level == QK_AVX2) return finiteBlocksAnyAVX2(type, q, firstBlock);
#elif defined(__aarch64__)
    // FP4's thresholds are too close to one another.
    if (level >= QK_NEON && q.table == &tables[QK_NF4]) return finiteBlocksAnyNEON(type, q, firstBlock);
#endif
    (void)level, (void)type, (void)q, (void)firstBlock;
    return 0;
}

QK_INLINE size_t quantize(qk_float type, qk_simd level, quantization q) {
    const size_t blockCount = q.count / q.blockSize;
    size_t block = 0, firstNonFinite = q.count;
    while ((block += finiteBlocks(level, type, q, block)) < blockCount) {
        wholeBlockScalar(type, q, block);
        if (firstNonFinite == q.count && bitsOf(q.absmax[block]) >= INFINITY_BITS)
            firstNonFinite = indexOfNonFinite(type, q.source, block * q.blockSize, q.count);
        block++;
    }
    if (block * q.blockSize < q.count) {
        partialBlockScalar(type, q, block);
        if (firstNonFinite == q.count)
            firstNonFinite = indexOfNonFinite(type, q.source, block * q.blockSize, q.count);
    }
    return firstNonFinite;
}

size_t qk_quantize4_at(
    qk_simd level, qk_code4 code, qk_float type, const void *source, size_t count, size_t blockSize, uint8_t *packed,
    float *absmax
) {
    const quantization q = {&tables[code], source, count, blockSize, packed, absmax};
    QK_RETURN_FOR_STORED(quantize, type, level, q);
}

size_t qk_quantize4(
    qk_code4 code, qk_float type, const void *source, size_t count, size_t blockSize, uint8_t *packed, float *absmax
) {
    return qk_quantize4_at(qk_simd_best(), code, type, source, count, blockSize, packed, absmax);
}
