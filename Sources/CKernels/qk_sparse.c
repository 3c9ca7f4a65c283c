#include "qk_sparse.h"

#include "qk_lanes.h"

enum { LONG_GAP = 255 };

typedef uint64_t places_function(const uint8_t *a, const uint8_t *b, size_t length);

/// A bit for each of up to 64 bytes that differ.
QK_INLINE uint64_t placesScalar(const uint8_t *a, const uint8_t *b, size_t length) {
    uint64_t places = 0;
    for (size_t i = 0; i < length; i++) places |= (uint64_t)(a[i] != b[i]) << i;
    return places;
}

#if defined(__x86_64__)
QK_TARGET_AVX2 QK_INLINE uint64_t placesAVX2(const uint8_t *a, const uint8_t *b, size_t length) {
    if (length < 64) return placesScalar(a, b, length);
    const __m256i low = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
    const __m256i high = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(a + 32)), _mm256_loadu_si256((const __m256i *)(b + 32)));
    return ~((uint64_t)(uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32);
}

QK_TARGET_AVX512 QK_INLINE uint64_t placesAVX512(const uint8_t *a, const uint8_t *b, size_t length) {
    const __mmask64 mask = length < 64 ? (1ull << length) - 1 : ~0ull;
    return _mm512_mask_cmpneq_epi8_mask(mask, _mm512_maskz_loadu_epi8(mask, a), _mm512_maskz_loadu_epi8(mask, b));
}
#endif

QK_INLINE qk_sparse_counts encode(
    const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values, places_function *places) {
    qk_sparse_counts counts = {0, 0};
    size_t next = 0;  // The first byte that no gap covers yet.
    for (size_t start = 0; start < count; start += 64) {
        const size_t length = count - start < 64 ? count - start : 64;
        for (uint64_t left = places(a + start, b + start, length); left != 0; left &= left - 1) {
            const size_t place = start + (size_t)__builtin_ctzll(left);
            while (place - next >= LONG_GAP) {
                gaps[counts.gapCount++] = LONG_GAP;
                next += LONG_GAP;
            }
            gaps[counts.gapCount++] = (uint8_t)(place - next);
            values[counts.valueCount++] = a[place] ^ b[place];
            next = place + 1;
        }
    }
    return counts;
}

#if defined(__x86_64__)
QK_TARGET_AVX2 static qk_sparse_counts encodeAVX2(
    const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
    return encode(a, b, count, gaps, values, placesAVX2);
}

QK_TARGET_AVX512 static qk_sparse_counts encodeAVX512(
    const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
    return encode(a, b, count, gaps, values, placesAVX512);
}
#endif

qk_sparse_counts qk_sparse_encode_at(
    qk_simd level, const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
#if defined(__x86_64__)
    if (level == QK_AVX512) return encodeAVX512(a, b, count, gaps, values);
    if (level == QK_AVX2) return encodeAVX2(a, b, count, gaps, values);
#endif
    (void)level;
    return encode(a, b, count, gaps, values, placesScalar);
}

qk_sparse_counts qk_sparse_encode(const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
    return qk_sparse_encode_at(qk_simd_best(), a, b, count, gaps, values);
}

int qk_sparse_apply(
    const uint8_t *gaps, size_t gapCount, const uint8_t *values, size_t valueCount, uint8_t *bytes, size_t count) {
    size_t place = 0, used = 0;
    for (size_t i = 0; i < gapCount; i++) {
        if (count - place < gaps[i]) return 0;
        place += gaps[i];
        if (gaps[i] == LONG_GAP) continue;
        if (place == count || used == valueCount || values[used] == 0) return 0;
        bytes[place++] ^= values[used++];
    }
    return used == valueCount;
}
