/// Gradients of the constants of 4-bit weights.
#ifndef QK_SCALE_GRADIENTS_H
#define QK_SCALE_GRADIENTS_H

#include <stddef.h>
#include <stdint.h>

/// sums[b] += scales[b] times the sum over elements of block b of their gradient times the value of their code, for elements `first` to
/// `first + count` of a weight as `qk_dequantize4` reads it: what the gradient of the factor of a constant is.
///
/// `first` is the first element of a block, that of scales[0] and sums[0]; gradients[0] is its own. Sums are held in 8 lanes of doubles,
/// element i of the block in lane i % 8, and added in a fixed order.
void qk_scaleGradients(
    const float quantMap[16], const uint8_t *packed, size_t first, size_t count, size_t blockSize, const float *gradients,
    const float *scales, float *sums);

#endif
