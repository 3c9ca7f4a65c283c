#include "qk_statistics.h"

#include "qk_summary.h"

const qk_summary qk_summary_empty = {.minimum = INFINITY, .maximum = -INFINITY};

void qk_summary_append(qk_summary *summary, const qk_summary *next) {
    summary->zeros += next->zeros;
    summary->nans += next->nans;
    summary->positiveInfinities += next->positiveInfinities;
    summary->negativeInfinities += next->negativeInfinities;
    if (next->finite == 0) return;
    const double added = (double)next->finite, both = (double)(summary->finite + next->finite);
    const double difference = next->mean - summary->mean, offset = difference * (added / both);
    if (summary->finite == 0) {
        summary->mean = next->mean;
        summary->squares = next->squares;
    } else {
        summary->mean += offset;
        summary->squares += next->squares + difference * offset * (double)summary->finite;
    }
    summary->finite += next->finite;
    if (next->minimum < summary->minimum) summary->minimum = next->minimum;
    if (next->maximum > summary->maximum) summary->maximum = next->maximum;
}

// The loops know three types; others are widened to float32 a run at a time, which stays in the first-level cache.

QK_INLINE double loadDouble(qk_float type, const uint8_t *source, size_t i) {
    double wide;
    if (type != QK_F64) return loadOne(type, source, i);
    memcpy(&wide, source + 8 * i, 8);
    return wide;
}

QK_INLINE void loadSingles(qk_float type, const uint8_t *source, size_t i, f32x16 *singles) {
    u16x16 halves;
    if (type == QK_F32) {
        memcpy(singles, source + 4 * i, sizeof *singles);
    } else {
        memcpy(&halves, source + 2 * i, sizeof halves);
        const u32x16 bits = __builtin_convertvector(halves, u32x16) << 16;
        memcpy(singles, &bits, sizeof *singles);
    }
}

/// Whole vectors of a run of QK_F32 or QK_BF16, about a shift of 0. False where not all elements are finite: `s` is useless then.
QK_INLINE bool addVectors(qk_float type, const uint8_t *source, size_t count, qk_lane_sums *s) {
    // Products of two float32 are exact in double: rounded with the sum or before it, they give the same bits.
    #pragma STDC FP_CONTRACT ON
    f64x16 sums = 0, squares = 0;
    f32x16 minimum = INFINITY, maximum = -INFINITY;
    u32x16 zeros = 0;
    for (size_t i = 0; i < count; i += QK_SUMMARY_LANES) {
        f32x16 x;
        loadSingles(type, source, i, &x);
        minimum = x < minimum ? x : minimum;
        maximum = x > maximum ? x : maximum;
        zeros = x == 0 ? zeros + 1 : zeros;
        const f64x16 wide = __builtin_convertvector(x, f64x16);
        sums += wide;
        squares += wide * wide;
    }
    memcpy(s->sums, &sums, sizeof sums);
    memcpy(s->squares, &squares, sizeof squares);
    for (size_t lane = 0; lane < QK_SUMMARY_LANES; lane++) {
        if (minimum[lane] < s->minimum) s->minimum = minimum[lane];
        if (maximum[lane] > s->maximum) s->maximum = maximum[lane];
        s->zeros += zeros[lane];
    }
    s->finite = count;
    // A NaN or an infinity never leaves a sum again.
    return isFinite(laneSum(s->sums));
}

QK_INLINE void addEach(qk_float type, const uint8_t *source, size_t start, size_t count, qk_lane_sums *s) {
    for (size_t i = start; i < count; i++) addToLane(s, i % QK_SUMMARY_LANES, loadDouble(type, source, i), 1);
}

QK_INLINE qk_summary summarizeRun(qk_float type, const uint8_t *source, size_t count) {
    const qk_lane_sums empty = {.minimum = INFINITY, .maximum = -INFINITY};
    size_t done = type == QK_F64 ? 0 : count / QK_SUMMARY_LANES * QK_SUMMARY_LANES;
    qk_lane_sums s = empty;
    if (done > 0 && !addVectors(type, source, done, &s)) {
        s = empty;
        done = 0;
    }
    addEach(type, source, done, count, &s);
    if (!isAccurate(&s)) {
        const double mean = finished(&s).mean;
        s = empty;
        s.shift = isFinite(mean) ? mean : 0;
        addEach(type, source, 0, count, &s);
    }
    return finished(&s);
}

QK_INLINE uint64_t countFarInRun(qk_float type, const uint8_t *source, size_t count, double mean, double distance) {
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++) found += isFar(loadDouble(type, source, i), mean, distance);
    return found;
}

