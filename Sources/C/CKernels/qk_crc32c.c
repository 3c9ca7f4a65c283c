#include "qk_crc32c.h"

#include <stdbool.h>
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

#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("sse4.2")))
#define NEXT_WORD(crc, word) _mm_crc32_u64(crc, word)
#define NEXT_BYTE(crc, byte) _mm_crc32_u8(crc, byte)

static bool hasInstruction(void) { return __builtin_cpu_supports("sse4.2"); }
#else
#include <arm_acle.h>

#define TARGET __attribute__((target("crc")))
#define NEXT_WORD(crc, word) __crc32cd((uint32_t)(crc), word)
#define NEXT_BYTE(crc, byte) __crc32cb(crc, byte)

#if defined(__linux__)
#include <sys/auxv.h>

// As in the kernel's asm/hwcap.h.
enum { HAS_CRC32 = 1 << 7 };
static bool hasInstruction(void) { return getauxval(AT_HWCAP) & HAS_CRC32; }
#elif defined(__ARM_FEATURE_CRC32)
static bool hasInstruction(void) { return true; }
#else
static bool hasInstruction(void) { return false; }
#endif
#endif

/// Streams of this many bytes are run three at a time: the crc32 instruction takes 3 cycles but starts every cycle. Long
/// ones come first, because memory is prefetched along a stream and not past the next page: 22 GB/s of data in memory
/// with streams of 32 KiB, 13 with 4 KiB.
enum { LONG_STREAM = 32768, SHORT_STREAM = 1024 };

/// `shiftFactor` of one and of two streams.
typedef struct {
    size_t byteCount;
    uint32_t one, two;
} stream_shift;

static stream_shift shifts[2];

__attribute__((constructor)) static void makeShifts(void) {
    shifts[0] = (stream_shift){LONG_STREAM, shiftFactor(LONG_STREAM), shiftFactor(2 * LONG_STREAM)};
    shifts[1] = (stream_shift){SHORT_STREAM, shiftFactor(SHORT_STREAM), shiftFactor(2 * SHORT_STREAM)};
}

TARGET static uint32_t oneStream(uint32_t crc, const uint8_t *p, size_t byteCount) {
    uint64_t state = crc;
    for (; byteCount >= 8; byteCount -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = NEXT_WORD(state, word);
    }
    crc = (uint32_t)state;
    for (; byteCount != 0; byteCount--) crc = NEXT_BYTE(crc, *p++);
    return crc;
}

/// The three streams that begin at `p`.
TARGET static uint32_t threeStreams(uint32_t crc, const uint8_t *p, const stream_shift *shift) {
    const size_t stride = shift->byteCount;
    uint64_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < stride; i += 8) {
        uint64_t x, y, z;
        memcpy(&x, p + i, 8);
        memcpy(&y, p + stride + i, 8);
        memcpy(&z, p + 2 * stride + i, 8);
        a = NEXT_WORD(a, x);
        b = NEXT_WORD(b, y);
        c = NEXT_WORD(c, z);
    }
    return multiply(shift->two, (uint32_t)a) ^ multiply(shift->one, (uint32_t)b) ^ (uint32_t)c;
}

TARGET static uint32_t crc32c_fast(uint32_t crc, const uint8_t *p, size_t byteCount) {
    crc = ~crc;
    for (int i = 0; i < 2; i++) {
        const size_t taken = 3 * shifts[i].byteCount;
        for (; byteCount >= taken; byteCount -= taken, p += taken) crc = threeStreams(crc, p, &shifts[i]);
    }
    return ~oneStream(crc, p, byteCount);
}

uint32_t qk_crc32c(uint32_t crc, const void *bytes, size_t byteCount) {
    if (hasInstruction()) return crc32c_fast(crc, bytes, byteCount);
    return qk_crc32c_scalar(crc, bytes, byteCount);
}

#else

uint32_t qk_crc32c(uint32_t crc, const void *bytes, size_t byteCount) {
    return qk_crc32c_scalar(crc, bytes, byteCount);
}

#endif
