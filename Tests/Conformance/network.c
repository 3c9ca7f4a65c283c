#include <stdint.h>

#include "inputs.h"

// Activations, norms, attention, probabilities.

enum { COUNT = 1037 };

static void activations(qk_simd level, digest *d) {
    float *x = FLOATS(COUNT), *up = FLOATS(COUNT), *y = FLOATS(COUNT), *dup = FLOATS(COUNT);
    for (int activation = QK_GELU; activation <= QK_RELU_SQUARED; activation++) {
        for (int kind = 0; kind < MIXTURE_COUNT + 1; kind++) {
            const size_t count = COUNT - (size_t)kind * 5;
            fillFloats(x, COUNT, (mixture)(kind % MIXTURE_COUNT), 1);
            if (kind == MIXTURE_COUNT)
                for (int i = 0; i < COUNT; i++) x[i] = (float)(i - 500) * 0x1p-5f;
            fillFloats(up, COUNT, ORDINARY, 2);
            qk_activate_at(level, (qk_activation)activation, x, count, y);
            addFloats(d, y, COUNT);
            qk_gated_at(level, (qk_activation)activation, x, up, count, y);
            addFloats(d, y, COUNT);
            qk_activate_backward_at(level, (qk_activation)activation, x, count, y);
            addFloats(d, y, COUNT);
            qk_gated_backward_at(level, (qk_activation)activation, x, up, count, y, dup);
            addFloats(d, y, COUNT);
            addFloats(d, dup, COUNT);
        }
    }
}

static void norms(qk_simd level, digest *d) {
    enum { ROWS = 5, WIDTH = 203 };
    float *weight = FLOATS(3 * WIDTH), *x = FLOATS(ROWS * WIDTH), *y = FLOATS(ROWS * WIDTH), *dy = FLOATS(ROWS * WIDTH);
    float means[ROWS], reciprocals[ROWS];
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        for (int variant = 0; variant < 8; variant++) {
            const size_t width = WIDTH - (size_t)variant * 9;
            fillFloats(weight, 3 * WIDTH, ORDINARY, 1);
            fillFloats(x, ROWS * WIDTH, (mixture)kind, 2);
            if (kind == ADVERSARIAL) fillFloats(x + width, (ROWS - 1) * width, WIDE, 3);
            fillFloats(dy, ROWS * WIDTH, ORDINARY, 4);
            fillFloats(y, ROWS * WIDTH, ORDINARY, 5);
            const qk_norm norm = {
                weight, variant & 4 ? weight + WIDTH : NULL, width, 1e-5f, variant & 1, variant & 2, variant & 4 ? 2 : 1, WIDTH};
            qk_norm_at(level, &norm, x, ROWS, means, reciprocals, y);
            addFloats(d, y, ROWS * WIDTH);
            addFloats(d, reciprocals, ROWS);
            if (norm.centers) addFloats(d, means, ROWS);
            qk_norm_backward_at(level, &norm, dy, x, ROWS, means, reciprocals, y);
            addFloats(d, y, ROWS * WIDTH);
            qk_norm_weightGradient_at(
                level, dy, x, norm.centers ? means : NULL, reciprocals, ROWS, width, 1, width - 3, weight);
            addFloats(d, weight, WIDTH);
        }
    }
}

