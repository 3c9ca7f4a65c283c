#include "qk_scan.h"

#include "qk_lanes.h"

/// Values looked at before the loop is left: a loop without an exit in it becomes vectors.
enum { RUN = 1024 };

/// Whether any of the `count` words has all bits of `mask` set, which are those of the exponent.
#define DEFINE_ANY(name, word) \
    QK_INLINE int name(const uint8_t *bytes, size_t count, word mask) { \
        word found = 0; \
        for (size_t i = 0; i < count; i++) { \
            word value; \
            memcpy(&value, bytes + i * sizeof(word), sizeof(word)); \
            found |= (word)((value & mask) == mask); \
        } \
        return found != 0; \
    }

DEFINE_ANY(any8, uint8_t)
DEFINE_ANY(any16, uint16_t)
DEFINE_ANY(any32, uint32_t)
DEFINE_ANY(any64, uint64_t)

QK_INLINE int anyNonfinite(qk_float type, const uint8_t *bytes, size_t count) {
    switch (type) {
    case QK_F32: return any32(bytes, count, 0x7f800000u);
    case QK_F64: return any64(bytes, count, 0x7ff0000000000000u);
    case QK_F16: return any16(bytes, count, 0x7c00);
    case QK_BF16: return any16(bytes, count, 0x7f80);
    case QK_F8_E5M2: return any8(bytes, count, 0x7c);
    case QK_F8_E4M3: return 0;
    }
    __builtin_trap();
}

QK_INLINE size_t firstNonfinite(qk_float type, const uint8_t *bytes, size_t count) {
    const size_t size = qk_float_byteCount(type);
    for (size_t start = 0; start < count; start += RUN) {
        const size_t end = count - start < RUN ? count : start + RUN;
        if (!anyNonfinite(type, bytes + start * size, end - start)) continue;
        for (size_t i = start; i < end; i++)
            if (anyNonfinite(type, bytes + i * size, 1)) return i;
    }
    return count;
}

#if defined(__x86_64__)
QK_TARGET_AVX2 static size_t firstNonfiniteAVX2(qk_float type, const uint8_t *bytes, size_t count) {
    QK_RETURN_FOR_STORED(firstNonfinite, type, bytes, count);
}

QK_TARGET_AVX512 static size_t firstNonfiniteAVX512(qk_float type, const uint8_t *bytes, size_t count) {
    QK_RETURN_FOR_STORED(firstNonfinite, type, bytes, count);
}
#endif

size_t qk_firstNonfinite_at(qk_simd level, qk_float type, const void *values, size_t count) {
#if defined(__x86_64__)
    if (level == QK_AVX512) return firstNonfiniteAVX512(type, values, count);
    if (level == QK_AVX2) return firstNonfiniteAVX2(type, values, count);
#endif
    (void)level;
    return firstNonfinite(type, values, count);
}

size_t qk_firstNonfinite(qk_float type, const void *values, size_t count) {
    return qk_firstNonfinite_at(qk_simd_best(), type, values, count);
}
