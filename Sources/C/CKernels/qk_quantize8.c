#include "qk_quantize8.h"

#include "qk_lanes.h"

enum { LANES = 8, ACCUMULATORS = 4, LEVELS = 4 };

/// Shift of one cascade level: a level passes its sum on after 2^shift additions.
static unsigned cascadeShift(size_t rowCount) {
    unsigned logarithm = 0;   // ceil(log2(rowCount))
    while (((size_t)1 << logarithm) < rowCount) logarithm++;
    return logarithm / LEVELS > 4 ? logarithm / LEVELS : 4;
}

QK_INLINE void addTo(float *sums, const float *values, size_t width) {
    for (size_t i = 0; i < width; i++) sums[i] += values[i];
}

/// Adds `rowCount` rows of `width` floats, each column in the same cascade, into `sums`.
QK_INLINE void cascadeSum(const float *rows, size_t rowCount, size_t width, float *sums) {
    float levels[LEVELS][ACCUMULATORS * LANES] = {{0}};
    const unsigned shift = cascadeShift(rowCount);
    const size_t step = (size_t)1 << shift;
    size_t row = 0;
    while (row + step <= rowCount) {
        for (size_t end = row + step; row < end; row++) addTo(levels[0], rows + row * width, width);
        for (unsigned level = 1; level < LEVELS; level++) {
            addTo(levels[level], levels[level - 1], width);
            memset(levels[level - 1], 0, sizeof levels[level - 1]);
            if (row & ((step - 1) << (level * shift))) break;
        }
    }
    for (; row < rowCount; row++) addTo(levels[0], rows + row * width, width);
    for (unsigned level = 1; level < LEVELS; level++) addTo(levels[0], levels[level], width);
    memcpy(sums, levels[0], width * sizeof(float));
}

/// Adds `vectorCount` vectors of `lanes` floats: vector j goes to accumulator j % 4, those left over to the first.
QK_INLINE void vectorSum(const float *values, size_t vectorCount, size_t lanes, float *sums) {
    float accumulators[ACCUMULATORS * LANES];
    const size_t rowCount = vectorCount / ACCUMULATORS;
    cascadeSum(values, rowCount, ACCUMULATORS * lanes, accumulators);
    for (size_t j = rowCount * ACCUMULATORS; j < vectorCount; j++) addTo(accumulators, values + j * lanes, lanes);
    for (size_t k = 1; k < ACCUMULATORS; k++) addTo(accumulators, accumulators + k * lanes, lanes);
    memcpy(sums, accumulators, lanes * sizeof(float));
}

float qk_mean(const float *values, size_t count) {
    const size_t vectorCount = count / LANES;
    float lanes[LANES], sum = 0;
    if (vectorCount == 0) {
        vectorSum(values, count, 1, lanes);
        return (sum + lanes[0]) / (float)count;
    }
    vectorSum(values, vectorCount, LANES, lanes);
    for (size_t i = vectorCount * LANES; i < count; i++) sum += values[i];
    for (size_t lane = 0; lane < LANES; lane++) sum += lanes[lane];
    return sum / (float)count;
}

void qk_quantize8_fillBins(const float map[256], uint8_t bins[QK_BIN_COUNT]) {
    unsigned code = 0;
    for (int i = 0; i < QK_BIN_COUNT; i++) {
        float value = 2 * (float)i / (QK_BIN_COUNT - 1) - 1;
        while (code < 255 && 0.5f * (map[code] + map[code + 1]) < value) code++;
        bins[i] = (uint8_t)code;
    }
}

/// Bin of a value scaled to [-1, 1], rounded to the nearest; a NaN falls into the first.
QK_INLINE uint32_t binOf(float scaled) {
    float position = (scaled + 1) * 0.5f * (QK_BIN_COUNT - 1) + 0.5f;
    return position > 0 ? (uint32_t)(int32_t)position : 0;
}

static float largestMagnitude(const float *values, float offset, size_t count) {
    float largest = 0;
    for (size_t i = 0; i < count; i++) {
        float magnitude = floatOf(bitsOf(values[i] - offset) & 0x7fffffff);
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

static void quantizeBlock(
    const float *values, float offset, size_t count, const uint8_t bins[QK_BIN_COUNT], uint8_t *codes, float absmax
) {
    float reciprocal = 1 / absmax;
    for (size_t i = 0; i < count; i++) {
        float scaled = (values[i] - offset) * reciprocal;
        scaled = scaled < -1 ? -1 : scaled;
        codes[i] = bins[binOf(scaled > 1 ? 1 : scaled)];
    }
}

void qk_quantize8(
    const float *values, float offset, size_t count, size_t blockSize, const uint8_t bins[QK_BIN_COUNT], uint8_t *codes,
    float *nestedAbsmax
) {
    for (size_t start = 0; start < count; start += blockSize) {
        size_t now = count - start < blockSize ? count - start : blockSize;
        float absmax = largestMagnitude(values + start, offset, now);
        *nestedAbsmax++ = absmax;
        if (absmax == 0) memset(codes + start, 0, now);
        else quantizeBlock(values + start, offset, now, bins, codes + start, absmax);
    }
}

void qk_dequantize8(
    const float map[256], const uint8_t *codes, const float *nestedAbsmax, float offset, size_t start, size_t count,
    size_t blockSize, float *values
) {
    for (size_t i = 0; i < count;) {
        const size_t left = blockSize - (start + i) % blockSize, end = left < count - i ? i + left : count;
        const float nested = nestedAbsmax[(start + i) / blockSize];
        for (; i < end; i++) {
            const float product = map[codes[i]] * nested;
            values[i] = product + offset;
        }
    }
}
