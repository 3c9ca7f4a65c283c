#include "qk_simd.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

// As in the kernel's asm/hwcap.h; older headers lack the second.
enum { HAS_DOT = 1 << 20, HAS_I8MM = 1 << 13 };
#endif

qk_simd qk_simd_best(void) {
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

bool qk_simd_supports(qk_simd level) {
    const qk_simd best = qk_simd_best();
    if (level == QK_SCALAR) return true;
    return level <= best && (level >= QK_NEON) == (best >= QK_NEON);
}

const char *qk_simd_name(qk_simd level) {
    static const char *const names[QK_SIMD_COUNT] = {"scalar", "AVX2", "AVX-512", "NEON", "NEON+dot", "NEON+i8mm"};
    return names[level];
}
