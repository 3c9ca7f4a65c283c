#include <string.h>

#include "inputs.h"

// To and from 4 bits, 8 bits and the blocks of GGUF files.

static const qk_float types[] = {QK_F32, QK_F64, QK_F16, QK_BF16, QK_F8_E4M3, QK_F8_E5M2};

static void quantize4(qk_simd level, digest *d) {
    enum { COUNT = 9001 };
    uint8_t *stored = BYTES(8 * COUNT + 1), *packed = BYTES(COUNT / 2 + 1);
    float *absmax = FLOATS(COUNT / 32 + 1);
    for (size_t type = 0; type < 6; type++) {
        for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
            fillStored(types[type], stored + 1, COUNT, (mixture)kind, 11);
            // Few of the adversarial ones spoil their block; the others are coded as always.
            if (kind == ADVERSARIAL) fillStored(types[type], stored + 1, COUNT * 3 / 4, ORDINARY, 12);
            for (size_t blockSize = 32; blockSize <= 4096; blockSize *= 2) {
                for (int code = 0; code < 2; code++) {
                    const size_t count = blockSize % 3 == 1 ? COUNT : COUNT - 1 - blockSize / 32;
                    const uint64_t first = qk_quantize4_at(
                        level, (qk_code4)code, types[type], stored + 1, count, blockSize, packed, absmax);
                    addBytes(d, &first, 8);
                    addBytes(d, packed, (count + 1) / 2);
                    addFloats(d, absmax, (count + blockSize - 1) / blockSize);
                }
            }
        }
    }
    // Values that are thresholds, and their neighbours.
    float *edges = FLOATS(64);
    for (int code = 0; code < 2; code++) {
        for (int i = 0; i < 15; i++) {
            const uint32_t bits = qk_quantize4_thresholds((qk_code4)code)[i];
            for (uint32_t j = 0; j < 3; j++) memcpy(&edges[3 * i + (int)j], &(uint32_t){bits + j - (bits != 0)}, 4);
        }
        edges[63] = 1;
        qk_quantize4_at(level, (qk_code4)code, QK_F32, edges, 64, 64, packed, absmax);
        addBytes(d, packed, 32);
    }
}

static void dequantize4(qk_simd level, digest *d) {
    enum { COUNT = 9001 };
    uint8_t *packed = BYTES(COUNT / 2 + 1), *values = BYTES(4 * COUNT + 1);
    float *absmax = FLOATS(COUNT / 32 + 1), map[16];
    fillBytes(packed, COUNT / 2 + 1, 5);
    for (int kind = 0; kind < MIXTURE_COUNT; kind++) {
        fillFloats(map, 16, kind == WIDE ? WIDE : ORDINARY, 3);
        fillFloats(absmax, COUNT / 32 + 1, (mixture)kind, 4);
        for (int type = 0; type < 3; type++) {
            const qk_float to = (qk_float[]){QK_F32, QK_F16, QK_BF16}[type];
            for (size_t blockSize = 32; blockSize <= 4096; blockSize *= 2) {
                const size_t count = COUNT - blockSize / 32 * 5;
                qk_dequantize4_at(level, map, packed, absmax, count, blockSize, to, values + 1);
                if (to == QK_F32) {
                    float *floats = FLOATS(count);
                    memcpy(floats, values + 1, 4 * count);
                    addFloats(d, floats, count);
                } else {
                    float *wide = FLOATS(count);
                    qk_widen_at(QK_SCALAR, to, values + 1, count, wide);
                    addFloats(d, wide, count);
                }
            }
            releaseAll();
            packed = BYTES(COUNT / 2 + 1), values = BYTES(4 * COUNT + 1), absmax = FLOATS(COUNT / 32 + 1);
            fillBytes(packed, COUNT / 2 + 1, 6);
            fillFloats(absmax, COUNT / 32 + 1, (mixture)kind, 5);
        }
    }
}

static void quantize8(qk_simd level, digest *d) {
    (void)level;
    enum { COUNT = 3001 };
    float map[256], *values = FLOATS(COUNT), *absmax = FLOATS(COUNT), *back = FLOATS(COUNT);
    uint8_t *bins = BYTES(QK_BIN_COUNT), *codes = BYTES(COUNT);
    for (int i = 0; i < 256; i++) map[i] = (float)(i - 127) * 0x1p-7f;
    qk_quantize8_fillBins(map, bins);
    addBytes(d, bins, QK_BIN_COUNT);
    for (int kind = 0; kind < 2; kind++) {
        fillFloats(values, COUNT, (mixture)kind, 21);
        const float mean = qk_mean(values, COUNT);
        addFloats(d, &mean, 1);
        qk_quantize8(values, mean, COUNT, 256, bins, codes, absmax);
        addBytes(d, codes, COUNT);
        addFloats(d, absmax, (COUNT + 255) / 256);
        qk_dequantize8(map, codes, absmax, mean, 100, COUNT - 100, 256, back);
        addFloats(d, back, COUNT - 100);
        qk_moments_encode(map, values, COUNT, 64, codes, absmax);
        addBytes(d, codes, COUNT);
        qk_moments_decode(map, codes, absmax, COUNT, 64, back);
        addFloats(d, back, COUNT);
    }
}

static void blocksDecode(qk_simd level, digest *d) {
    for (uint32_t identifier = 0; identifier < 256; identifier++) {
        const qk_blockFormat *format = qk_blockFormat_of(identifier);
        if (!format) continue;
        const size_t blockCount = 2048 / format->elementCount + 3, count = blockCount * format->elementCount;
        uint8_t *blocks = BYTES(blockCount * format->byteCount + 1);
        float *values = FLOATS(count);
        for (uint64_t seed = 0; seed < 4; seed++) {
            fillBytes(blocks + 1, blockCount * format->byteCount, seed + identifier);
            format->decode(level, blocks + 1, blockCount, values);
            addFloats(d, values, count);
        }
        addBytes(d, &identifier, 4);
        releaseAll();
    }
}

static void blocksEncode(qk_simd level, digest *d) {
    for (uint32_t identifier = 0; identifier < 256; identifier++) {
        const qk_blockFormat *format = qk_blockFormat_of(identifier);
        if (!format || !format->encode) continue;
        const size_t blockCount = 1024 / format->elementCount + 1, count = blockCount * format->elementCount;
        uint8_t *blocks = BYTES(blockCount * format->byteCount + 1);
        float *values = FLOATS(count);
        for (int kind = 0; kind < 2; kind++) {
            fillFloats(values, count, (mixture)kind, identifier);
            const uint64_t done = format->encode(level, values, blockCount, blocks + 1);
            addBytes(d, &done, 8);
            addBytes(d, blocks + 1, done * format->byteCount);
            fillFloats(values + count / 2, 1, ADVERSARIAL, 6);
            const uint64_t unsound = format->encode(level, values, blockCount, blocks + 1);
            addBytes(d, &unsound, 8);
        }
        releaseAll();
    }
}

const conformance quantizedKernels[] = {
    {"quantize4", quantize4},       {"dequantize4", dequantize4},   {"quantize8", quantize8},
    {"blocks.decode", blocksDecode}, {"blocks.encode", blocksEncode}, {NULL, NULL},
};
