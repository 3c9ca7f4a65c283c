#include "qk_simd.h"

qk_simd qk_simd_best(void) {
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c"))
        return QK_SCALAR;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq")
        || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vbmi2")
        || !__builtin_cpu_supports("avx512vnni"))
        return QK_AVX2;
    return QK_AVX512;
#else
    return QK_SCALAR;
#endif
}
