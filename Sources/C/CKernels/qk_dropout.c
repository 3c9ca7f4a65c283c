#include "qk_dropout.h"

#include "qk_levels.h"

enum { BLOCKS = 16, GROUP = QK_RANDOM_GROUP };

/// The 64 words of group number `group`.
QK_INLINE void philoxGroup(qk_random_stream stream, uint64_t group, uint32_t words[GROUP]) {
    uint32_t *restrict c0 = words, *restrict c1 = words + BLOCKS, *restrict c2 = words + 2 * BLOCKS, *restrict c3 = words + 3 * BLOCKS;
    for (uint32_t l = 0; l < BLOCKS; l++) {
        uint64_t block = group * BLOCKS + l;
        c0[l] = (uint32_t)block;
        c1[l] = (uint32_t)(block >> 32);
        c2[l] = stream.step;
        c3[l] = stream.site;
    }
    uint32_t k0 = (uint32_t)stream.seed, k1 = (uint32_t)(stream.seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < BLOCKS; l++) {
            uint64_t a = (uint64_t)c0[l] * 0xD2511F53u, b = (uint64_t)c2[l] * 0xCD9E8D57u;
            uint32_t n0 = (uint32_t)(b >> 32) ^ c1[l] ^ k0, n2 = (uint32_t)(a >> 32) ^ c3[l] ^ k1;
            c0[l] = n0;
            c1[l] = (uint32_t)b;
            c2[l] = n2;
            c3[l] = (uint32_t)a;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

void qk_random_words(qk_random_stream stream, uint64_t group, uint32_t words[QK_RANDOM_GROUP]) {
    philoxGroup(stream, group, words);
}

QK_INLINE void dropout(
    qk_random_stream stream, uint32_t threshold, float scale, const float *x, size_t start, size_t count, float *y
) {
    uint32_t words[GROUP];
    for (size_t i = 0; i < count; i += GROUP) {
        philoxGroup(stream, (start + i) / GROUP, words);
        size_t end = count - i < GROUP ? count - i : GROUP;
        ELEMENTWISE for (size_t l = 0; l < end; l++) y[i + l] = words[l] >= threshold ? x[i + l] * scale : 0.0f;
    }
}

QK_INLINE void dropoutAdd(
    qk_random_stream stream, uint32_t threshold, float scale, const float *restrict dy, size_t start, size_t count,
    float *restrict dx
) {
    uint32_t words[GROUP];
    for (size_t i = 0; i < count; i += GROUP) {
        philoxGroup(stream, (start + i) / GROUP, words);
        size_t end = count - i < GROUP ? count - i : GROUP;
        for (size_t l = 0; l < end; l++) dx[i + l] += words[l] >= threshold ? dy[i + l] * scale : 0.0f;
    }
}

QK_FOR_LEVELS(
    qk_dropout_at, dropout, (stream, threshold, scale, x, start, count, y), qk_random_stream stream, uint32_t threshold,
    float scale, const float *x, size_t start, size_t count, float *y)
QK_FOR_LEVELS(
    qk_dropout_add_at, dropoutAdd, (stream, threshold, scale, dy, start, count, dx), qk_random_stream stream,
    uint32_t threshold, float scale, const float *dy, size_t start, size_t count, float *dx)
