#include "qk_sparse.h"

#include "qk_lanesNEON.h"

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

#elif defined(__aarch64__)
QK_INLINE uint64_t placesNEON(const uint8_t *a, const uint8_t *b, size_t length) {
    if (length < 64) return placesScalar(a, b, length);
    const uint8x16_t places = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t differ[4];
    UNROLL for (size_t i = 0; i < 4; i++)
        differ[i] = vbicq_u8(places, vceqq_u8(vld1q_u8(a + 16 * i), vld1q_u8(b + 16 * i)));
    const uint8x16_t pairs = vpaddq_u8(vpaddq_u8(differ[0], differ[1]), vpaddq_u8(differ[2], differ[3]));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(pairs, pairs)), 0);
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

/// All of the 64 bytes that differ at once, without a branch for each.
QK_TARGET_AVX512 static qk_sparse_counts encodeAVX512(
    const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
    const __m512i ones = _mm512_set1_epi8(1);
    const __m512i quarter = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f0e0d0c, 0x0b0a0908, 0x07060504, 0x03020100);
    const __m512i indices = _mm512_add_epi8(
        _mm512_shuffle_i32x4(quarter, quarter, 0),
        _mm512_set_epi32(
            0x30303030, 0x30303030, 0x30303030, 0x30303030, 0x20202020, 0x20202020, 0x20202020, 0x20202020,
            0x10101010, 0x10101010, 0x10101010, 0x10101010, 0, 0, 0, 0));
    qk_sparse_counts counts = {0, 0};
    size_t next = 0;
    for (size_t start = 0; start < count; start += 64) {
        const __mmask64 inside = count - start < 64 ? (1ull << (count - start)) - 1 : ~0ull;
        const __m512i x = _mm512_maskz_loadu_epi8(inside, a + start), y = _mm512_maskz_loadu_epi8(inside, b + start);
        const __mmask64 differ = _mm512_cmpneq_epi8_mask(x, y);
        if (differ == 0) continue;
        size_t gap = start + (size_t)__builtin_ctzll(differ) - next;
        for (; gap >= LONG_GAP; gap -= LONG_GAP) gaps[counts.gapCount++] = LONG_GAP;
        const size_t found = (size_t)__builtin_popcountll(differ);
        const __mmask64 first = ~0ull >> (64 - found);
        const __m512i places = _mm512_maskz_compress_epi8(differ, indices);
        // Each place, moved up by one byte.
        const __m512i before = _mm512_alignr_epi8(places, _mm512_alignr_epi64(places, _mm512_setzero_si512(), 6), 15);
        _mm512_mask_storeu_epi8(gaps + counts.gapCount, first, _mm512_sub_epi8(_mm512_sub_epi8(places, before), ones));
        gaps[counts.gapCount] = (uint8_t)gap;
        _mm512_mask_storeu_epi8(values + counts.valueCount, first, _mm512_maskz_compress_epi8(differ, _mm512_xor_si512(x, y)));
        counts.gapCount += found;
        counts.valueCount += found;
        next = start + 64 - (size_t)__builtin_clzll(differ);
    }
    return counts;
}
#endif

qk_sparse_counts qk_sparse_encode_at(
    qk_simd level, const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
#if defined(__x86_64__)
    if (level == QK_AVX512) return encodeAVX512(a, b, count, gaps, values);
    if (level == QK_AVX2) return encodeAVX2(a, b, count, gaps, values);
#elif defined(__aarch64__)
    if (level >= QK_NEON) return encode(a, b, count, gaps, values, placesNEON);
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
