/// Passes over values that only look: for what is not finite, and for the largest magnitudes of blocks.
#ifndef QK_SCAN_H
#define QK_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "qk_float.h"
#include "qk_simd.h"

/// Index of the first NaN or infinity among `count` values of a type that has them (not QK_F8_E4M3, whose values are
/// taken for finite); `count` where all are finite.
size_t qk_firstNonfinite(qk_float type, const void *values, size_t count);
size_t qk_firstNonfinite_at(qk_simd level, qk_float type, const void *values, size_t count);

/// For every block of `blockSize` values begun: the largest |reference| and the largest |actual - reference|.
///
/// The difference is rounded once to float32. A NaN counts as larger than any number.
void qk_blockMaxima(
    const float *reference, const float *actual, size_t count, size_t blockSize, float *absmax, float *largestError);
void qk_blockMaxima_at(
    qk_simd level, const float *reference, const float *actual, size_t count, size_t blockSize, float *absmax,
    float *largestError);

#endif
