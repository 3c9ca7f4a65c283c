#include <string.h>

#include "inputs.h"

// Element by element: conversions, scans, activations, bytes.

static const size_t lengths[] = {0, 1, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257, 1031};
enum { LENGTH_COUNT = sizeof lengths / sizeof *lengths };
static const qk_float types[] = {QK_F32, QK_F64, QK_F16, QK_BF16, QK_F8_E4M3, QK_F8_E5M2};

/// NaNs keep their payloads here.
static void widen(qk_simd level, digest *d) {
    float *wide = FLOATS(65536);
    uint8_t *bytes = BYTES(8 * 65536 + 1);
    for (size_t i = 0; i < 65536; i++) memcpy(bytes + 2 * i + 1, &(uint16_t){(uint16_t)i}, 2);
    for (int half = 0; half < 2; half++) {
        qk_widen_at(level, half ? QK_F16 : QK_BF16, bytes + 1, 65536, wide);
        addBytes(d, wide, 4 * 65536);
    }
    for (size_t i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    for (int kind = 0; kind < 2; kind++) {
        qk_widen_at(level, kind ? QK_F8_E5M2 : QK_F8_E4M3, bytes, 256, wide);
        addBytes(d, wide, 4 * 256);
    }
    for (size_t type = 0; type < 6; type++) {
        for (size_t n = 0; n < LENGTH_COUNT; n++) {
            fillStored(types[type], bytes + 1, lengths[n], (mixture)(n % MIXTURE_COUNT), n);
            qk_widen_at(level, types[type], bytes + 1, lengths[n], wide);
            addBytes(d, wide, 4 * lengths[n]);
        }
    }
}

static void narrow(qk_simd level, digest *d) {
    enum { COUNT = 20000 };
    float *values = FLOATS(COUNT);
    uint8_t *bytes = BYTES(4 * COUNT + 1);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(values, COUNT, (mixture)kind, 7);
        for (int type = 0; type < 3; type++) {
            const qk_float to = (qk_float[]){QK_F32, QK_F16, QK_BF16}[type];
            for (size_t n = 0; n < LENGTH_COUNT; n++) {
                qk_narrow_at(level, to, values + n, lengths[n], bytes + 1);
                addBytes(d, bytes + 1, lengths[n] * qk_float_byteCount(to));
            }
            qk_narrow_at(level, to, values, COUNT, bytes + 1);
            addBytes(d, bytes + 1, COUNT * qk_float_byteCount(to));
        }
    }
    // What lies between float16's numbers, and halfway between them.
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t bits = 0x32000000 + i * 0x6001;
        memcpy(&values[i], &bits, 4);
        if (i % 2) values[i] = -values[i];
    }
    for (int type = 0; type < 2; type++) {
        qk_narrow_at(level, type ? QK_F16 : QK_BF16, values, COUNT, bytes);
        addBytes(d, bytes, 2 * COUNT);
    }
}

static void firstNonfinite(qk_simd level, digest *d) {
    uint8_t *bytes = BYTES(8 * 1031 + 1);
    for (size_t type = 0; type < 6; type++) {
        const size_t size = qk_float_byteCount(types[type]);
        for (size_t place = 0; place < 1031; place += 1 + place / 3) {
            fillStored(types[type], bytes + 1, 1031, WIDE, place);
            memset(bytes + 1 + place * size, 0xff, size);
            for (size_t start = 0; start <= place; start += 1 + start) {
                const uint64_t found = qk_firstNonfinite_at(level, types[type], bytes + 1 + start * size, 1031 - start);
                addBytes(d, &found, 8);
            }
        }
    }
}

static void elementwise(qk_simd level, digest *d) {
    float *x = FLOATS(1031), *y = FLOATS(1031);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        for (size_t n = 0; n < LENGTH_COUNT; n++) {
            const size_t count = lengths[n];
            fillFloats(x, count, (mixture)kind, n);
            fillFloats(y, count, (mixture)kind, n + 100);
            qk_addToRows_at(level, x, 1, count, y);
            addFloats(d, y, count);
            qk_scale_at(level, 0.3f, count, y);
            addFloats(d, y, count);
            if (count >= 12) qk_addRows_at(level, x, 3, count / 3, count / 4, y);
            addFloats(d, y, count);
            qk_clamp_at(level, 0.4f, x, count, y);
            addFloats(d, y, count);
            fillFloats(y, count, (mixture)kind, n + 200);
            qk_clamp_backward_at(level, 0.4f, x, count, y);
            addFloats(d, y, count);
            qk_add_at(level, x, y, count, y);
            addFloats(d, y, count);
            qk_subtract_at(level, x, y, count, y);
            addFloats(d, y, count);
        }
    }
}