QK_INLINE void addRunToBins(qk_float type, const uint8_t *source, size_t count, qk_bins bins, uint64_t *counts) {
    // Places are found many at a time; only counting goes one by one.
    int32_t places[QK_RUN];
    for (size_t i = 0; i < count; i++) places[i] = placeOf(loadDouble(type, source, i), bins);
    for (size_t i = 0; i < count; i++) {
        if (places[i] >= 0) counts[places[i]]++;
    }
}

/// `function(type, ...)` with the type as a constant.
#define QK_FOR_LOADED(function, type, ...) \
    (type == QK_F32 ? function(QK_F32, __VA_ARGS__) \
        : type == QK_BF16 ? function(QK_BF16, __VA_ARGS__) : function(QK_F64, __VA_ARGS__))

/// The loops as they are compiled for one level.
#define QK_DEFINE_LEVEL(level, target) \
    target static qk_summary summarizeRun##level(qk_float type, const uint8_t *source, size_t count) { \
        return QK_FOR_LOADED(summarizeRun, type, source, count); \
    } \
    target static uint64_t countFar##level(qk_float type, const uint8_t *source, size_t count, double mean, double distance) { \
        return QK_FOR_LOADED(countFarInRun, type, source, count, mean, distance); \
    } \
    target static void addToBins##level( \
        qk_float type, const uint8_t *source, size_t count, qk_bins bins, uint64_t *counts \
    ) { \
        QK_FOR_LOADED(addRunToBins, type, source, count, bins, counts); \
    }

QK_DEFINE_LEVEL(Scalar, )
#if defined(__x86_64__)
QK_DEFINE_LEVEL(AVX2, QK_TARGET_AVX2)
QK_DEFINE_LEVEL(AVX512, QK_TARGET_AVX512)
#define QK_AT_LEVEL(function, level, ...) \
    (level == QK_AVX512 ? function##AVX512(__VA_ARGS__) \
        : level == QK_AVX2 ? function##AVX2(__VA_ARGS__) : function##Scalar(__VA_ARGS__))
#else
#define QK_AT_LEVEL(function, level, ...) ((void)level, function##Scalar(__VA_ARGS__))
#endif

/// A run of a type that the loops know.
typedef struct {
    qk_float type;
    const uint8_t *source;
    size_t count;
} qk_loaded;

/// Elements `start` and following, through `widened`, which takes a run, where their type is none of the three.
static qk_loaded loadRun(
    qk_simd level, qk_float type, const void *source, size_t start, size_t count, float widened[QK_RUN]
) {
    const uint8_t *elements = (const uint8_t *)source + start * qk_float_byteCount(type);
    const size_t length = count - start < QK_RUN ? count - start : QK_RUN;
    if (type == QK_F32 || type == QK_BF16 || type == QK_F64) return (qk_loaded){type, elements, length};
    qk_widen_at(level, type, elements, length, widened);
    return (qk_loaded){QK_F32, (const uint8_t *)widened, length};
}

void qk_summarize_at(qk_simd level, qk_float type, const void *source, size_t count, qk_summary *runs) {
    float widened[QK_RUN];
    for (size_t start = 0; start < count; start += QK_RUN) {
        const qk_loaded run = loadRun(level, type, source, start, count, widened);
        *runs++ = QK_AT_LEVEL(summarizeRun, level, run.type, run.source, run.count);
    }
}

uint64_t qk_count_far_at(
    qk_simd level, qk_float type, const void *source, size_t count, double mean, double distance
) {
    float widened[QK_RUN];
    uint64_t found = 0;
    for (size_t start = 0; start < count; start += QK_RUN) {
        const qk_loaded run = loadRun(level, type, source, start, count, widened);
        found += QK_AT_LEVEL(countFar, level, run.type, run.source, run.count, mean, distance);
    }
    return found;
}

void qk_histogram_at(
    qk_simd level, qk_float type, const void *source, size_t count, qk_bins bins, uint64_t *counts
) {
    float widened[QK_RUN];
    for (size_t start = 0; start < count; start += QK_RUN) {
        const qk_loaded run = loadRun(level, type, source, start, count, widened);
        QK_AT_LEVEL(addToBins, level, run.type, run.source, run.count, bins, counts);
    }
}

void qk_summarize(qk_float type, const void *source, size_t count, qk_summary *runs) {
    qk_summarize_at(qk_simd_best(), type, source, count, runs);
}

uint64_t qk_count_far(qk_float type, const void *source, size_t count, double mean, double distance) {
    return qk_count_far_at(qk_simd_best(), type, source, count, mean, distance);
}

void qk_histogram(qk_float type, const void *source, size_t count, qk_bins bins, uint64_t *counts) {
    qk_histogram_at(qk_simd_best(), type, source, count, bins, counts);
}
