/// Rows of floats as signed bytes, a scale for each row.
///
///     x[i]  is about  codes[i] * scale        scale = max |x| / 127        codes[i] = x[i] / scale, rounded to nearest even
///
/// An error is at most half a scale. The same bits on every level.
#ifndef QK_BYTES_H
#define QK_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// A row that has nothing of 1.5e-36 or more becomes zeros. A row with a value that is no finite number has NaN for a scale: it
/// stays seen.
void qk_bytes_encode_at(qk_simd level, const float *x, size_t count, int8_t *codes, float *scale);

/// `rowCount` rows of `width` floats, from codes that are `stride` bytes from row to row; `scales` has one for each row.
void qk_bytes_decode_at(
    qk_simd level, const int8_t *codes, size_t stride, const float *scales, size_t rowCount, size_t width, float *x);

#endif