static void exponentials(qk_simd level, digest *d) {
    enum { COUNT = 40001 };
    float *x = FLOATS(COUNT), *y = FLOATS(COUNT);
    for (size_t i = 0; i < COUNT; i++) x[i] = ((float)i - 22000) * 0x1p-8f;
    qk_exp_at(level, x, COUNT, y);
    addFloats(d, y, COUNT);
    fillFloats(x, COUNT, ADVERSARIAL, 3);
    qk_exp_at(level, x, COUNT, y);
    addFloats(d, y, COUNT);
}

static void rotate(qk_simd level, digest *d) {
    enum { ROWS = 3, STRIDE = 4 * 72 };
    float *x = FLOATS(ROWS * STRIDE), *cosines = FLOATS(ROWS * 32), *sines = FLOATS(ROWS * 32);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        for (size_t half = 1; half <= 32; half += 1 + half) {
            fillFloats(x, ROWS * STRIDE, (mixture)kind, half);
            fillFloats(cosines, ROWS * 32, (mixture)kind, half + 1);
            fillFloats(sines, ROWS * 32, (mixture)kind, half + 2);
            for (int neighbours = 0; neighbours < 2; neighbours++) {
                const qk_rotation rotation = {4, 72, half, neighbours};
                qk_rotate_at(level, &rotation, x, ROWS, STRIDE, cosines, sines, neighbours ? -1 : 1);
                addFloats(d, x, ROWS * STRIDE);
            }
        }
    }
}

static void crc32c(qk_simd level, digest *d) {
    (void)level;
    uint8_t *bytes = BYTES(250001);
    fillBytes(bytes, 250001, 1);
    for (size_t n = 0; n < 60; n++) {
        const size_t start = n % 9, count = n < 40 ? n : (n - 39) * (n - 39) * 560;
        const uint32_t crc = qk_crc32c((uint32_t)n * 0x9e3779b9, bytes + start, count);
        if (crc != qk_crc32c_scalar((uint32_t)n * 0x9e3779b9, bytes + start, count)) __builtin_trap();
        const uint32_t both = qk_crc32c_combine(d->crc, crc, count);
        addBytes(d, &both, 4);
    }
}

static void bytes(qk_simd level, digest *d) {
    enum { COUNT = 3000 };
    uint8_t *a = BYTES(COUNT), *b = BYTES(COUNT), *gaps = BYTES(COUNT), *values = BYTES(COUNT);
    uint8_t *deflated = BYTES(qk_deflate_limit(COUNT));
    fillBytes(a, COUNT, 1);
    for (size_t every = 1; every < 700; every = every * 2 + 1) {
        memcpy(b, a, COUNT);
        for (size_t i = every / 2; i < COUNT; i += every) b[i] ^= (uint8_t)(i % 5);
        const size_t count = COUNT - every % 70;
        const qk_sparse_counts found = qk_sparse_encode_at(level, a, b, count, gaps, values);
        addBytes(d, gaps, found.gapCount);
        addBytes(d, values, found.valueCount);
        addBytes(d, deflated, qk_deflate(gaps, found.gapCount, 0, deflated));
        const uint64_t differing[2] = {qk_differingCodes(a, b, count), qk_differingElements(a, b, count / 4, 4)};
        addBytes(d, differing, sizeof differing);
    }
}

const conformance elementKernels[] = {
    {"widen", widen},   {"narrow", narrow}, {"firstNonfinite", firstNonfinite}, {"elementwise", elementwise}, {"exp", exponentials},
    {"rotate", rotate}, {"crc32c", crc32c}, {"bytes", bytes},                   {NULL, NULL},
};
