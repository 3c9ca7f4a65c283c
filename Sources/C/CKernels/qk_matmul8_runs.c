#include "qk_matmul8_parts.h"

// A part of one row of weights against a few rows of x.

QK_INLINE float constantAt(const codeRun *run, size_t row, size_t g) {
    return run->hasTables ? run->tables[row][run->constantCodes[row][g]] : run->constants[row][g];
}

QK_INLINE void addRunScalar(const codeRun *run, const byteRun *x, float sums[][LANES]) {
    for (size_t row = 0; row < run->rowCount; row++) {
        for (size_t t = 0; t < x->rowCount; t++, sums++) {
            for (size_t g = 0; g < run->groupCount; g++) {
                const uint8_t *pairs = run->pairs[row] + HALF_GROUP * g;
                const byteGroup *group = x->groups + g * x->rowCount + t;
                for (size_t lane = 0; lane < LANES; lane++) {
                    int32_t sum = 0;
                    for (size_t i = 4 * lane; i < 4 * lane + 4; i++)
                        sum += run->codes[pairs[i] >> 4] * group->even[i] + run->codes[pairs[i] & 15] * group->odd[i];
                    (*sums)[lane] = __builtin_fmaf((float)(sum * group->pairs[2 * lane]), constantAt(run, row, g), (*sums)[lane]);
                }
            }
        }
    }
}

#if defined(__x86_64__)
#define QK_TARGET_AVXVNNI __attribute__((target("avx2,fma,f16c,avxvnni")))

/// From the codes that are read to those that are fetched.
enum { PREFETCHED = 6144 };

/// Defines `name(run, x, sums)`, with the numbers of rows as constants in each of its loops. `table` becomes what codes are looked up
/// in, and `dots(even, odd, group)` the 8 lanes of a group times m.
#define QK_DEFINE_RUN(name, target, table, dots) \
    target QK_INLINE void name##Group( \
        const codeRun *run, const byteRun *x, size_t g, bool hasTables, size_t rows, size_t vectors, __m256i codes, __m256 totals[VECTORS] \
    ) { \
        const __m256i nibble = _mm256_set1_epi8(15); \
        UNROLL for (size_t row = 0; row < rows; row++) { \
            const __m256i both = _mm256_loadu_si256((const __m256i *)(run->pairs[row] + HALF_GROUP * g)); \
            const __m256i even = _mm256_shuffle_epi8(codes, _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble)); \
            const __m256i odd = _mm256_shuffle_epi8(codes, _mm256_and_si256(both, nibble)); \
            const float *constant = run->constants[row] + g; \
            if (hasTables) constant = run->tables[row] + run->constantCodes[row][g]; \
            const __m256 constants = _mm256_broadcast_ss(constant); \
            UNROLL for (size_t t = 0; t < vectors; t++) { \
                const __m256 lanes = dots(even, odd, x->groups + g * vectors + t); \
                totals[row * vectors + t] = _mm256_fmadd_ps(lanes, constants, totals[row * vectors + t]); \
            } \
        } \
    } \
    target QK_INLINE void name##Of( \
        const codeRun *run, const byteRun *x, bool hasTables, size_t rows, size_t vectors, float sums[][LANES] \
    ) { \
        const __m256i codes = _mm256_broadcastsi128_si256(table(_mm_loadu_si128((const __m128i *)run->codes))); \
        __m256 totals[VECTORS]; \
        UNROLL for (size_t i = 0; i < rows * vectors; i++) totals[i] = _mm256_loadu_ps(sums[i]); \
        size_t g = 0; \
        for (; g + 2 <= run->groupCount; g += 2) { \
            if (vectors == 1) \
                UNROLL for (size_t row = 0; row < rows; row++) __builtin_prefetch(run->pairs[row] + HALF_GROUP * g + PREFETCHED, 0, 3); \
            name##Group(run, x, g, hasTables, rows, vectors, codes, totals); \
            name##Group(run, x, g + 1, hasTables, rows, vectors, codes, totals); \
        } \
        if (g < run->groupCount) name##Group(run, x, g, hasTables, rows, vectors, codes, totals); \
        UNROLL for (size_t i = 0; i < rows * vectors; i++) _mm256_storeu_ps(sums[i], totals[i]); \
    } \
    target static void name(const codeRun *run, const byteRun *x, float sums[][LANES]) { \
        if (run->rowCount == DUO && run->hasTables) { \
            name##Of(run, x, true, DUO, 1, sums); \
            return; \
        } \
        if (run->rowCount == DUO) { \
            name##Of(run, x, false, DUO, 1, sums); \
            return; \
        } \
        if (x->rowCount == VECTORS && run->hasTables) { \
            name##Of(run, x, true, 1, VECTORS, sums); \
            return; \
        } \
        switch (x->rowCount) { \
        case 1: name##Of(run, x, false, 1, 1, sums); return; \
        case 2: name##Of(run, x, false, 1, 2, sums); return; \
        case 3: name##Of(run, x, false, 1, 3, sums); return; \
        default: name##Of(run, x, false, 1, VECTORS, sums); \
        } \
    }

