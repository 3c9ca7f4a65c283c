/// Dropout, and the random numbers that decide it.
#ifndef QK_DROPOUT_H
#define QK_DROPOUT_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// What identifies one use of randomness: equal streams give equal numbers, also after a restart.
typedef struct {
    uint64_t seed;
    uint32_t step;
    uint32_t site;
} qk_random_stream;

enum { QK_RANDOM_GROUP = 64 };

/// Words 64 `group` and on of the stream: Philox4x32-10 with counter (block, block >> 32, step, site) and the seed as key. Of
/// each group of 16 blocks, word 16 w + l is word w of block l.
void qk_random_words(qk_random_stream stream, uint64_t group, uint32_t words[QK_RANDOM_GROUP]);

/// y = x / (1 - p) where element number `start` + i of the stream is kept, and 0 elsewhere, for `count` elements;
/// `start` is a multiple of 64. Kept is what has a word of at least `threshold`, 2^32 p; `scale` is 1 / (1 - p). `y` may be `x`.
void qk_dropout_at(
    qk_simd level, qk_random_stream stream, uint32_t threshold, float scale, const float *x, size_t start, size_t count,
    float *y);

/// y += the gradient dx of `qk_dropout`'s input, where dy is that of its output: dropping is its own transpose.
void qk_dropout_add_at(
    qk_simd level, qk_random_stream stream, uint32_t threshold, float scale, const float *dy, size_t start, size_t count,
    float *dx);

#endif
