/// Private: products of queries with keys, and sums of values, for several rows at a time.
#ifndef QK_ATTENTION_ROWS_H
#define QK_ATTENTION_ROWS_H

#include <string.h>

#include "qk_levels.h"

enum {
    /// Of a product of a query and a key: element i is added in lane i % 16.
    PRODUCT_LANES = 16,
    /// Products whose lanes are added together.
    PRODUCTS = 4,
    /// Rows that take the same values at once, and vectors of 8 columns of a row alone.
    MIX_ROWS = 4,
    MIX_VECTORS = 8,
};

typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef float two __attribute__((vector_size(8), aligned(4), may_alias));

/// Adds products of 16 elements of `rows` queries, 1 or 2, and of 4 / rows keys.
QK_INLINE void addSixteen(
    size_t rows, const float *queries, const float *keys, size_t stride, eight lanes[PRODUCTS][2]
) {
    const size_t count = PRODUCTS / rows;
    UNROLL for (size_t half = 0; half < 2; half++)
        UNROLL for (size_t row = 0; row < rows; row++) {
            const eight q = *(const eight *)(queries + row * stride + 8 * half);
            UNROLL for (size_t key = 0; key < count; key++)
                lanes[row * count + key][half] = __builtin_elementwise_fma(
                    q, *(const eight *)(keys + key * stride + 8 * half), lanes[row * count + key][half]);
        }
}

/// Lanes i, i + 4, i + 8 and i + 12 of two products, added in halves: two sums of each.
QK_INLINE four halvesOf(const eight first[2], const eight second[2]) {
    const eight a = first[0] + first[1], b = second[0] + second[1];
    const four x = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    const four y = __builtin_shufflevector(b, b, 0, 1, 2, 3) + __builtin_shufflevector(b, b, 4, 5, 6, 7);
    return __builtin_shufflevector(x, y, 0, 1, 4, 5) + __builtin_shufflevector(x, y, 2, 3, 6, 7);
}

/// Products of `rows` queries with 4 / rows keys, all of `width` elements, one row after the other.
QK_INLINE four fourProducts(size_t rows, const float *queries, const float *keys, size_t width) {
    eight lanes[PRODUCTS][2] = {{{0}}};
    size_t i = 0;
    for (; i + PRODUCT_LANES <= width; i += PRODUCT_LANES) addSixteen(rows, queries + i, keys + i, width, lanes);
    if (i < width) {
        float lastOfQueries[2 * PRODUCT_LANES] = {0}, lastOfKeys[PRODUCTS * PRODUCT_LANES] = {0};
        for (size_t row = 0; row < rows; row++)
            memcpy(lastOfQueries + row * PRODUCT_LANES, queries + row * width + i, (width - i) * sizeof(float));
        for (size_t key = 0; key < PRODUCTS / rows; key++)
            memcpy(lastOfKeys + key * PRODUCT_LANES, keys + key * width + i, (width - i) * sizeof(float));
        addSixteen(rows, lastOfQueries, lastOfKeys, PRODUCT_LANES, lanes);
    }
    const four a = halvesOf(lanes[0], lanes[1]), b = halvesOf(lanes[2], lanes[3]);
    return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

/// scores[row][key] = query . key * scale, of 1 or 2 rows, for keys up to the next multiple of 4 from `to` on.
QK_INLINE void scoreRows(
    size_t rows, const float *queries, const float *keys, size_t width, float scale, size_t from, size_t to, float *scores,
    size_t stride
) {
    const size_t count = PRODUCTS / rows;
    for (size_t key = from - from % count; key < to; key += count) {
        const four products = fourProducts(rows, queries, keys + key * width, width) * scale;
        if (rows == 1) {
            *(four *)(scores + key) = products;
        } else {
            *(two *)(scores + key) = __builtin_shufflevector(products, products, 0, 1);
            *(two *)(scores + stride + key) = __builtin_shufflevector(products, products, 2, 3);
        }
    }
}

/// 8 `vectors` columns of `mixRows`.
QK_INLINE void mixColumns(
    size_t rows, size_t vectors, const float *weights, size_t weightStride, size_t keyCount, const float *values, size_t width,
    float *sums
) {
    eight parts[MIX_ROWS][MIX_VECTORS];
    UNROLL for (size_t row = 0; row < rows; row++)
        UNROLL for (size_t j = 0; j < vectors; j++) parts[row][j] = *(const eight *)(sums + row * width + 8 * j);
    for (size_t key = 0; key < keyCount; key++) {
        const float *value = values + key * width;
        UNROLL for (size_t row = 0; row < rows; row++) {
            const float w = weights[row * weightStride + key];
            const eight all = {w, w, w, w, w, w, w, w};
            UNROLL for (size_t j = 0; j < vectors; j++)
                parts[row][j] = __builtin_elementwise_fma(all, *(const eight *)(value + 8 * j), parts[row][j]);
        }
    }
    UNROLL for (size_t row = 0; row < rows; row++)
        UNROLL for (size_t j = 0; j < vectors; j++) *(eight *)(sums + row * width + 8 * j) = parts[row][j];
}

/// sums[row][i] = fma of weights[row][key] and values[key][i] over the keys, in order, for 1 row or MIX_ROWS.
QK_INLINE void mixRows(
    size_t rows, const float *weights, size_t weightStride, size_t keyCount, const float *values, size_t width, float *sums
) {
    size_t i = 0;
    // As many sums at once as hide how long one takes.
    if (rows == 1)
        for (; i + 8 * MIX_VECTORS <= width; i += 8 * MIX_VECTORS)
            mixColumns(1, MIX_VECTORS, weights, weightStride, keyCount, values + i, width, sums + i);
    for (; i + 16 <= width; i += 16) mixColumns(rows, 2, weights, weightStride, keyCount, values + i, width, sums + i);
    for (; i < width; i++)
        for (size_t row = 0; row < rows; row++)
            for (size_t key = 0; key < keyCount; key++)
                sums[row * width + i] =
                    __builtin_fmaf(weights[row * weightStride + key], values[key * width + i], sums[row * width + i]);
}

#endif
