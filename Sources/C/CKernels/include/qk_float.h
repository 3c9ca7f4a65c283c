/// Stored floating-point types: widening to float32, and narrowing from it.
#ifndef QK_FLOAT_H
#define QK_FLOAT_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// Little endian in memory, at any alignment.
typedef enum {
    QK_F32 = 0,
    QK_F64 = 1,
    QK_F16 = 2,
    QK_BF16 = 3,
    /// 4 exponent bits, bias 7, no infinities; 0x7f and 0xff are the only NaNs, 448 is the largest value ("FN").
    QK_F8_E4M3 = 4,
    /// 5 exponent bits, bias 15: the upper byte of a float16.
    QK_F8_E5M2 = 5,
} qk_float;

/// Bytes of one element.
size_t qk_float_byteCount(qk_float type);

/// `count` elements of `type` as float32: exact, but for QK_F64, which is rounded once (nearest even; beyond float32: inf).
///
/// A NaN stays a NaN of the same sign with the leading bits of its payload; it becomes quiet where a conversion does the
/// work, and is copied where none is needed (f32, bf16).
void qk_widen(qk_float type, const void *source, size_t count, float *destination);
void qk_widen_at(qk_simd level, qk_float type, const void *source, size_t count, float *destination);

/// `count` float32 values as `type`, which is QK_F32 (a copy), QK_F16 or QK_BF16: rounded to nearest even, overflow gives
/// an infinity. `destination` may have any alignment.
///
/// A NaN stays a NaN (quiet, same sign, leading payload bits). PyTorch's scalar bfloat16 conversion drops sign and payload
/// and its AVX2 one gives 0xffff, so there is no one reference to match here.
void qk_narrow(qk_float type, const float *source, size_t count, void *destination);
void qk_narrow_at(qk_simd level, qk_float type, const float *source, size_t count, void *destination);

#endif
