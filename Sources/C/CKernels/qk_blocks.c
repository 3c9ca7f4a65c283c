#include "qk_blocks_parts.h"

#define ROW(format, identifier, elements, bytes, encoder) {identifier, #format, elements, bytes, qk_decode_##format, encoder},

static const qk_blockFormat formats[] = {QK_BLOCK_FORMATS(ROW)};

const qk_blockFormat *qk_blockFormat_of(uint32_t identifier) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].identifier == identifier) return &formats[i];
    return NULL;
}

void qk_blocks_decode(const qk_blockFormat *format, const uint8_t *blocks, size_t blockCount, float *values) {
    format->decode(qk_simd_best(), blocks, blockCount, values);
}

size_t qk_blocks_encode(const qk_blockFormat *format, const float *values, size_t blockCount, uint8_t *blocks) {
    return format->encode(qk_simd_best(), values, blockCount, blocks);
}
