#include "qk_sparse.h"

#include "qk_lanes.h"

enum { LONG_GAP = 255 };

qk_sparse_counts qk_sparse_encode(const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values) {
    qk_sparse_counts counts = {0, 0};
    size_t next = 0;  // The first byte that no gap covers yet.
    for (size_t start = 0; start < count; start += 8) {
        const size_t length = count - start < 8 ? count - start : 8;
        uint64_t x = 0, y = 0;
        memcpy(&x, a + start, length);
        memcpy(&y, b + start, length);
        uint64_t bits = x ^ y;
        while (bits != 0) {
            const size_t byte = (size_t)__builtin_ctzll(bits) / 8, place = start + byte;
            while (place - next >= LONG_GAP) {
                gaps[counts.gapCount++] = LONG_GAP;
                next += LONG_GAP;
            }
            gaps[counts.gapCount++] = (uint8_t)(place - next);
            values[counts.valueCount++] = (uint8_t)(bits >> (8 * byte));
            next = place + 1;
            bits &= ~((uint64_t)0xff << (8 * byte));
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
