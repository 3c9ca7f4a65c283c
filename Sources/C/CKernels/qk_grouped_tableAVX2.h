/// Private: codes of 4 bits, with the 16 values of a group in registers.
#ifndef QK_GROUPED_TABLE_AVX2_H
#define QK_GROUPED_TABLE_AVX2_H

#include "qk_grouped_numbers.h"

QK_TARGET_AVX2 QK_INLINE __m256 roundEight(qk_float type, __m256 values) {
    switch (type) {
    case QK_F16: return _mm256_cvtph_ps(narrowEightF16(values));
    case QK_BF16: return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrowEightBF16(values)), 16));
    default: return values;
    }
}

/// Eight of the values of a group.
QK_TARGET_AVX2 QK_INLINE __m256 computeEight(qk_grouped format, __m256 numbers, __m256 scale, __m256 offset) {
    switch (format.arithmetic) {
    case QK_SCALED: return _mm256_mul_ps(numbers, scale);
    case QK_SCALED_THEN_MOVED:
        return roundEight(format.rounding, _mm256_add_ps(roundEight(format.rounding, _mm256_mul_ps(numbers, scale)), offset));
    case QK_MOVED_THEN_SCALED:
        return roundEight(format.rounding, _mm256_mul_ps(roundEight(format.rounding, _mm256_sub_ps(numbers, offset)), scale));
    case QK_SCALED_TWICE: return _mm256_mul_ps(_mm256_mul_ps(numbers, scale), offset);
    }
    __builtin_trap();
}

/// Bytes to the codes of the first and the second half of them, in order.
typedef struct {
    __m128i first, second;
} codePair;

QK_TARGET_AVX2 QK_INLINE codePair codesOfBytes(__m128i pairs) {
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i even = _mm_and_si128(pairs, nibble), odd = _mm_and_si128(_mm_srli_epi16(pairs, 4), nibble);
    return (codePair){_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd)};
}

/// Looks up 16-bit values, whose two bytes are in tables of their own.
QK_TARGET_AVX2 QK_INLINE void lookUpHalves(__m128i low, __m128i high, const uint8_t *codes, size_t count, uint16_t *values) {
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        const codePair pair = codesOfBytes(_mm_loadu_si128((const __m128i *)(codes + i / 2)));
        const __m128i lower[2] = {_mm_shuffle_epi8(low, pair.first), _mm_shuffle_epi8(low, pair.second)};
        const __m128i upper[2] = {_mm_shuffle_epi8(high, pair.first), _mm_shuffle_epi8(high, pair.second)};
        UNROLL for (size_t j = 0; j < 2; j++) {
            _mm_storeu_si128((__m128i *)(values + i + 16 * j), _mm_unpacklo_epi8(lower[j], upper[j]));
            _mm_storeu_si128((__m128i *)(values + i + 16 * j + 8), _mm_unpackhi_epi8(lower[j], upper[j]));
        }
    }
    if (i == count) return;
    uint8_t lowBytes[16], highBytes[16];
    _mm_storeu_si128((__m128i *)lowBytes, low);
    _mm_storeu_si128((__m128i *)highBytes, high);
    for (; i < count; i++) {
        const size_t code = codes[i / 2] >> 4 * (i % 2) & 15;
        values[i] = (uint16_t)(highBytes[code] << 8 | lowBytes[code]);
    }
}

QK_TARGET_AVX2 QK_INLINE void lookUpFloats(__m256 lower, __m256 upper, const uint8_t *codes, size_t count, float *values) {
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint32_t word;
        memcpy(&word, codes + i / 2, 4);
        // Three bits choose from eight values, the fourth becomes the sign that chooses between these.
        const __m256i eight = _mm256_srlv_epi32(_mm256_set1_epi32((int)word), shifts);
        const __m256 isUpper = _mm256_castsi256_ps(_mm256_slli_epi32(eight, 28));
        const __m256 a = _mm256_permutevar8x32_ps(lower, eight), b = _mm256_permutevar8x32_ps(upper, eight);
        _mm256_storeu_ps(values + i, _mm256_blendv_ps(a, b, isUpper));
    }
    if (i == count) return;
    float table[16];
    _mm256_storeu_ps(table, lower);
    _mm256_storeu_ps(table + 8, upper);
    for (; i < count; i++) values[i] = table[codes[i / 2] >> 4 * (i % 2) & 15];
}

QK_TARGET_AVX2 static inline void byTableAVX2(
    qk_grouped format, const uint8_t *codes, size_t start, size_t count, const float *scales, const float *offsets, qk_float type,
    uint8_t *values) {
    float numbers[16];
    numbersOfCodes(format.kind, numbers);
    const __m256 first = _mm256_loadu_ps(numbers), second = _mm256_loadu_ps(numbers + 8);
    const __m128i lowByte = _mm_set1_epi16(0xff);
    for (size_t done = 0, index = 0; done < count; start = 0, index++) {
        const size_t left = format.groupSize - start, here = count - done < left ? count - done : left;
        const __m256 scale = _mm256_set1_ps(scales[index]), offset = _mm256_set1_ps(offsets ? offsets[index] : 0);
        const __m256 lower = computeEight(format, first, scale, offset), upper = computeEight(format, second, scale, offset);
        if (type == QK_F32) {
            lookUpFloats(lower, upper, codes + done / 2, here, (float *)(void *)values + done);
        } else {
            const bool isF16 = type == QK_F16;
            const __m128i a = isF16 ? narrowEightF16(lower) : narrowEightBF16(lower);
            const __m128i b = isF16 ? narrowEightF16(upper) : narrowEightBF16(upper);
            const __m128i low = _mm_packus_epi16(_mm_and_si128(a, lowByte), _mm_and_si128(b, lowByte));
            const __m128i high = _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
            lookUpHalves(low, high, codes + done / 2, here, (uint16_t *)(void *)values + done);
        }
        done += here;
    }
}

#endif
