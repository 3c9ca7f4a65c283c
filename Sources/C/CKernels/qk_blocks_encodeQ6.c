#include "qk_blocks_searches.h"

// The search that ggml makes for scales without a minimum. Drawing of the block: qk_blocks_super.c.

QK_INLINE bool encode_Q6_K(const float *restrict values, uint8_t *restrict block) {
    float scales[16], factors[16];
    for (size_t i = 0; i < 2; i++) {
        eightFloats x[16], weights[16];
        takeGroups(values + 128 * i, 16, x);
        for (size_t j = 0; j < 16; j++) weights[j] = x[j] * x[j];
        searchWithoutMinimum(16, 32, x, weights, scales + 8 * i, factors + 8 * i);
    }
    return storeQ6K(values, scales, factors, block);
}

QK_ENCODER(Q6_K)
