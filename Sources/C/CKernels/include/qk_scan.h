/// A pass over values that only looks for what is not finite.
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

#endif
