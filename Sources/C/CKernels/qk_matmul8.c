#include "qk_matmul8_parts.h"

bool qk_matmul8_supports(const qk_matrix *matrix) {
    return matrix->storage == QK_MATRIX_PACKED4 && matrix->codeUnit > 0 && qk_matmul16_takesPacked(matrix);
}

QK_INLINE double squared(double value) { return value * value; }

/// Scales that are tried: `SMALLEST_SCALE / 4` up to 127, in quarters. Smaller ones have wider steps than any of these needs.
enum { SMALLEST_SCALE = 4 * 96, LARGEST_SCALE = 4 * BYTE_LIMIT };

/// Nearest integer, ties to even, of a value below 2^22.
QK_INLINE int32_t nearest(float value) { return (int32_t)(bitsOf(value + 0x1.8p23f) - 0x4b400000u); }

void qk_matmul8_prepare(qk_matrix *matrix) {
    matrix->codeUnit = 0;
    if (matrix->storage != QK_MATRIX_PACKED4) return;
    float largest = 0;
    for (size_t code = 0; code < 16; code++) {
        const float magnitude = __builtin_fabsf(matrix->quantMap[code]);
        // Also of NaN.
        if (!(magnitude < 0x1p100f)) return;
        largest = magnitude > largest ? magnitude : largest;
    }
    if (!(largest > 0x1p-100f)) return;
    double least = __builtin_inf();
    int best = LARGEST_SCALE;
    for (int quarters = LARGEST_SCALE; quarters >= SMALLEST_SCALE; quarters--) {
        const float factor = (float)quarters / 4 / largest;
        double error = 0;
        for (size_t code = 0; code < 16; code++) {
            const float scaled = matrix->quantMap[code] * factor;
            error += squared(4 * (double)(scaled - (float)nearest(scaled)) / quarters);
        }
        if (error < least) {
            least = error;
            best = quarters;
        }
    }
    const float factor = (float)best / 4 / largest;
    for (size_t code = 0; code < 16; code++) matrix->codeBytes[code] = (int8_t)nearest(matrix->quantMap[code] * factor);
    matrix->codeUnit = largest / ((float)best / 4);
}

/// The largest magnitude, or the bits of a NaN.
QK_INLINE int32_t largestBits(const float *x, size_t count) {
    int32_t lanes[LANES] = {0}, largest = 0;
    for (size_t i = 0; i < count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const int32_t magnitude = (int32_t)(bitsOf(x[i + lane]) & 0x7fffffff);
            lanes[lane] = magnitude > lanes[lane] ? magnitude : lanes[lane];
        }
    }
    for (size_t lane = 0; lane < LANES; lane++) largest = lanes[lane] > largest ? lanes[lane] : largest;
    return largest;
}

/// m and q of the 8 elements of each lane.
QK_INLINE void quantizeLanes(const float *x, float perUnit, int16_t factors[LANES], int16_t values[GROUP]) {
    float largest[LANES], steps[LANES];
    for (size_t lane = 0; lane < LANES; lane++) largest[lane] = floatOf((uint32_t)largestBits(x + LANES * lane, LANES));
    for (size_t lane = 0; lane < LANES; lane++) {
        float factor = __builtin_ceilf(largest[lane] * perUnit);
        factor = factor < FACTOR_LIMIT ? factor : FACTOR_LIMIT;
        factors[lane] = (int16_t)factor;
        steps[lane] = factor > 0 ? perUnit * BYTE_LIMIT / factor : 0;
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        for (size_t i = 0; i < LANES; i++) {
            float scaled = x[LANES * lane + i] * steps[lane];
            scaled = scaled < BYTE_LIMIT ? scaled : BYTE_LIMIT;
            scaled = scaled > -BYTE_LIMIT ? scaled : -BYTE_LIMIT;
            values[LANES * lane + i] = (int16_t)nearest(scaled);
        }
    }
}

/// Groups are `stride` apart.
QK_INLINE void quantizeRow(bool isVNNI, const float *x, size_t columnCount, byteGroup *groups, size_t stride, float *scale) {
    const float largest = floatOf((uint32_t)largestBits(x, columnCount));
    // Also of NaN.
    if (!(largest >= 1e-30f && largest < __builtin_inff())) {
        *scale = largest < 1 ? 0 : largest;
        for (size_t g = 0; g < columnCount / GROUP; g++) memset(groups + g * stride, 0, sizeof *groups);
        return;
    }
    const float perUnit = FACTOR_LIMIT / largest;
    *scale = largest / (BYTE_LIMIT * FACTOR_LIMIT);
    for (size_t g = 0; g < columnCount / GROUP; g++) {
        byteGroup *group = groups + g * stride;
        int16_t factors[LANES], values[GROUP];
        quantizeLanes(x + GROUP * g, perUnit, factors, values);
        for (size_t i = 0; i < HALF_GROUP; i++) {
            group->even[i] = (int8_t)values[2 * i];
            group->odd[i] = (int8_t)values[2 * i + 1];
        }
        for (size_t i = 0; i < 2 * LANES; i++) group->pairs[i] = factors[i / 2];
        if (isVNNI) {
            for (size_t lane = 0; lane < LANES; lane++) {
                int32_t sum = 0;
                for (size_t i = 0; i < LANES; i++) sum += values[LANES * lane + i];
                group->starts[lane] = -128 * sum;
                group->factors[lane] = factors[lane];
            }
        } else {
            for (size_t i = 0; i < HALF_GROUP; i++) {
                group->magnitudes[i] = (uint8_t)(values[2 * i] < 0 ? -values[2 * i] : values[2 * i]);
                group->magnitudes[HALF_GROUP + i] = (uint8_t)(values[2 * i + 1] < 0 ? -values[2 * i + 1] : values[2 * i + 1]);
            }
        }
    }
}

static QK_FOR_LEVELS(
    quantizeRowAt, quantizeRow, (isVNNI, x, columnCount, groups, stride, scale), bool isVNNI, const float *x, size_t columnCount,
    byteGroup *groups, size_t stride, float *scale)

void qk_matmul8_quantize_at(
    qk_simd level, const float *x, size_t columnCount, size_t row, size_t rowCount, uint8_t *quantized, float *scales
) {
    const size_t first = row / VECTORS * VECTORS, stride = rowCount - first < VECTORS ? rowCount - first : VECTORS;
    byteGroup *groups = (byteGroup *)(void *)quantized + first * (columnCount / GROUP) + row - first;
    quantizeRowAt(level, qk_matmul8_isVNNI(level), x, columnCount, groups, stride, scales + row);
}
