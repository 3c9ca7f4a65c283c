/// What the elements of a tensor are like: range, mean, spread, zeros, values that are not finite, histograms.
#ifndef QK_STATISTICS_H
#define QK_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "qk_float.h"
#include "qk_simd.h"

enum {
    /// Elements that are summed up apart from others.
    QK_RUN = 4096,
    /// Sums are held in lanes: element i of a run belongs to lane i % 16.
    QK_SUMMARY_LANES = 16,
};

/// One run, or several together.
typedef struct {
    /// Elements that are neither NaN nor infinite: all that follows but the last three is about them.
    uint64_t finite;
    double mean;
    /// Sum of (x - mean)^2.
    double squares;
    /// +infinity and -infinity where there is no finite element.
    double minimum, maximum;
    /// Of both signs.
    uint64_t zeros;
    uint64_t nans, positiveInfinities, negativeInfinities;
} qk_summary;

/// No elements.
extern const qk_summary qk_summary_empty;

/// Adds the elements that `next` sums up (Chan, Golub and LeVeque's update of mean and squares).
///
/// Appending the runs of a tensor one after the other loses about one unit in the last place of the mean a run, and the
/// result does not depend on how the tensor was cut into calls as long as each began at a run.
void qk_summary_append(qk_summary *summary, const qk_summary *next);

/// Sums up each run of QK_RUN elements of any stored type; `runs` has one for every run begun.
///
/// One pass adds up x and x^2 in double. Where their sums cancel, the mean being more than 32 standard deviations, a second
/// pass adds up x - mean and its square. Lanes 0 to 7 are added to lanes 8 to 15, then as ((0+1)+(2+3)) + ((4+5)+(6+7)).
void qk_summarize(qk_float type, const void *source, size_t count, qk_summary *runs);
void qk_summarize_at(qk_simd level, qk_float type, const void *source, size_t count, qk_summary *runs);

/// Finite elements whose distance from `mean` is larger than `distance`.
uint64_t qk_count_far(qk_float type, const void *source, size_t count, double mean, double distance);
uint64_t qk_count_far_at(
    qk_simd level, qk_float type, const void *source, size_t count, double mean, double distance);

/// Equal bins. An element is in bin (x - lowest) * binsPerUnit, rounded down; what is below or above is in the first or last.
typedef struct {
    double lowest, binsPerUnit;
    size_t binCount;
} qk_bins;

/// Adds the finite elements to `counts`, one for each bin.
void qk_histogram(qk_float type, const void *source, size_t count, qk_bins bins, uint64_t *counts);
void qk_histogram_at(
    qk_simd level, qk_float type, const void *source, size_t count, qk_bins bins, uint64_t *counts);

#endif
