/// Private: codes as numbers, of a piece of a row that stays in the nearest cache.
#ifndef QK_GROUPED_NUMBERS_H
#define QK_GROUPED_NUMBERS_H

#include <stdbool.h>

#include "qk_grouped.h"
#include "qk_levels.h"

/// Elements of a piece: a multiple of 32, and of what words hold of codes of any width.
enum { PIECE = 1920 };

/// Codes of 8 or less bits, eight of which take `bits` bytes.
QK_INLINE void streamOfWidth(unsigned bits, const uint8_t *restrict bytes, size_t count, float *restrict values) {
    const uint64_t mask = (1u << bits) - 1;
    size_t i = 0;
    for (; i + 8 <= count; i += 8, bytes += bits) {
        uint64_t eight = 0;
        memcpy(&eight, bytes, bits);
        for (size_t j = 0; j < 8; j++) values[i + j] = (float)(int32_t)(eight >> bits * j & mask);
    }
    if (i == count) return;
    uint64_t rest = 0;
    memcpy(&rest, bytes, ((count - i) * bits + 7) / 8);
    for (size_t j = 0; i + j < count; j++) values[i + j] = (float)(int32_t)(rest >> bits * j & mask);
}

QK_INLINE void streamOfNibbles(const uint8_t *restrict bytes, size_t count, float *restrict values) {
    uint8_t codes[PIECE];
    for (size_t i = 0; i < count / 2; i++) {
        codes[2 * i] = bytes[i] & 15;
        codes[2 * i + 1] = bytes[i] >> 4;
    }
    if (count % 2 != 0) codes[count - 1] = bytes[count / 2] & 15;
    for (size_t i = 0; i < count; i++) values[i] = (float)codes[i];
}

QK_INLINE void stream(unsigned bits, const uint8_t *restrict bytes, size_t count, float *restrict values) {
    switch (bits) {
    case 1: streamOfWidth(1, bytes, count, values); return;
    case 2: streamOfWidth(2, bytes, count, values); return;
    case 3: streamOfWidth(3, bytes, count, values); return;
    case 4: streamOfNibbles(bytes, count, values); return;
    case 5: streamOfWidth(5, bytes, count, values); return;
    case 6: streamOfWidth(6, bytes, count, values); return;
    case 7: streamOfWidth(7, bytes, count, values); return;
    case 8:
        for (size_t i = 0; i < count; i++) values[i] = (float)bytes[i];
        return;
    }
    __builtin_trap();
}

QK_INLINE void words(unsigned bits, const uint8_t *restrict bytes, size_t count, float *restrict values) {
    const uint32_t mask = (1u << bits) - 1;
    const size_t inWord = 32 / bits;
    for (size_t i = 0; i < count; i += inWord, bytes += 4) {
        // Of the last word, as many bytes as there are codes for.
        const size_t here = count - i < inWord ? count - i : inWord;
        uint32_t word = 0;
        memcpy(&word, bytes, (here * bits + 7) / 8);
        for (size_t j = 0; j < here; j++) values[i + j] = (float)(int32_t)(word >> bits * j & mask);
    }
}

QK_INLINE void ofBytes(unsigned bits, unsigned shift, const uint8_t *restrict bytes, size_t count, float *restrict values) {
    const uint8_t mask = (uint8_t)((1u << bits) - 1);
    for (size_t i = 0; i < count; i++) values[i] = (float)(bytes[i] >> shift & mask);
}

QK_INLINE void ofWords(unsigned bits, unsigned shift, const uint8_t *restrict bytes, size_t count, float *restrict values) {
    const uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, bytes + 4 * i, 4);
        values[i] = (float)(int32_t)(word >> shift & mask);
    }
}

/// The upper half of the float32 of each 4-bit float.
static const uint16_t upperE2M1[16] = {0x0000, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0,
                                       0x8000, 0xbf00, 0xbf80, 0xbfc0, 0xc000, 0xc040, 0xc080, 0xc0c0};

QK_INLINE float valueOfE2M1(uint8_t code) { return floatOf((uint32_t)upperE2M1[code] << 16); }

