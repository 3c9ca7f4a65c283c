/// Which instructions the kernels use. Every kernel gives the same bits on every level.
#ifndef QK_SIMD_H
#define QK_SIMD_H

typedef enum {
    /// Plain C. On arm64 the only level: the compiler turns most of these loops into NEON.
    QK_SCALAR = 0,
    /// AVX2, FMA and F16C (x86-64-v3).
    QK_AVX2 = 1,
    /// AVX-512 F, BW, DQ, VL, VBMI2 and VNNI (Ice Lake and Zen 4 on). Older AVX-512 machines gain little over AVX2.
    QK_AVX512 = 2,
} qk_simd;

/// The highest level that this processor and its operating system support.
///
/// A kernel `qk_x` is `qk_x_at(qk_simd_best(), ...)`; the `_at` form exists so that tests and benchmarks reach every
/// level. Asking for a level above the best one is an illegal instruction.
qk_simd qk_simd_best(void);

#endif
