#include "qk_scaleGradients.h"

#include "qk_levels.h"

enum { LANES = 8 };

/// Gradients times the values of the codes, of `count` elements from an even one on.
static double sumOfBlock(const float map[16], const uint8_t *packed, size_t count, const float *gradients) {
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        float values[LANES];
        UNROLL for (size_t pair = 0; pair < LANES / 2; pair++) {
            const uint8_t codes = packed[i / 2 + pair];
            values[2 * pair] = map[codes >> 4];
            values[2 * pair + 1] = map[codes & 15];
        }
        UNROLL for (size_t lane = 0; lane < LANES; lane++) lanes[lane] += (double)gradients[i + lane] * (double)values[lane];
    }
    for (size_t lane = 0; i < count; i++, lane++) {
        const uint8_t codes = packed[i / 2];
        lanes[lane] += (double)gradients[i] * (double)map[i & 1 ? codes & 15 : codes >> 4];
    }
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

void qk_scaleGradients(
    const float quantMap[16], const uint8_t *packed, size_t first, size_t count, size_t blockSize, const float *gradients,
    const float *scales, float *sums
) {
    for (size_t start = 0, block = 0; start < count; start += blockSize, block++) {
        const size_t left = count - start, size = left < blockSize ? left : blockSize;
        const double sum = sumOfBlock(quantMap, packed + (first + start) / 2, size, gradients + start);
        sums[block] += (float)((double)scales[block] * sum);
    }
}
