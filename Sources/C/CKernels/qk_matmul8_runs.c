#include "qk_matmul8_parts.h"

// A part of one row of weights against a few rows of x.

QK_INLINE const float *constantOf(const codeRun *run, size_t row, size_t g, bool hasTables) {
    return hasTables ? run->tables[row] + run->constantCodes[row][g] : run->constants[row] + g;
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
                    (*sums)[lane] = __builtin_fmaf((float)(sum * group->pairs[2 * lane]), *constantOf(run, row, g, run->hasTables), (*sums)[lane]);
                }
            }
        }
    }
}

#if defined(__x86_64__)
#define QK_TARGET_AVXVNNI __attribute__((target("avx2,fma,f16c,avxvnni")))

/// Asks for what comes after a group of four rows, as it lies in memory: the rows are far apart, and hardware sees no order in them.
QK_INLINE void fetchAhead(const codeRun *run, size_t g) {
    const uint8_t *ahead = run->ahead + QUAD * HALF_GROUP * g;
    __builtin_prefetch(ahead, 0, 3);
    __builtin_prefetch(ahead + 64, 0, 3);
}

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
            const __m256 constants = _mm256_broadcast_ss(constantOf(run, row, g, hasTables)); \
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
        for (size_t g = 0; g < run->groupCount; g++) { \
            if (rows == QUAD) fetchAhead(run, g); \
            name##Group(run, x, g, hasTables, rows, vectors, codes, totals); \
        } \
        UNROLL for (size_t i = 0; i < rows * vectors; i++) _mm256_storeu_ps(sums[i], totals[i]); \
    } \
    target static void name(const codeRun *run, const byteRun *x, float sums[][LANES]) { \
        if (run->rowCount == QUAD && run->hasTables) { \
            name##Of(run, x, true, QUAD, 1, sums); \
            return; \
        } \
        if (run->rowCount == QUAD) { \
            name##Of(run, x, false, QUAD, 1, sums); \
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

/// Of two structures that follow each other.
QK_TARGET_VNNI QK_INLINE __m512i pairOf(const void *first, const void *second) {
    const __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)first));
    return _mm512_inserti64x4(low, _mm256_loadu_si256((const __m256i *)second), 1);
}

/// Four rows with one row of x, two groups at a time.
QK_TARGET_VNNI QK_INLINE void addPairs(const codeRun *run, const byteRun *x, bool hasTables, float sums[][LANES]) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i codes = _mm512_broadcast_i32x4(unsignedCodes(_mm_loadu_si128((const __m128i *)run->codes)));
    __m256 totals[VECTORS];
    UNROLL for (size_t row = 0; row < QUAD; row++) totals[row] = _mm256_loadu_ps(sums[row]);
    size_t g = 0;
    for (; g + 2 <= run->groupCount; g += 2) {
        const byteGroup *pair = x->groups + g;
        const __m512i evenX = pairOf(pair[0].even, pair[1].even), oddX = pairOf(pair[0].odd, pair[1].odd);
        const __m512i starts = pairOf(pair[0].starts, pair[1].starts);
        const __m512 factors = _mm512_castsi512_ps(pairOf(pair[0].factors, pair[1].factors));
        fetchAhead(run, g);
        fetchAhead(run, g + 1);
        UNROLL for (size_t row = 0; row < QUAD; row++) {
            const __m512i both = _mm512_loadu_si512(run->pairs[row] + HALF_GROUP * g);
            const __m512i even = _mm512_shuffle_epi8(codes, _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble));
            const __m512i odd = _mm512_shuffle_epi8(codes, _mm512_and_si512(both, nibble));
            const __m512i dots = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(starts, even, evenX), odd, oddX);
            const __m512 lanes = _mm512_mul_ps(_mm512_cvtepi32_ps(dots), factors);
            const __m256 first = _mm256_broadcast_ss(constantOf(run, row, g, hasTables));
            const __m256 second = _mm256_broadcast_ss(constantOf(run, row, g + 1, hasTables));
            totals[row] = _mm256_fmadd_ps(_mm512_castps512_ps256(lanes), first, totals[row]);
            totals[row] = _mm256_fmadd_ps(_mm512_extractf32x8_ps(lanes, 1), second, totals[row]);
        }
    }
    if (g < run->groupCount) addRunVNNIGroup(run, x, g, hasTables, QUAD, 1, _mm512_castsi512_si256(codes), totals);
    UNROLL for (size_t row = 0; row < QUAD; row++) _mm256_storeu_ps(sums[row], totals[row]);
}

QK_TARGET_VNNI static void addRunAVX512(const codeRun *run, const byteRun *x, float sums[][LANES]) {
    if (run->rowCount != QUAD) addRunVNNI(run, x, sums);
    else if (run->hasTables) addPairs(run, x, true, sums);
    else addPairs(run, x, false, sums);
}
#endif

bool qk_matmul8_isVNNI(qk_simd level) {
#if defined(__x86_64__)
    return level == QK_AVX512 || (level == QK_AVX2 && !qk_simd_isLimited() && __builtin_cpu_supports("avxvnni"));
#else
    (void)level;
    return false;
#endif
}

void qk_matmul8_addRun(qk_simd level, const codeRun *run, const byteRun *x, float sums[][LANES]) {
#if defined(__x86_64__)
    if (level == QK_AVX512) addRunAVX512(run, x, sums);
    else if (level == QK_AVX2 && qk_matmul8_isVNNI(level)) addRunAVXVNNI(run, x, sums);
    else if (level == QK_AVX2) addRunAVX2(run, x, sums);
    else addRunScalar(run, x, sums);
#else
    (void)level;
    addRunScalar(run, x, sums);
#endif
}
