/// How far one span of floats is from another, summed over a stream in double precision.
#ifndef QK_ERROR_H
#define QK_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "qk_float.h"
#include "qk_simd.h"
#include "qk_statistics4.h"

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
    double largestError;
    /// Of the first element with the largest error.
    uint64_t largestErrorIndex;
    uint64_t count;
} qk_error_sums;

/// Adds `count` more elements. A NaN makes the sums NaN and is never the largest error.
void qk_error_add(qk_error_sums *sums, const float *reference, const float *actual, size_t count);
void qk_error_add_at(qk_simd level, qk_error_sums *sums, const float *reference, const float *actual, size_t count);

/// Adds `count` elements that are the same on both sides: as `qk_error_add` of them, widened, with themselves.
void qk_error_add_same(qk_error_sums *sums, qk_float type, const void *values, size_t count);
void qk_error_add_same_at(qk_simd level, qk_error_sums *sums, qk_float type, const void *values, size_t count);

/// Adds 4-bit elements, whose reference is stored as `type`: as `qk_error_add` of both as float32. The stream so far is a
/// multiple of QK_ERROR_LANES.
///
/// For every block begun, it also tells the largest |reference|, for which a NaN counts as larger than any number, and
/// the largest |actual - reference|, which a NaN never is.
void qk_error_add4(
    qk_error_sums *sums, qk_float type, const void *reference, qk_blocks4 blocks, float *absmax, double *largestError);
void qk_error_add4_at(
    qk_simd level, qk_error_sums *sums, qk_float type, const void *reference, qk_blocks4 blocks, float *absmax,
    double *largestError);

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
