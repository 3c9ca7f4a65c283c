/// What a merge changes: sums over a chunk of a weight, and elementwise steps.
#ifndef QK_MERGE_H
#define QK_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// `out[i] = a[i] + b[i]`; `out` may be one of them.
void qk_add(const float *a, const float *b, size_t count, float *out);
void qk_add_at(qk_simd level, const float *a, const float *b, size_t count, float *out);
/// `out[i] = a[i] - b[i]`; `out` may be one of them.
void qk_subtract(const float *a, const float *b, size_t count, float *out);
void qk_subtract_at(qk_simd level, const float *a, const float *b, size_t count, float *out);

enum { QK_MERGE_LANES = 8 };

/// Sums over elements w of the base, d of the delta and m of the merged weight; all zero at first. Element i of a call
/// belongs to lane i % 8, whatever the instructions: the same bits on every level.
typedef struct {
    double base[QK_MERGE_LANES];             // w^2
    double delta[QK_MERGE_LANES];            // d^2
    double change[QK_MERGE_LANES];           // (m - w)^2
    double changeTimesDelta[QK_MERGE_LANES]; // (m - w) d
    double error[QK_MERGE_LANES];            // (m - (w + d))^2
    double target[QK_MERGE_LANES];           // (w + d)^2
} qk_merge_sums;

void qk_merge_add(qk_merge_sums *sums, const float *base, const float *delta, const float *merged, size_t count);
void qk_merge_add_at(qk_simd level, qk_merge_sums *sums, const float *base, const float *delta, const float *merged, size_t count);

/// 4-bit codes that differ between two runs of packed bytes.
size_t qk_differingCodes(const uint8_t *a, const uint8_t *b, size_t byteCount);
/// Elements of `elementByteCount` bytes (1, 2, 4 or 8) that differ between two runs.
size_t qk_differingElements(const uint8_t *a, const uint8_t *b, size_t count, size_t elementByteCount);

#endif
