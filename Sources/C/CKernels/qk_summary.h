/// Private: the sums of a run of elements, and what the statistics of dense and of 4-bit elements share.
#ifndef QK_SUMMARY_H
#define QK_SUMMARY_H

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "qk_lanes.h"
#include "qk_statistics.h"

// Vectors that the compiler maps to the registers of each level. Every operation on them is one of IEEE 754 on each lane,
// so that one source gives the same bits on all levels. Functions take them by address: the registers of an argument
// would depend on the level.
typedef uint16_t u16x16 __attribute__((ext_vector_type(16)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16)));
typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef double f64x16 __attribute__((ext_vector_type(16)));

/// A run in progress: element i is in lane i % 16.
typedef struct {
    /// The sums are of what an element is more than this.
    double shift;
    double sums[QK_SUMMARY_LANES], squares[QK_SUMMARY_LANES];
    double minimum, maximum;
    uint64_t finite, zeros, nans, positiveInfinities, negativeInfinities;
} qk_lane_sums;

QK_INLINE bool isFinite(double x) { return x - x == 0; }

QK_INLINE double laneSum(const double v[QK_SUMMARY_LANES]) {
    double half[QK_SUMMARY_LANES / 2];
    for (size_t lane = 0; lane < QK_SUMMARY_LANES / 2; lane++) half[lane] = v[lane] + v[lane + QK_SUMMARY_LANES / 2];
    return ((half[0] + half[1]) + (half[2] + half[3])) + ((half[4] + half[5]) + (half[6] + half[7]));
}

/// Adds `count` elements of value `x` to one lane.
QK_INLINE void addToLane(qk_lane_sums *s, size_t lane, double x, uint64_t count) {
    if (!isFinite(x)) {
        *(x != x ? &s->nans : x > 0 ? &s->positiveInfinities : &s->negativeInfinities) += count;
        return;
    }
    const double difference = x - s->shift, product = (double)count * difference;
    s->sums[lane] += product;
    s->squares[lane] += product * difference;
    if (x < s->minimum) s->minimum = x;
    if (x > s->maximum) s->maximum = x;
    s->finite += count;
    if (x == 0) s->zeros += count;
}

/// Whether mean and spread come out to 10 digits. Where the mean is more than 32 times the standard deviation, the
/// difference of two sums loses too many of them, and the run is summed up again with the mean as shift.
QK_INLINE bool isAccurate(const qk_lane_sums *s) {
    if (s->finite == 0 || s->minimum == s->maximum) return true;
    const double sum = laneSum(s->sums), squares = laneSum(s->squares);
    return squares - sum * (sum / (double)s->finite) >= squares / 1024;
}

QK_INLINE qk_summary finished(const qk_lane_sums *s) {
    qk_summary run = {
        .finite = s->finite, .minimum = s->minimum, .maximum = s->maximum, .zeros = s->zeros, .nans = s->nans,
        .positiveInfinities = s->positiveInfinities, .negativeInfinities = s->negativeInfinities,
    };
    if (run.finite == 0) return run;
    // Of zeros of both signs which one comes first depends on the lanes.
    if (run.minimum == 0) run.minimum = 0;
    if (run.maximum == 0) run.maximum = 0;
    // Equal elements have a mean and no spread, whatever was rounded on the way.
    if (run.minimum == run.maximum) {
        run.mean = run.minimum;
        return run;
    }
    const double sum = laneSum(s->sums), offset = sum / (double)run.finite, squares = laneSum(s->squares) - sum * offset;
    run.mean = s->shift + offset;
    run.squares = squares > 0 ? squares : 0;
    return run;
}

/// Whether `x` is finite and further from `mean` than `distance`.
QK_INLINE bool isFar(double x, double mean, double distance) {
    const double magnitude = fabs(x - mean);
    return magnitude > distance && magnitude <= DBL_MAX;
}

/// The bin of `x`; -1 where it is not finite.
QK_INLINE int32_t placeOf(double x, qk_bins bins) {
    const double place = (x - bins.lowest) * bins.binsPerUnit, last = (double)(bins.binCount - 1);
    const double inside = place > 0 ? (place < last ? place : last) : 0;
    return isFinite(x) ? (int32_t)inside : -1;
}

#endif
