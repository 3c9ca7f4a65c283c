/// The difference of two runs of bytes of which most are equal.
///
///     bytes XORed   00 00 00 2c 00 91 ...
///     gaps          3        1            zero bytes before each byte that is not; 255: 255 zero bytes, and no value yet
///     values        2c       91           never 0
///
/// Zero bytes at the end are not counted.
#ifndef QK_SPARSE_H
#define QK_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

typedef struct {
    size_t gapCount;
    size_t valueCount;
} qk_sparse_counts;

/// The difference of `a` and `b`; room for `count` gaps and `count` values always suffices.
qk_sparse_counts qk_sparse_encode(const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values);
qk_sparse_counts qk_sparse_encode_at(
    qk_simd level, const uint8_t *a, const uint8_t *b, size_t count, uint8_t *gaps, uint8_t *values);

/// XORs a difference into `bytes`. Returns 0 where it does not fit: it leads beyond `count`, gaps and values do not belong
/// together, or a value is 0; some of the bytes may have changed then.
int qk_sparse_apply(
    const uint8_t *gaps, size_t gapCount, const uint8_t *values, size_t valueCount, uint8_t *bytes, size_t count);

#endif
