/// Private: eight groups of a block side by side, one in each lane of a vector.
///
/// ggml chooses scales by sums over the elements of a group, whose order decides about the last bits, and these about codes.
/// With a group in each lane every sum is taken in that order, and eight of them at a time.
#ifndef QK_BLOCKS_LANES_H
#define QK_BLOCKS_LANES_H

#include "qk_blocks_parts.h"
#include "qk_transpose.h"

// Of functions that are inlined: nothing is passed.
#pragma clang diagnostic ignored "-Wpsabi"

/// Lane g belongs to group g.
typedef float eightFloats __attribute__((vector_size(32)));
typedef int32_t eightBits __attribute__((vector_size(32)));

QK_INLINE eightFloats allOf(float value) { return (eightFloats){value, value, value, value, value, value, value, value}; }
QK_INLINE eightBits allOfBits(int32_t value) { return (eightBits){value, value, value, value, value, value, value, value}; }
QK_INLINE eightFloats select8(eightBits mask, eightFloats a, eightFloats b) {
    return (eightFloats)((mask & (eightBits)a) | (~mask & (eightBits)b));
}
QK_INLINE eightBits selectBits8(eightBits mask, eightBits a, eightBits b) { return (mask & a) | (~mask & b); }
QK_INLINE eightFloats magnitudes8(eightFloats a) { return (eightFloats)((eightBits)a & allOfBits(0x7fffffff)); }
QK_INLINE eightFloats rootsOf8(eightFloats a) { return __builtin_elementwise_sqrt(a); }
QK_INLINE eightFloats floatsOf8(eightBits a) { return __builtin_convertvector(a, eightFloats); }

/// Element j of 8 groups of `count` elements each, one group behind the other: `lanes[j]`.
QK_INLINE void takeGroups(const float *values, size_t count, eightFloats *lanes) {
    for (size_t j = 0; j < count; j += 8) {
        eightWords words[8];
        transposeEight(values + j, 4 * count, words);
        for (size_t i = 0; i < 8; i++) lanes[j + i] = (eightFloats)words[i];
    }
}

// The nearest integer, the even one of two, by an addition in which the sum loses its fraction. Beyond 2^22 the bits give
// something else: what they give ggml.

#define QK_ROUNDING 12582912.0f    // 1.5 * 2^23

QK_INLINE int32_t nearestInteger(float value) { return (int32_t)(bitsOf(value + QK_ROUNDING) & 0x7fffff) - 0x400000; }

QK_INLINE int32_t clampedInteger(float value, int32_t lowest, int32_t highest) {
    const int32_t nearest = nearestInteger(value), atMost = nearest < highest ? nearest : highest;
    return atMost > lowest ? atMost : lowest;
}

QK_INLINE eightFloats clampedIntegers8(eightFloats values, int32_t lowest, int32_t highest) {
    const eightBits low = allOfBits(lowest), high = allOfBits(highest);
    eightBits nearest = ((eightBits)(values + allOf(QK_ROUNDING)) & allOfBits(0x7fffff)) - allOfBits(0x400000);
    nearest = selectBits8(nearest < high, nearest, high);
    return floatsOf8(selectBits8(nearest > low, nearest, low));
}

/// In each lane the value of the largest magnitude, with its sign; the first of several. +0 where all are zero.
QK_INLINE eightFloats signedLargest8(const eightFloats *x, size_t count) {
    eightFloats largest = allOf(0), magnitude = allOf(0);
    for (size_t j = 0; j < count; j++) {
        const eightFloats next = magnitudes8(x[j]);
        const eightBits isLarger = next > magnitude;
        magnitude = select8(isLarger, next, magnitude);
        largest = select8(isLarger, x[j], largest);
    }
    return largest;
}

/// The same of a few values.
QK_INLINE float signedLargest(const float *values, size_t count) {
    float largest = 0, magnitude = 0;
    for (size_t i = 0; i < count; i++) {
        const float next = values[i] < 0 ? -values[i] : values[i];
        if (next > magnitude) {
            magnitude = next;
            largest = values[i];
        }
    }
    return largest;
}

/// Below this, ggml takes a group for zeros.
#define QK_NOTHING 1e-15f

#endif
