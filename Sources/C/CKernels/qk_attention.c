#include "qk_attention.h"

#include <math.h>
#include <string.h>

#include "qk_bytes.h"
#include "qk_levels.h"
#include "qk_softmax.h"

enum { LANES = 16, KEYS = QK_ATTENTION_KEYS };

float qk_attention_bias(const qk_attention *attention, float slope, size_t position) {
    const float bias = slope * (float)position;
    if (!attention->roundsBiases) return bias * attention->biasScale;
    uint32_t bits;
    memcpy(&bits, &bias, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    float rounded;
    memcpy(&rounded, &bits, sizeof rounded);
    return rounded * attention->biasScale;
}

/// First position that the query at `position` sees.
QK_INLINE size_t firstSeen(const qk_attention *a, size_t position) {
    if (a->chunk) return position - position % a->chunk;
    return a->window > position ? 0 : position + 1 - a->window;
}

// Scratch: KEYS rows of widened keys or values, then the scores of each query, all of them as long as those of the last.

size_t qk_attention_scratchCount(const qk_attention *attention, size_t queryCount, size_t lastPosition) {
    const size_t firstPosition = lastPosition + 1 - queryCount;
    const size_t scoreCount = lastPosition + 1 - firstSeen(attention, firstPosition);
    return KEYS * attention->headSize + queryCount * attention->groupSize * scoreCount;
}

typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

/// Adds products of 16 elements of a query and of four keys.
QK_INLINE void addSixteen(const float *query, const float *keys, size_t stride, eight lanes[4][2]) {
    for (size_t half = 0; half < 2; half++) {
        const eight q = *(const eight *)(query + 8 * half);
        for (size_t key = 0; key < 4; key++)
            lanes[key][half] = __builtin_elementwise_fma(
                q, *(const eight *)(keys + key * stride + 8 * half), lanes[key][half]);
    }
}

/// Lanes i, i + 4, i + 8 and i + 12 of two keys, added in halves: two sums of each.
QK_INLINE four halvesOf(const eight first[2], const eight second[2]) {
    const eight a = first[0] + first[1], b = second[0] + second[1];
    const four x = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    const four y = __builtin_shufflevector(b, b, 0, 1, 2, 3) + __builtin_shufflevector(b, b, 4, 5, 6, 7);
    return __builtin_shufflevector(x, y, 0, 1, 4, 5) + __builtin_shufflevector(x, y, 2, 3, 6, 7);
}

/// Sums of the products of a query with four keys.
QK_INLINE void fourProducts(const float *query, const float *keys, size_t headSize, float products[4]) {
    eight lanes[4][2] = {{{0}}};
    size_t i = 0;
    for (; i + LANES <= headSize; i += LANES) addSixteen(query + i, keys + i, headSize, lanes);
    if (i < headSize) {
        float lastOfQuery[LANES] = {0}, lastOfKeys[4 * LANES] = {0};
        memcpy(lastOfQuery, query + i, (headSize - i) * sizeof(float));
        for (size_t key = 0; key < 4; key++)
            memcpy(lastOfKeys + key * LANES, keys + key * headSize + i, (headSize - i) * sizeof(float));
        addSixteen(lastOfQuery, lastOfKeys, LANES, lanes);
    }
    const four a = halvesOf(lanes[0], lanes[1]), b = halvesOf(lanes[2], lanes[3]);
    *(four *)products = __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

/// sums[i] = fma of weights[key] and values[key][i] over the keys, in order.
QK_INLINE void addValues(const float *weights, size_t keyCount, const float *values, size_t headSize, float *sums) {
    enum { PIECE = 32 };
    size_t i = 0;
    for (; i + PIECE <= headSize; i += PIECE) {
        float piece[PIECE];
        memcpy(piece, sums + i, sizeof piece);
        for (size_t key = 0; key < keyCount; key++)
            for (size_t j = 0; j < PIECE; j++)
                piece[j] = __builtin_fmaf(weights[key], values[key * headSize + i + j], piece[j]);
        memcpy(sums + i, piece, sizeof piece);
    }
    for (; i < headSize; i++)
        for (size_t key = 0; key < keyCount; key++)
            sums[i] = __builtin_fmaf(weights[key], values[key * headSize + i], sums[i]);
}

typedef struct {
    const float *queries;
    size_t queryStride, queryCount, firstPosition;
    float *widened, *scores;
    /// Position of the first score of each query, and their number.
    size_t firstKey, scoreCount;
    float *y;
    size_t yStride;
} attentionCall;

/// Positions from `start` on among those that the query at `position` sees, as a range of at most KEYS.
QK_INLINE void seenRange(const qk_attention *a, size_t position, size_t start, size_t keyCount, size_t *from, size_t *to) {
    const size_t first = firstSeen(a, position), end = position + 1;
    *from = first > start ? first - start : 0;
    *to = end <= start ? 0 : (end - start < keyCount ? end - start : keyCount);
}

QK_INLINE void scoreKeys(const qk_attention *a, attentionCall c, size_t start, size_t keyCount) {
    for (size_t query = 0; query < c.queryCount; query++) {
        size_t from, to;
        seenRange(a, c.firstPosition + query, start, keyCount, &from, &to);
        if (from >= to) continue;
        for (size_t head = 0; head < a->groupSize; head++) {
            const float *q = c.queries + query * c.queryStride + head * a->headSize;
            float *scores = c.scores + (query * a->groupSize + head) * c.scoreCount + (start - c.firstKey);
            for (size_t key = from - from % 4; key < to; key += 4) {
                float products[4];
                fourProducts(q, c.widened + key * a->headSize, a->headSize, products);
                for (size_t j = 0; j < 4; j++)
                    if (key + j >= from && key + j < to) scores[key + j] = products[j] * a->scale;
            }
            if (!a->slopes) continue;
            for (size_t key = from; key < to; key++) scores[key] += qk_attention_bias(a, a->slopes[head], start + key);
        }
    }
}

QK_INLINE void mixValues(const qk_attention *a, attentionCall c, size_t start, size_t keyCount) {
    for (size_t query = 0; query < c.queryCount; query++) {
        size_t from, to;
        seenRange(a, c.firstPosition + query, start, keyCount, &from, &to);
        if (from >= to) continue;
        for (size_t head = 0; head < a->groupSize; head++) {
            const float *weights = c.scores + (query * a->groupSize + head) * c.scoreCount + (start - c.firstKey);
            float *y = c.y + query * c.yStride + head * a->headSize;
            addValues(weights + from, to - from, c.widened + from * a->headSize, a->headSize, y);
        }
    }
}

static QK_FOR_LEVELS(
    scoreKeysAt, scoreKeys, (a, c, start, keyCount), const qk_attention *a, attentionCall c, size_t start, size_t keyCount)
static QK_FOR_LEVELS(
    mixValuesAt, mixValues, (a, c, start, keyCount), const qk_attention *a, attentionCall c, size_t start, size_t keyCount)

static void widenRows(
    qk_simd level, const qk_attention *a, const void *rows, const float *scales, size_t start, size_t keyCount, float *widened
) {
    if (scales) {
        const int8_t *codes = (const int8_t *)rows + start * a->stride;
        qk_bytes_decode_at(level, codes, a->stride, scales + start, keyCount, a->headSize, widened);
        return;
    }
    const size_t width = qk_float_byteCount(a->type);
    if (a->stride == a->headSize) {
        qk_widen_at(level, a->type, (const uint8_t *)rows + start * a->stride * width, keyCount * a->headSize, widened);
        return;
    }
    for (size_t key = 0; key < keyCount; key++)
        qk_widen_at(
            level, a->type, (const uint8_t *)rows + (start + key) * a->stride * width, a->headSize,
            widened + key * a->headSize);
}

void qk_attend_at(
    qk_simd level, const qk_attention *attention, const float *queries, size_t queryStride, size_t queryCount,
    size_t firstPosition, float *scratch, float *y, size_t yStride
) {
    const qk_attention *a = attention;
    if (queryCount == 0) return;
    const size_t end = firstPosition + queryCount, firstKey = firstSeen(a, firstPosition);
    const attentionCall c = {
        queries, queryStride, queryCount, firstPosition, scratch, scratch + KEYS * a->headSize, firstKey, end - firstKey,
        y, yStride};
    // Rows beyond the last key are read, though not used.
    memset(c.widened, 0, KEYS * a->headSize * sizeof(float));
    for (size_t start = firstKey; start < end; start += KEYS) {
        const size_t keyCount = end - start < KEYS ? end - start : KEYS;
        widenRows(level, a, a->keys, a->keyScales, start, keyCount, c.widened);
        scoreKeysAt(level, a, c, start, keyCount);
    }
    for (size_t query = 0; query < queryCount; query++) {
        const size_t position = firstPosition + query, first = firstSeen(a, position);
        for (size_t head = 0; head < a->groupSize; head++) {
            float *scores = c.scores + (query * a->groupSize + head) * c.scoreCount + (first - firstKey);
            const size_t count = position + 1 - first;
            float logSum;
            qk_softmax_at(level, scores, 1, count, count, 0, 1, a->cap, &logSum);
            if (!a->sinks) continue;
            const float share = 1 / (1 + expf(a->sinks[head] - logSum));
            for (size_t i = 0; i < count; i++) scores[i] *= share;
        }
        memset(y + query * yStride, 0, a->groupSize * a->headSize * sizeof(float));
    }
    for (size_t start = firstKey; start < end; start += KEYS) {
        const size_t keyCount = end - start < KEYS ? end - start : KEYS;
        widenRows(level, a, a->values, a->valueScales, start, keyCount, c.widened);
        mixValuesAt(level, a, c, start, keyCount);
    }
}
