#include "qk_simd.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

// As in the kernel's asm/hwcap.h; older headers lack the second.
enum { HAS_DOT = 1 << 20, HAS_I8MM = 1 << 13 };
#endif

/// Of this processor, whatever is asked for.
static qk_simd highest(void) {
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c"))
        return QK_SCALAR;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq")
        || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vbmi2")
        || !__builtin_cpu_supports("avx512vnni"))
        return QK_AVX2;
    return QK_AVX512;
#elif defined(__aarch64__) && defined(__linux__)
    if (!(getauxval(AT_HWCAP) & HAS_DOT)) return QK_NEON;
    return getauxval(AT_HWCAP2) & HAS_I8MM ? QK_NEON_I8MM : QK_NEON_DOT;
#elif defined(__aarch64__)
    return QK_NEON;
#else
    return QK_SCALAR;
#endif
}

/// Whether a processor with level `best` has `level`, too.
static bool isBelow(qk_simd level, qk_simd best) {
    return level == QK_SCALAR || (level <= best && (level >= QK_NEON) == (best >= QK_NEON));
}

/// The level that QNF_SIMD names: QK_SIMD_COUNT where it is not set, -1 where it is none of this processor's.
static int named(void) {
    const char *name = getenv("QNF_SIMD");
    if (!name || !*name) return QK_SIMD_COUNT;
    for (int level = 0; level < QK_SIMD_COUNT; level++)
        if (strcasecmp(name, qk_simd_name((qk_simd)level)) == 0 && isBelow((qk_simd)level, highest())) return level;
    return -1;
}

/// Looked up once; two threads that do so at once find the same.
static int limit(void) {
    enum { UNKNOWN = -2 };
    static _Atomic int found = UNKNOWN;
    int level = atomic_load_explicit(&found, memory_order_relaxed);
    if (level != UNKNOWN) return level;
    level = named();
    atomic_store_explicit(&found, level, memory_order_relaxed);
    return level;
}

qk_simd qk_simd_best(void) { return limit() < 0 || limit() == QK_SIMD_COUNT ? highest() : (qk_simd)limit(); }

bool qk_simd_isLimited(void) { return limit() != QK_SIMD_COUNT; }

bool qk_simd_isUnderstood(void) { return limit() >= 0; }

bool qk_simd_supports(qk_simd level) { return isBelow(level, qk_simd_best()); }

const char *qk_simd_name(qk_simd level) {
    static const char *const names[QK_SIMD_COUNT] = {"scalar", "AVX2", "AVX-512", "NEON", "NEON+dot", "NEON+i8mm"};
    return names[level];
}
