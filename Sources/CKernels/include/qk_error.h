/// How far one span of floats is from another, summed over a stream in double precision.
#ifndef QK_ERROR_H
#define QK_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

enum { QK_ERROR_LANES = 8 };

/// Sums so far, all zero at first. Element i of the stream belongs to lane i % 8, whatever the instructions and however
/// the stream is cut into calls, so the sums are the same bits everywhere.
typedef struct {
    double referenceSquares[QK_ERROR_LANES];
    double actualSquares[QK_ERROR_LANES];
    double products[QK_ERROR_LANES];
    /// Of actual - reference.
    double errorSquares[QK_ERROR_LANES];
    double errorMagnitudes[QK_ERROR_LANES];
    double largestError[QK_ERROR_LANES];
    /// Of the first element with the lane's largest error.
    uint64_t largestErrorIndex[QK_ERROR_LANES];
    uint64_t count;
} qk_error_sums;

/// Adds `count` more elements. A NaN makes the sums NaN and is never the largest error.
void qk_error_add(qk_error_sums *sums, const float *reference, const float *actual, size_t count);
void qk_error_add_at(qk_simd level, qk_error_sums *sums, const float *reference, const float *actual, size_t count);

/// Appends the sums of the stream that follows. Streams cut at other places give other last bits.
void qk_error_append(qk_error_sums *sums, const qk_error_sums *next);

typedef struct {
    double referenceSquares, actualSquares, products, errorSquares, errorMagnitudes, largestError;
    /// First of equals; 0 where there is no error.
    uint64_t largestErrorIndex;
} qk_error_totals;

/// The lanes added as ((0+1)+(2+3)) + ((4+5)+(6+7)).
qk_error_totals qk_error_total(const qk_error_sums *sums);

#endif
