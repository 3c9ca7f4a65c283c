/// What the elements of a tensor that is stored in 4-bit blocks are like, without dequantizing them one by one.
#ifndef QK_STATISTICS4_H
#define QK_STATISTICS4_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"
#include "qk_statistics.h"

/// Elements that are summed up apart from others; a multiple of every block size.
enum { QK_RUN4 = 16384 };

/// Packed codes of a tensor from a block boundary on: sizes as for `qk_dequantize4`.
typedef struct {
    const float *quantMap;
    const uint8_t *packed;
    const float *absmax;
    size_t count, blockSize;
} qk_blocks4;

/// Sums up each run of QK_RUN4 elements as if they had been dequantized to float32, and adds how often each code occurs to
/// the 16 of `codes`. `runs` has a summary for every run begun.
///
/// A block has only 16 different values: its codes are counted, and each value enters the sums once, times its count.
/// It goes by cells of 64 elements (32 where blocks have 32), which lie in one block: cell c of a run belongs to lane
/// c % 8, the shift is the mean of the first two, and all else is as in `qk_summarize`.
void qk_summarize4(qk_blocks4 blocks, uint64_t *codes, qk_summary *runs);
void qk_summarize4_at(qk_simd level, qk_blocks4 blocks, uint64_t *codes, qk_summary *runs);

/// Finite elements whose distance from `mean` is larger than `distance`.
uint64_t qk_count_far4(qk_blocks4 blocks, double mean, double distance);
uint64_t qk_count_far4_at(qk_simd level, qk_blocks4 blocks, double mean, double distance);

/// Adds the finite elements to `counts`, one for each bin.
void qk_histogram4(qk_blocks4 blocks, qk_bins bins, uint64_t *counts);
void qk_histogram4_at(qk_simd level, qk_blocks4 blocks, qk_bins bins, uint64_t *counts);

#endif
