#include "qk_crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82F63B78u

/// Byte k of table[j] is the CRC of the byte k followed by j zero bytes ("slicing by 8").
static uint32_t table[8][256];

__attribute__((constructor)) static void makeTable(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
        table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int j = 1; j < 8; j++) table[j][i] = (table[j - 1][i] >> 8) ^ table[0][table[j - 1][i] & 255];
}

uint32_t qk_crc32c_scalar(uint32_t crc, const void *bytes, size_t byteCount) {
    const uint8_t *p = bytes;
    crc = ~crc;
    while (byteCount >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word ^= crc;
        crc = 0;
        for (int j = 0; j < 8; j++) crc ^= table[7 - j][(word >> (8 * j)) & 255];
        p += 8;
        byteCount -= 8;
    }
    while (byteCount--) crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 255];
    return ~crc;
}

/// a * b modulo the polynomial, bits reflected (bit 31 is x^0).
static uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (uint32_t m = 1u << 31; m != 0; m >>= 1) {
        if (a & m) product ^= b;
        b = (b >> 1) ^ (b & 1 ? POLYNOMIAL : 0);
    }
    return product;
}

/// x^(8 * byteCount) modulo the polynomial, by repeated squaring.
static uint32_t shiftFactor(uint64_t byteCount) {
    uint32_t factor = 1u << 31;   // x^0
    uint32_t square = 1u << 23;   // x^8
    for (; byteCount != 0; byteCount >>= 1) {
        if (byteCount & 1) factor = multiply(factor, square);
        square = multiply(square, square);
    }
    return factor;
}

uint32_t qk_crc32c_combine(uint32_t crcA, uint32_t crcB, uint64_t byteCountB) {
    return multiply(shiftFactor(byteCountB), crcA) ^ crcB;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("sse4.2")))

/// Streams of this many bytes are run three at a time: the crc32 instruction takes 3 cycles but starts every cycle.
enum { STRIDE = 4096 };

TARGET static uint32_t oneStream(uint32_t crc, const uint8_t *p, size_t byteCount) {
    uint64_t state = crc;
    for (; byteCount >= 8; byteCount -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = _mm_crc32_u64(state, word);
    }
    crc = (uint32_t)state;
    for (; byteCount != 0; byteCount--) crc = _mm_crc32_u8(crc, *p++);
    return crc;
}

TARGET static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p, size_t byteCount) {
    static uint32_t shiftOne, shiftTwo;   // same values whoever writes them first
    crc = ~crc;
    if (byteCount >= 3 * STRIDE) {
        uint32_t one = __atomic_load_n(&shiftOne, __ATOMIC_RELAXED), two = __atomic_load_n(&shiftTwo, __ATOMIC_RELAXED);
        if (one == 0 || two == 0) {
            one = shiftFactor(STRIDE);
            two = shiftFactor(2 * STRIDE);
            __atomic_store_n(&shiftOne, one, __ATOMIC_RELAXED);
            __atomic_store_n(&shiftTwo, two, __ATOMIC_RELAXED);
        }
        for (; byteCount >= 3 * STRIDE; byteCount -= 3 * STRIDE, p += 3 * STRIDE) {
            uint64_t a = crc, b = 0, c = 0;
            for (size_t i = 0; i < STRIDE; i += 8) {
                uint64_t x, y, z;
                memcpy(&x, p + i, 8);
                memcpy(&y, p + STRIDE + i, 8);
                memcpy(&z, p + 2 * STRIDE + i, 8);
                a = _mm_crc32_u64(a, x);
                b = _mm_crc32_u64(b, y);
                c = _mm_crc32_u64(c, z);
            }
            crc = multiply(two, (uint32_t)a) ^ multiply(one, (uint32_t)b) ^ (uint32_t)c;
        }
    }
    return ~oneStream(crc, p, byteCount);
}

uint32_t qk_crc32c(uint32_t crc, const void *bytes, size_t byteCount) {
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, bytes, byteCount);
    return qk_crc32c_scalar(crc, bytes, byteCount);
}

#else

uint32_t qk_crc32c(uint32_t crc, const void *bytes, size_t byteCount) {
    return qk_crc32c_scalar(crc, bytes, byteCount);
}

#endif
