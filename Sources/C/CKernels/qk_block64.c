#include "qk_block64.h"

#include <math.h>

#include "qk_levels.h"

typedef double fourDoubles __attribute__((vector_size(32), aligned(8), may_alias));

/// Columns of c that are summed at once, in two vectors; eight chains of sums keep both multipliers busy.
enum { WIDTH = 8, ROWS = 4 };

QK_INLINE void multiplyRows(const double *a, const double *b, size_t depth, bool subtracts, double *c) {
    fourDoubles sums[ROWS][2];
    UNROLL for (size_t i = 0; i < ROWS; i++) {
        sums[i][0] = *(const fourDoubles *)(c + QK_BLOCK64 * i);
        sums[i][1] = *(const fourDoubles *)(c + QK_BLOCK64 * i + 4);
    }
    for (size_t k = 0; k < depth; k++) {
        const fourDoubles first = *(const fourDoubles *)(b + QK_BLOCK64 * k), second = *(const fourDoubles *)(b + QK_BLOCK64 * k + 4);
        UNROLL for (size_t i = 0; i < ROWS; i++) {
            const double one = subtracts ? -a[QK_BLOCK64 * k + i] : a[QK_BLOCK64 * k + i];
            const fourDoubles element = {one, one, one, one};
            sums[i][0] = __builtin_elementwise_fma(element, first, sums[i][0]);
            sums[i][1] = __builtin_elementwise_fma(element, second, sums[i][1]);
        }
    }
    UNROLL for (size_t i = 0; i < ROWS; i++) {
        *(fourDoubles *)(c + QK_BLOCK64 * i) = sums[i][0];
        *(fourDoubles *)(c + QK_BLOCK64 * i + 4) = sums[i][1];
    }
}

/// Depth that is taken at a time, so that both operands of it stay in the first-level cache.
enum { DEPTH = 64 };

QK_INLINE void multiplyBlocks(const double *a, const double *b, size_t depth, bool subtracts, double *c) {
    for (size_t first = 0; first < depth; first += DEPTH, a += DEPTH * QK_BLOCK64, b += DEPTH * QK_BLOCK64) {
        const size_t count = depth - first < DEPTH ? depth - first : DEPTH;
        for (size_t j = 0; j < QK_BLOCK64; j += WIDTH) {
            for (size_t i = 0; i < QK_BLOCK64; i += ROWS) {
                if (subtracts) multiplyRows(a + i, b + j, count, true, c + QK_BLOCK64 * i + j);
                else multiplyRows(a + i, b + j, count, false, c + QK_BLOCK64 * i + j);
            }
        }
    }
}

QK_FOR_LEVELS(
    qk_block64_multiply_at, multiplyBlocks, (a, b, depth, subtracts, c), const double *a, const double *b, size_t depth,
    bool subtracts, double *c)

QK_INLINE void addSums(const float *sums, double *block) {
    for (size_t i = 0; i < QK_BLOCK64_COUNT; i++) block[i] += (double)sums[i];
}

QK_FOR_LEVELS(qk_block64_add_at, addSums, (sums, block), const float *sums, double *block)

QK_INLINE void scaleBlock(double factor, double *block) {
    for (size_t i = 0; i < QK_BLOCK64_COUNT; i++) block[i] *= factor;
}

QK_FOR_LEVELS(qk_block64_scale_at, scaleBlock, (factor, block), double factor, double *block)

/// row[i] -= factor other[i], of 64.
QK_INLINE void subtractMultiple(double factor, const double *other, double *row) {
    const fourDoubles element = {-factor, -factor, -factor, -factor};
    UNROLL for (size_t i = 0; i < QK_BLOCK64; i += 4) {
        const fourDoubles sum = __builtin_elementwise_fma(element, *(const fourDoubles *)(other + i), *(const fourDoubles *)(row + i));
        *(fourDoubles *)(row + i) = sum;
    }
}

QK_INLINE void factorBlock(double *block, bool *succeeds) {
    for (size_t j = 0; j < QK_BLOCK64; j++) {
        double *column = block + QK_BLOCK64 * j;
        // Also of NaN.
        if (!(column[j] > 0) || isinf(column[j])) {
            *succeeds = false;
            return;
        }
        const double root = sqrt(column[j]);
        for (size_t i = 0; i < QK_BLOCK64; i++) column[i] = i < j ? 0 : column[i] / root;
        for (size_t k = j + 1; k < QK_BLOCK64; k++) subtractMultiple(column[k], column, block + QK_BLOCK64 * k);
    }
    *succeeds = true;
}

void qk_block64_factor_at(qk_simd level, double *block, bool *succeeds);
QK_FOR_LEVELS(qk_block64_factor_at, factorBlock, (block, succeeds), double *block, bool *succeeds)

bool qk_block64_factor(qk_simd level, double *block) {
    bool succeeds = false;
    qk_block64_factor_at(level, block, &succeeds);
    return succeeds;
}

QK_INLINE void solveBlock(const double *factor, double *block) {
    for (size_t j = 0; j < QK_BLOCK64; j++) {
        double *column = block + QK_BLOCK64 * j;
        for (size_t k = 0; k < j; k++) subtractMultiple(factor[QK_BLOCK64 * k + j], block + QK_BLOCK64 * k, column);
        const double divisor = factor[QK_BLOCK64 * j + j];
        for (size_t i = 0; i < QK_BLOCK64; i++) column[i] /= divisor;
    }
}

QK_FOR_LEVELS(qk_block64_solve_at, solveBlock, (factor, block), const double *factor, double *block)

void qk_block64_reverse(double *block, const double *divisors) {
    double old[QK_BLOCK64_COUNT];
    memcpy(old, block, sizeof old);
    for (size_t r = 0; r < QK_BLOCK64; r++) {
        for (size_t c = 0; c < QK_BLOCK64; c++) {
            const double element = old[QK_BLOCK64 * (63 - c) + 63 - r];
            block[QK_BLOCK64 * r + c] = element / divisors[c];
        }
    }
}
