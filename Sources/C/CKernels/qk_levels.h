/// Private: the means to compile one loop for every level, and sums that are the same on all of them.
#ifndef QK_LEVELS_H
#define QK_LEVELS_H

#include "qk_lanes.h"
#include "qk_simd.h"

/// Defines `name(level, ...)` from the inlined function `body`, both taking `...`, whose names are `names`; `static` before it
/// makes it private. The compiler vectorises the loops of the body: they use explicit fused multiply-adds and lanes of their
/// own, so that every level gives the same bits.
#define QK_FOR_LEVELS(name, body, names, ...) \
    void name(qk_simd level, __VA_ARGS__); \
    QK_EACH_LEVEL(name, body names, body names, body names, __VA_ARGS__) \
    QK_DISPATCH(name, names, __VA_ARGS__)

/// The same for a body whose first argument is the level, as a constant but for the levels of NEON.
#if !defined(__aarch64__)
#define QK_FOR_LEVELS_OF(name, body, names, ...) \
    void name(qk_simd level, __VA_ARGS__); \
    QK_EACH_LEVEL( \
        name, body(QK_SCALAR, QK_LIST names), body(QK_AVX2, QK_LIST names), body(QK_AVX512, QK_LIST names), __VA_ARGS__) \
    QK_DISPATCH(name, names, __VA_ARGS__)
#else
#define QK_FOR_LEVELS_OF(name, body, names, ...) \
    void name(qk_simd level, __VA_ARGS__); \
    static void name##_scalar(__VA_ARGS__) { body(QK_SCALAR, QK_LIST names); } \
    static void name##_neon(qk_simd level, __VA_ARGS__) { body(level, QK_LIST names); } \
    void name(qk_simd level, __VA_ARGS__) { \
        if (level == QK_SCALAR) name##_scalar names; \
        else name##_neon(level, QK_LIST names); \
    }
#endif

#define QK_LIST(...) __VA_ARGS__
#if defined(__x86_64__)
#define QK_EACH_LEVEL(name, scalar, avx2, avx512, ...) \
    static void name##_scalar(__VA_ARGS__) { scalar; } \
    QK_TARGET_AVX2 static void name##_avx2(__VA_ARGS__) { avx2; } \
    QK_TARGET_AVX512 static void name##_avx512(__VA_ARGS__) { avx512; }
#define QK_DISPATCH(name, names, ...) \
    void name(qk_simd level, __VA_ARGS__) { \
        switch (level) { \
        case QK_AVX512: name##_avx512 names; return; \
        case QK_AVX2: name##_avx2 names; return; \
        default: name##_scalar names; \
        } \
    }
#else
#define QK_EACH_LEVEL(name, scalar, avx2, avx512, ...) static void name##_scalar(__VA_ARGS__) { scalar; }
#define QK_DISPATCH(name, names, ...) \
    void name(qk_simd level, __VA_ARGS__) { \
        (void)level; \
        name##_scalar names; \
    }
#endif

enum { SUM_LANES = 16 };

QK_INLINE double totalOfLanes(const double lanes[SUM_LANES]) {
    double sums[8];
    for (size_t i = 0; i < 8; i++) sums[i] = lanes[i] + lanes[i + 8];
    for (size_t i = 0; i < 4; i++) sums[i] += sums[i + 4];
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

/// Declares `sum`, that of `term` over i from 0 to `count`: in 16 lanes of doubles, element i in lane i % 16.
#define QK_SUM(sum, count, term) \
    double sum; \
    do { \
        double lanes[SUM_LANES] = {0}; \
        size_t first = 0; \
        for (; first + SUM_LANES <= (count); first += SUM_LANES) { \
            for (size_t lane = 0; lane < SUM_LANES; lane++) { \
                const size_t i = first + lane; \
                lanes[lane] += (term); \
            } \
        } \
        for (size_t lane = 0; first + lane < (count); lane++) { \
            const size_t i = first + lane; \
            lanes[lane] += (term); \
        } \
        sum = totalOfLanes(lanes); \
    } while (0)

#endif