static void attention(qk_simd level, digest *d) {
    enum { POSITIONS = 53, QUERIES = 7, LARGEST = 80, GROUP = 3 };
    const float slopes[GROUP] = {0.5f, 0.25f, -0.125f}, sinks[GROUP] = {0.3f, -2, 5};
    for (int variant = 0; variant < 18; variant++) {
        const size_t headSize = (size_t[]){8, 19, 32, 64, 73, LARGEST}[variant % 6];
        const qk_float type = (qk_float[]){QK_F32, QK_F16, QK_BF16}[variant / 6];
        const size_t size = qk_float_byteCount(type), stride = variant % 2 ? headSize : headSize + 5;
        uint8_t *keys = BYTES(POSITIONS * stride * size), *values = BYTES(POSITIONS * stride * size);
        const size_t queryStride = GROUP * headSize + 2;
        float *scales = FLOATS(2 * POSITIONS);
        fillFloats(scales, 2 * POSITIONS, ORDINARY, 4);
        float *queries = FLOATS(QUERIES * queryStride), *y = FLOATS(QUERIES * queryStride);
        fillStored(type, keys, POSITIONS * stride, variant == 4 ? ADVERSARIAL : ORDINARY, 1);
        fillStored(type, values, POSITIONS * stride, variant == 9 ? ADVERSARIAL : ORDINARY, 2);
        fillFloats(queries, QUERIES * queryStride, variant % 4 == 3 ? WIDE : ORDINARY, 3);
        qk_attention a = {
            .type = type, .keys = keys, .values = values, .stride = stride, .headSize = headSize, .groupSize = GROUP, .scale = 0.3f,
            .cap = variant % 5 == 2 ? 30 : 0, .window = variant % 3 ? SIZE_MAX : 20, .chunk = variant % 5 == 1 ? 16 : 0,
            .slopes = variant % 7 == 3 ? slopes : NULL, .roundsBiases = variant % 2, .biasScale = 1.5f,
            .sinks = variant % 4 == 1 ? sinks : NULL};
        if (variant % 6 == 5) {
            // Keys and values as bytes; what was drawn for them is as good as any.
            a.stride = headSize + 3;
            a.keyScales = scales;
            a.valueScales = scales + POSITIONS;
        }
        for (size_t count = 1; count <= QUERIES; count += QUERIES - 1) {
            const size_t first = POSITIONS - count;
            float *scratch = FLOATS(qk_attention_scratchCount(&a, count));
            qk_attend_at(level, &a, queries, queryStride, count, first, scratch, y, queryStride);
            addFloats(d, y, QUERIES * queryStride);
        }
        releaseAll();
    }
}

static void probabilities(qk_simd level, digest *d) {
    enum { ROWS = 6, KEYS = 71 };
    float *scores = FLOATS(ROWS * KEYS), *gradients = FLOATS(ROWS * KEYS), logSums[ROWS];
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        for (int variant = 0; variant < 4; variant++) {
            const float cap = variant & 1 ? 5 : 0;
            const size_t window = variant & 2 ? 17 : 0;
            fillFloats(scores, ROWS * KEYS, (mixture)kind, 1);
            qk_softmax_at(level, scores, ROWS, KEYS, 61, window, 0.4f, cap, logSums);
            addFloats(d, scores, ROWS * KEYS);
            addFloats(d, logSums, ROWS);
            fillFloats(scores, ROWS * KEYS, (mixture)kind, 1);
            fillFloats(gradients, ROWS * KEYS, ORDINARY, 2);
            qk_softmax_backward_at(level, scores, gradients, ROWS, KEYS, 61, window, 0.4f, cap, logSums);
            addFloats(d, scores, ROWS * KEYS);
            addFloats(d, gradients, ROWS * KEYS);
            fillFloats(scores, ROWS * KEYS, (mixture)kind, 3);
            qk_cap_at(level, 3, KEYS, scores);
            double loss;
            qk_crossEntropy_at(level, scores, ROWS * KEYS, 40, 0.25f, cap, &loss);
            addFloats(d, scores, ROWS * KEYS);
            addDoubles(d, &loss, 1);
            fillFloats(scores, ROWS * KEYS, (mixture)kind, 3);
            qk_divergence_at(level, scores, gradients, ROWS * KEYS, 0.25f, cap, &loss);
            addFloats(d, scores, ROWS * KEYS);
            addDoubles(d, &loss, 1);
        }
    }
}

const conformance networkKernels[] = {
    {"activation", activations}, {"norm", norms}, {"attention", attention}, {"softmax", probabilities}, {NULL, NULL},
};