#if defined(__x86_64__)
/// Of whole 32 elements; returns how many these were.
QK_TARGET_AVX2 static inline size_t valuesOfE2M1AVX2(const uint8_t *bytes, size_t count, float *values) {
    // Both bytes of the upper half, by code.
    const __m128i low = _mm_setr_epi8(
        0x00, 0x00, (char)0x80, (char)0xc0, 0x00, 0x40, (char)0x80, (char)0xc0, 0x00, 0x00, (char)0x80, (char)0xc0, 0x00, 0x40,
        (char)0x80, (char)0xc0);
    const __m128i high = _mm_setr_epi8(
        0x00, 0x3f, 0x3f, 0x3f, 0x40, 0x40, 0x40, 0x40, (char)0x80, (char)0xbf, (char)0xbf, (char)0xbf, (char)0xc0, (char)0xc0,
        (char)0xc0, (char)0xc0);
    const __m128i nibble = _mm_set1_epi8(15);
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        const __m128i pairs = _mm_loadu_si128((const __m128i *)(bytes + i / 2));
        const __m128i even = _mm_and_si128(pairs, nibble), odd = _mm_and_si128(_mm_srli_epi16(pairs, 4), nibble);
        const __m128i codes[2] = {_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd)};
        for (size_t j = 0; j < 2; j++) {
            const __m128i lower = _mm_shuffle_epi8(low, codes[j]), upper = _mm_shuffle_epi8(high, codes[j]);
            const __m256i first = _mm256_cvtepu16_epi32(_mm_unpacklo_epi8(lower, upper));
            const __m256i second = _mm256_cvtepu16_epi32(_mm_unpackhi_epi8(lower, upper));
            _mm256_storeu_ps(values + i + 16 * j, _mm256_castsi256_ps(_mm256_slli_epi32(first, 16)));
            _mm256_storeu_ps(values + i + 16 * j + 8, _mm256_castsi256_ps(_mm256_slli_epi32(second, 16)));
        }
    }
    return i;
}
#endif

QK_INLINE void valuesOfE2M1(qk_simd level, const uint8_t *restrict bytes, size_t count, float *restrict values) {
    size_t i = 0;
#if defined(__x86_64__)
    if (level != QK_SCALAR) i = valuesOfE2M1AVX2(bytes, count, values);
#endif
    (void)level;
    for (; i < count; i++) values[i] = valueOfE2M1(bytes[i / 2] >> 4 * (i % 2) & 15);
}

/// Numbers of codes, from the one at `first` on, which is a multiple of 32 and of what a word holds.
QK_INLINE void numbers(qk_simd level, qk_grouped format, const uint8_t *codes, size_t first, size_t count, float *values) {
    switch (format.kind) {
    case QK_CODES_STREAM: stream(format.bits, codes + first / 8 * format.bits, count, values); return;
    case QK_CODES_WORDS: words(format.bits, codes + first / (32 / format.bits) * 4, count, values); return;
    case QK_CODES_OF_BYTES: ofBytes(format.bits, format.shift, codes + first, count, values); return;
    case QK_CODES_OF_WORDS: ofWords(format.bits, format.shift, codes + 4 * first, count, values); return;
    case QK_CODES_I8:
        for (size_t i = 0; i < count; i++) values[i] = (float)(int8_t)codes[first + i];
        return;
    case QK_CODES_E2M1: valuesOfE2M1(level, codes + first / 2, count, values); return;
    case QK_CODES_E4M3: qk_widen_at(level, QK_F8_E4M3, codes + first, count, values); return;
    case QK_CODES_E5M2: qk_widen_at(level, QK_F8_E5M2, codes + first, count, values); return;
    }
    __builtin_trap();
}

/// From this size on that is faster, at least where 16 bits a value are wanted.
enum { SMALLEST_TABLE_GROUP = 32 };

/// Whether groups, and what is decoded of the first, begin with a byte.
QK_INLINE bool isByTable(qk_grouped format, size_t start) {
    const bool isNibbles = format.kind == QK_CODES_E2M1 || (format.kind == QK_CODES_STREAM && format.bits == 4);
    return isNibbles && format.groupSize >= SMALLEST_TABLE_GROUP && format.groupSize % 2 == 0 && start % 2 == 0;
}

QK_INLINE void numbersOfCodes(qk_codeKind kind, float numbers[16]) {
    for (size_t code = 0; code < 16; code++)
        numbers[code] = kind == QK_CODES_E2M1 ? valueOfE2M1((uint8_t)code) : (float)(int32_t)code;
}

#endif
