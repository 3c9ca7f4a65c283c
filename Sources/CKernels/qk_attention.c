#include "qk_attention.h"

#include <string.h>

#include "qk_elementwise.h"
#include "qk_exp.h"

enum { LANES = 16, KEYS = QK_ATTENTION_KEYS };

/// First position that the query at `position` sees.
QK_INLINE size_t firstSeen(const qk_attention *a, size_t position) {
    return a->window > position ? 0 : position + 1 - a->window;
}

// Scratch: KEYS rows of widened keys or values, then the scores of each query, all of them as long as those of the last.

size_t qk_attention_scratchCount(const qk_attention *attention, size_t queryCount, size_t lastPosition) {
    const size_t firstPosition = lastPosition + 1 - queryCount;
    const size_t scoreCount = lastPosition + 1 - firstSeen(attention, firstPosition);
    return KEYS * attention->headSize + queryCount * attention->groupSize * scoreCount;
}

/// Sums of the products of a query with four keys.
QK_INLINE void fourProducts(const float *query, const float *keys, size_t headSize, float products[4]) {
    float lanes[4][LANES] = {{0}};
    size_t i = 0;
    for (; i + LANES <= headSize; i += LANES)
        for (size_t key = 0; key < 4; key++)
            for (size_t lane = 0; lane < LANES; lane++)
                lanes[key][lane] = __builtin_fmaf(query[i + lane], keys[key * headSize + i + lane], lanes[key][lane]);
    for (size_t lane = 0; i < headSize; i++, lane++)
        for (size_t key = 0; key < 4; key++)
            lanes[key][lane] = __builtin_fmaf(query[i], keys[key * headSize + i], lanes[key][lane]);
    for (size_t key = 0; key < 4; key++) {
        for (size_t half = LANES / 2; half > 0; half /= 2)
            for (size_t lane = 0; lane < half; lane++) lanes[key][lane] += lanes[key][lane + half];
        products[key] = lanes[key][0];
    }
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

QK_FOR_LEVELS(
    scoreKeys, scoreKeys, (const qk_attention *a, attentionCall c, size_t start, size_t keyCount), a, c, start, keyCount)
QK_FOR_LEVELS(
    mixValues, mixValues, (const qk_attention *a, attentionCall c, size_t start, size_t keyCount), a, c, start, keyCount)

static void scoreKeysAt(qk_simd level, const qk_attention *a, attentionCall c, size_t start, size_t keyCount) {
    QK_CALL_LEVEL(scoreKeys, level, a, c, start, keyCount);
}

static void mixValuesAt(qk_simd level, const qk_attention *a, attentionCall c, size_t start, size_t keyCount) {
    QK_CALL_LEVEL(mixValues, level, a, c, start, keyCount);
}

static void widenRows(
    qk_simd level, const qk_attention *a, const void *rows, size_t start, size_t keyCount, float *widened
) {
    const size_t width = qk_float_byteCount(a->type);
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
        widenRows(level, a, a->keys, start, keyCount, c.widened);
        scoreKeysAt(level, a, c, start, keyCount);
    }
    for (size_t query = 0; query < queryCount; query++) {
        const size_t position = firstPosition + query, first = firstSeen(a, position);
        for (size_t head = 0; head < a->groupSize; head++) {
            float *scores = c.scores + (query * a->groupSize + head) * c.scoreCount + (first - firstKey);
            qk_softmax_at(level, scores, position + 1 - first);
        }
        memset(y + query * yStride, 0, a->groupSize * a->headSize * sizeof(float));
    }
    for (size_t start = firstKey; start < end; start += KEYS) {
        const size_t keyCount = end - start < KEYS ? end - start : KEYS;
        widenRows(level, a, a->values, start, keyCount, c.widened);
        mixValuesAt(level, a, c, start, keyCount);
    }
}

void qk_attend(
    const qk_attention *attention, const float *queries, size_t queryStride, size_t queryCount, size_t firstPosition,
    float *scratch, float *y, size_t yStride
) {
    qk_attend_at(
        qk_simd_best(), attention, queries, queryStride, queryCount, firstPosition, scratch, y, yStride);
}
