#include "qk_sparse.h"

#include "qk_lanes.h"

enum { LONG_GAP = 255 };

/// XORs up to 64 bytes; a bit for each that is not zero.
static uint64_t differingPlaces(const uint8_t *a, const uint8_t *b, size_t length, uint8_t *bytes) {
    uint64_t places = 0;
    size_t i = 0;
#if defined(__x86_64__)
    // SSE2, which every such processor has.
    for (; i + 16 <= length; i += 16) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(a + i)), y = _mm_loadu_si128((const __m128i *)(b + i));
        _mm_storeu_si128((__m128i *)(bytes + i), _mm_xor_si128(x, y));
        places |= (uint64_t)(uint16_t)~_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) << i;
    }
#endif
    for (; i < length; i++) {
        bytes[i] = a[i] ^ b[i];
        places |= (uint64_t)(bytes[i] != 0) << i;
    }
    return places;
}

qk_sparse_counts qk_sparse_encode(const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
    qk_sparse_counts counts = {0, 0};
    size_t next = 0;  // The first byte that no gap covers yet.
    for (size_t start = 0; start < count; start += 64) {
        const size_t length = count - start < 64 ? count - start : 64;
        uint8_t bytes[64];
        uint64_t places = differingPlaces(a + start, b + start, length, bytes);
        while (places != 0) {
            const size_t byte = (size_t)__builtin_ctzll(places), place = start + byte;
            while (place - next >= LONG_GAP) {
                gaps[counts.gapCount++] = LONG_GAP;
                next += LONG_GAP;
            }
            gaps[counts.gapCount++] = (uint8_t)(place - next);
            values[counts.valueCount++] = bytes[byte];
            next = place + 1;
            places &= places - 1;
        }
    }
    return counts;
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