/// Signs go to the codes: magnitudes are unsigned.
QK_TARGET_AVX2 QK_INLINE __m256 dotsAVX2(__m256i even, __m256i odd, const byteGroup *group) {
    const __m256i *magnitudes = (const __m256i *)group->magnitudes;
    const __m256i x = _mm256_loadu_si256((const __m256i *)group->even), other = _mm256_loadu_si256((const __m256i *)group->odd);
    const __m256i first = _mm256_maddubs_epi16(_mm256_loadu_si256(magnitudes), _mm256_sign_epi8(even, x));
    const __m256i second = _mm256_maddubs_epi16(_mm256_loadu_si256(magnitudes + 1), _mm256_sign_epi8(odd, other));
    const __m256i factors = _mm256_loadu_si256((const __m256i *)group->pairs);
    return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(first, factors), _mm256_madd_epi16(second, factors)));
}

QK_TARGET_VNNI QK_INLINE __m256 dotsVNNI(__m256i even, __m256i odd, const byteGroup *group) {
    const __m256i x = _mm256_loadu_si256((const __m256i *)group->even), other = _mm256_loadu_si256((const __m256i *)group->odd);
    const __m256i starts = _mm256_loadu_si256((const __m256i *)group->starts);
    const __m256i sums = _mm256_dpbusd_epi32(_mm256_dpbusd_epi32(starts, even, x), odd, other);
    return _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(group->factors));
}

QK_TARGET_AVXVNNI QK_INLINE __m256 dotsAVXVNNI(__m256i even, __m256i odd, const byteGroup *group) {
    const __m256i x = _mm256_loadu_si256((const __m256i *)group->even), other = _mm256_loadu_si256((const __m256i *)group->odd);
    const __m256i starts = _mm256_loadu_si256((const __m256i *)group->starts);
    const __m256i sums = _mm256_dpbusd_avx_epi32(_mm256_dpbusd_avx_epi32(starts, even, x), odd, other);
    return _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(group->factors));
}

QK_TARGET_AVX2 QK_INLINE __m128i signedCodes(__m128i codes) { return codes; }
QK_TARGET_AVX2 QK_INLINE __m128i unsignedCodes(__m128i codes) { return _mm_xor_si128(codes, _mm_set1_epi8(-128)); }

QK_DEFINE_RUN(addRunAVX2, QK_TARGET_AVX2, signedCodes, dotsAVX2)
QK_DEFINE_RUN(addRunVNNI, QK_TARGET_VNNI, unsignedCodes, dotsVNNI)
QK_DEFINE_RUN(addRunAVXVNNI, QK_TARGET_AVXVNNI, unsignedCodes, dotsAVXVNNI)
#endif

bool qk_matmul8_isVNNI(qk_simd level) {
#if defined(__x86_64__)
    return level == QK_AVX512 || (level == QK_AVX2 && __builtin_cpu_supports("avxvnni"));
#else
    (void)level;
    return false;
#endif
}

void qk_matmul8_addRun(qk_simd level, const codeRun *run, const byteRun *x, float sums[][LANES]) {
#if defined(__x86_64__)
    if (level == QK_AVX512) addRunVNNI(run, x, sums);
    else if (level == QK_AVX2 && qk_matmul8_isVNNI(level)) addRunAVXVNNI(run, x, sums);
    else if (level == QK_AVX2) addRunAVX2(run, x, sums);
    else addRunScalar(run, x, sums);
#else
    (void)level;
    addRunScalar(run, x, sums);
#endif
}
