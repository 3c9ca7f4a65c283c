/// Which instructions the kernels use. Every kernel gives the same bits on every level.
#ifndef QK_SIMD_H
#define QK_SIMD_H

#include <stdbool.h>

typedef enum {
    /// Plain C. On arm64 the compiler turns many of these loops into NEON.
    QK_SCALAR = 0,
    /// AVX2, FMA and F16C (x86-64-v3).
    QK_AVX2 = 1,
    /// AVX-512 F, BW, DQ, VL, VBMI2 and VNNI (Ice Lake and Zen 4 on). Older AVX-512 machines gain little over AVX2.
    QK_AVX512 = 2,
    /// NEON, which every arm64 processor has.
    QK_NEON = 3,
    /// NEON with dot products of bytes (SDOT: Cortex-A76, Neoverse N1 and Apple M1 on).
    QK_NEON_DOT = 4,
    /// The same and products of 2 x 8 by 8 x 2 bytes (SMMLA: Neoverse V1, Cortex-A710 and Apple M2 on).
    QK_NEON_I8MM = 5,
} qk_simd;

/// Levels are numbers below this one.
enum { QK_SIMD_COUNT = 6 };

/// The highest level that this processor and its operating system support, or the lower one that the environment names in QNF_SIMD
/// (`avx2`, `scalar`), so that levels can be compared on one machine.
///
/// A kernel `qk_x` is `qk_x_at(qk_simd_best(), ...)`; the `_at` form exists so that tests and benchmarks reach every
/// level. Asking for a level that is not supported is an illegal instruction, or gives wrong results.
qk_simd qk_simd_best(void);

/// Whether QNF_SIMD names a level: instructions beyond it that only some processors have (AVX-VNNI) are not used then.
bool qk_simd_isLimited(void);

/// Whether QNF_SIMD, where it is set, names a level that this processor has.
bool qk_simd_isUnderstood(void);

/// Whether this processor has the level: plain C always, and what lies between it and the best one of its kind.
bool qk_simd_supports(qk_simd level);

/// As people write it: `AVX2`.
const char *qk_simd_name(qk_simd level);

#endif
