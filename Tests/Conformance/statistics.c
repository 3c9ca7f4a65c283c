#include "inputs.h"

// Sums and counts of what is stored, plain and in 4 bits.

static const qk_float types[] = {QK_F32, QK_F64, QK_F16, QK_BF16, QK_F8_E4M3, QK_F8_E5M2};

static void addSummaries(digest *d, const qk_summary *runs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const double sums[4] = {runs[i].mean, runs[i].squares, runs[i].minimum, runs[i].maximum};
        const uint64_t counts[5] = {
            runs[i].finite, runs[i].zeros, runs[i].nans, runs[i].positiveInfinities, runs[i].negativeInfinities};
        addDoubles(d, sums, 4);
        addBytes(d, counts, sizeof counts);
    }
}

static void addErrors(digest *d, const qk_error_sums *sums) {
    addDoubles(d, sums->referenceSquares, 5 * QK_ERROR_LANES);
    addDoubles(d, &sums->largestError, 1);
    addBytes(d, &sums->largestErrorIndex, 16);
}

static void statistics(qk_simd level, digest *d) {
    enum { COUNT = 9000 };
    uint8_t *stored = BYTES(8 * COUNT + 1);
    const qk_bins bins = {-1.5, 30, 90};
    for (size_t type = 0; type < 6; type++) {
        for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
            for (size_t count = 5; count <= COUNT; count += 8995) {
                qk_summary runs[3] = {qk_summary_empty, qk_summary_empty, qk_summary_empty};
                uint64_t counts[91] = {0};
                fillStored(types[type], stored + 1, count, (mixture)kind, count);
                qk_summarize_at(level, types[type], stored + 1, count, runs);
                addSummaries(d, runs, 3);
                counts[90] = qk_count_far_at(level, types[type], stored + 1, count, 0.1, 0.7);
                qk_histogram_at(level, types[type], stored + 1, count, bins, counts);
                addBytes(d, counts, sizeof counts);
            }
        }
    }
}

static void statistics4(qk_simd level, digest *d) {
    enum { COUNT = 40000 };
    uint8_t *packed = BYTES(COUNT / 2 + 1);
    float *absmax = FLOATS(COUNT / 32 + 1), map[16];
    fillBytes(packed, COUNT / 2, 5);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(map, 16, kind == ADVERSARIAL ? WIDE : ORDINARY, 3);
        fillFloats(absmax, COUNT / 32 + 1, (mixture)kind, 4);
        for (size_t blockSize = 32; blockSize <= 4096; blockSize *= 2) {
            for (size_t count = 41; count < COUNT; count += 39000) {
                const qk_blocks4 blocks = {map, packed, absmax, count, blockSize};
                const qk_bins bins = {-1, 20, 40};
                uint64_t codes[16] = {0}, counts[41] = {0};
                qk_summary runs[3] = {qk_summary_empty, qk_summary_empty, qk_summary_empty};
                qk_summarize4_at(level, blocks, codes, runs);
                addSummaries(d, runs, 3);
                addBytes(d, codes, sizeof codes);
                counts[40] = qk_count_far4_at(level, blocks, 0.05, 0.5);
                qk_histogram4_at(level, blocks, bins, counts);
                addBytes(d, counts, sizeof counts);
            }
        }
    }
}

static void errors(qk_simd level, digest *d) {
    enum { COUNT = 2100 };
    float *a = FLOATS(COUNT), *b = FLOATS(COUNT);
    uint8_t *stored = BYTES(8 * COUNT + 1);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(a, COUNT, (mixture)kind, 1);
        fillFloats(b, COUNT, (mixture)kind, 2);
        qk_error_sums sums = {0};
        for (size_t start = 0, part = 1; start + part < COUNT; start += part, part = part * 2 + 3)
            qk_error_add_at(level, &sums, a + start, b + start, part);
        addErrors(d, &sums);
        for (size_t type = 0; type < 6; type++) {
            fillStored(types[type], stored + 1, COUNT, (mixture)kind, 9);
            qk_error_add_same_at(level, &sums, types[type], stored + 1, 777);
            qk_error_add_same_at(level, &sums, types[type], stored + 1, COUNT);
            addErrors(d, &sums);
        }
    }
}

static void errors4(qk_simd level, digest *d) {
    enum { COUNT = 5000 };
    uint8_t *packed = BYTES(COUNT / 2 + 1), *stored = BYTES(8 * COUNT + 1);
    float *absmax = FLOATS(COUNT / 32 + 1), *largest = FLOATS(COUNT / 32 + 1), map[16];
    double *largestErrors = room(COUNT / 32 + 1, sizeof(double));
    fillBytes(packed, COUNT / 2, 5);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(map, 16, ORDINARY, 3);
        fillFloats(absmax, COUNT / 32 + 1, (mixture)kind, 4);
        for (size_t type = 0; type < 6; type++) {
            for (size_t blockSize = 32; blockSize <= 4096; blockSize *= 4) {
                for (size_t count = 37; count < COUNT; count += 4900) {
                    const qk_blocks4 blocks = {map, packed, absmax, count, blockSize};
                    qk_error_sums sums = {0};
                    fillStored(types[type], stored + 1, count, (mixture)kind, 17);
                    qk_error_add4_at(level, &sums, types[type], stored + 1, blocks, largest, largestErrors);
                    addErrors(d, &sums);
                    const size_t blockCount = (count + blockSize - 1) / blockSize;
                    addFloats(d, largest, blockCount);
                    addDoubles(d, largestErrors, blockCount);
                }
            }
        }
    }
}

static void merged(qk_simd level, digest *d) {
    enum { COUNT = 1003 };
    float *base = FLOATS(COUNT), *delta = FLOATS(COUNT), *result = FLOATS(COUNT);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(base, COUNT, (mixture)kind, 1);
        fillFloats(delta, COUNT, (mixture)kind, 2);
        fillFloats(result, COUNT, (mixture)kind, 3);
        qk_merge_sums sums = {{0}, {0}, {0}, {0}, {0}, {0}};
        for (size_t count = 1; count <= COUNT; count = count * 3 - 1 + (count == 1)) {
            qk_merge_add_at(level, &sums, base, delta, result, count);
            addDoubles(d, sums.base, sizeof sums / sizeof(double));
        }
    }
}

const conformance statisticKernels[] = {
    {"statistics", statistics}, {"statistics4", statistics4}, {"error", errors}, {"error4", errors4}, {"merge", merged}, {NULL, NULL},
};
