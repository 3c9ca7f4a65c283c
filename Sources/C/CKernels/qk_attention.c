#include "qk_attention.h"

#include <math.h>

#include "qk_attention_rows.h"
#include "qk_bytes.h"
#include "qk_functions.h"
#include "qk_softmax.h"

enum {
    KEYS = QK_ATTENTION_KEYS,
    SPAN = QK_ATTENTION_SPAN,
    /// Floats from the scores of a row to those of the next: rows that are used together lie in different sets of a cache.
    SCORE_STRIDE = SPAN + 16,
};

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

void qk_attention_spans(const qk_attention *attention, size_t queryCount, size_t firstPosition, size_t *first, size_t *end) {
    *first = firstSeen(attention, firstPosition) / SPAN;
    *end = (firstPosition + queryCount - 1) / SPAN + 1;
}

// Scratch: KEYS rows of widened keys or values; queries, [rows][headSize]; scores, [rows][SCORE_STRIDE]; then, for `qk_attend_at`, what a
// span gives, [rows][headSize], and shares of the span and of all. A row is a head of a query.

static size_t rowCountOf(const qk_attention *a, size_t queryCount) { return queryCount * a->groupSize; }

enum { SHARE_FLOATS = sizeof(qk_attention_share) / sizeof(float) };

size_t qk_attention_scratchCount(const qk_attention *attention, size_t queryCount) {
    const size_t rows = rowCountOf(attention, queryCount);
    return KEYS * attention->headSize + rows * (2 * attention->headSize + SCORE_STRIDE + 2 * SHARE_FLOATS) + 2;
}

typedef struct {
    size_t rowCount, firstPosition;
    /// Of the span.
    size_t start;
    float *widened, *queries, *scores;
    /// [rows][headSize]
    float *y;
} spanCall;

/// Positions that a row sees among `count` from `start` on, as a range.
QK_INLINE void seenRange(const qk_attention *a, size_t position, size_t start, size_t count, size_t *from, size_t *to) {
    const size_t first = firstSeen(a, position), end = position + 1;
    *from = first > start ? first - start : 0;
    *to = end <= start ? 0 : end - start < count ? end - start : count;
    if (*from > *to) *from = *to;
}

QK_INLINE void rangeOfRow(const qk_attention *a, spanCall c, size_t row, size_t start, size_t count, size_t *from, size_t *to) {
    seenRange(a, c.firstPosition + row / a->groupSize, start, count, from, to);
}

QK_INLINE void scoreKeys(const qk_attention *a, spanCall c, size_t start, size_t keyCount) {
    const size_t width = a->headSize;
    for (size_t row = 0; row < c.rowCount; row += 2) {
        const bool isLast = row + 1 == c.rowCount;
        size_t from, to, otherFrom, otherTo;
        rangeOfRow(a, c, row, start, keyCount, &from, &to);
        rangeOfRow(a, c, isLast ? row : row + 1, start, keyCount, &otherFrom, &otherTo);
        // What one of the two does not see is not used.
        if (from == to || (otherFrom < from && otherFrom < otherTo)) from = otherFrom;
        if (otherTo > to) to = otherTo;
        float *scores = c.scores + row * SCORE_STRIDE + (start - c.start);
        if (isLast) scoreRows(1, c.queries + row * width, c.widened, width, a->scale, from, to, scores, SCORE_STRIDE);
        else scoreRows(2, c.queries + row * width, c.widened, width, a->scale, from, to, scores, SCORE_STRIDE);
    }
}

static void addBiases(const qk_attention *a, spanCall c, size_t row, size_t from, size_t to) {
    float *scores = c.scores + row * SCORE_STRIDE;
    const float slope = a->slopes[row % a->groupSize];
    for (size_t key = from; key < to; key++) scores[key] += qk_attention_bias(a, slope, c.start + key);
}

QK_INLINE void mixValues(const qk_attention *a, spanCall c, size_t start, size_t keyCount) {
    const size_t width = a->headSize;
    for (size_t row = 0, rows; row < c.rowCount; row += rows) {
        size_t from, to;
        rangeOfRow(a, c, row, start, keyCount, &from, &to);
        for (rows = 1; rows < MIX_ROWS && row + rows < c.rowCount; rows++) {
            size_t otherFrom, otherTo;
            rangeOfRow(a, c, row + rows, start, keyCount, &otherFrom, &otherTo);
            if (otherFrom != from || otherTo != to) break;
        }
        if (from == to) continue;
        const float *weights = c.scores + row * SCORE_STRIDE + (start - c.start) + from, *values = c.widened + from * width;
        float *y = c.y + row * width;
        if (rows == MIX_ROWS) {
            mixRows(MIX_ROWS, weights, SCORE_STRIDE, to - from, values, width, y);
            continue;
        }
        for (size_t i = 0; i < rows; i++)
            mixRows(1, weights + i * SCORE_STRIDE, SCORE_STRIDE, to - from, values, width, y + i * width);
    }
}

static QK_FOR_LEVELS(
    scoreKeysAt, scoreKeys, (a, c, start, keyCount), const qk_attention *a, spanCall c, size_t start, size_t keyCount)
static QK_FOR_LEVELS(
    mixValuesAt, mixValues, (a, c, start, keyCount), const qk_attention *a, spanCall c, size_t start, size_t keyCount)

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

void qk_attend_span_at(
    qk_simd level, const qk_attention *attention, const float *queries, size_t queryStride, size_t queryCount,
    size_t firstPosition, size_t span, float *scratch, float *y, qk_attention_share *shares
) {
    const qk_attention *a = attention;
    const size_t rowCount = rowCountOf(a, queryCount), width = a->headSize, spanStart = span * SPAN;
    if (rowCount == 0) return;
    float *copies = scratch + KEYS * width;
    const spanCall c = {rowCount, firstPosition, spanStart, scratch, copies, copies + rowCount * width, y};
    // Of what any of the queries sees.
    const size_t seen = firstSeen(a, firstPosition), last = firstPosition + queryCount, spanEnd = spanStart + SPAN;
    const size_t first = seen > spanStart ? seen : spanStart, end = last < spanEnd ? last : spanEnd;
    for (size_t query = 0; query < queryCount; query++)
        memcpy(c.queries + query * a->groupSize * width, queries + query * queryStride, a->groupSize * width * sizeof(float));
    memset(y, 0, rowCount * width * sizeof(float));
    // Rows beyond the last key are read, though not used.
    memset(c.widened, 0, KEYS * width * sizeof(float));
    for (size_t start = first; start < end; start += KEYS) {
        const size_t keyCount = end - start < KEYS ? end - start : KEYS;
        widenRows(level, a, a->keys, a->keyScales, start, keyCount, c.widened);
        scoreKeysAt(level, a, c, start, keyCount);
    }
    for (size_t row = 0; row < rowCount; row++) {
        size_t from, to;
        rangeOfRow(a, c, row, spanStart, SPAN, &from, &to);
        shares[row] = (qk_attention_share){0, -INFINITY};
        if (from == to) continue;
        if (a->slopes) addBiases(a, c, row, from, to);
        qk_softmax_share_at(
            level, c.scores + row * SCORE_STRIDE + from, to - from, a->cap, &shares[row].largest, &shares[row].sum);
    }
    for (size_t start = first; start < end; start += KEYS) {
        const size_t keyCount = end - start < KEYS ? end - start : KEYS;
        widenRows(level, a, a->values, a->valueScales, start, keyCount, c.widened);
        mixValuesAt(level, a, c, start, keyCount);
    }
}

void qk_attention_begin(
    const qk_attention *attention, size_t queryCount, float *y, size_t yStride, qk_attention_share *shares
) {
    const qk_attention *a = attention;
    for (size_t query = 0; query < queryCount; query++) {
        memset(y + query * yStride, 0, a->groupSize * a->headSize * sizeof(float));
        for (size_t head = 0; head < a->groupSize; head++)
            shares[query * a->groupSize + head] =
                a->sinks ? (qk_attention_share){1, a->sinks[head]} : (qk_attention_share){0, -INFINITY};
    }
}

/// y = fma(added, b, y a).
QK_INLINE void joinRow(const float *added, float a, float b, size_t count, float *y) {
    for (size_t i = 0; i < count; i++) y[i] = __builtin_fmaf(added[i], b, y[i] * a);
}

static QK_FOR_LEVELS(
    joinRowAt, joinRow, (added, a, b, count, y), const float *added, float a, float b, size_t count, float *y)

void qk_attention_join_at(
    qk_simd level, const qk_attention *attention, size_t queryCount, const float *spanY, const qk_attention_share *spanShares,
    float *y, size_t yStride, qk_attention_share *shares
) {
    const size_t width = attention->headSize, groupSize = attention->groupSize;
    for (size_t row = 0; row < queryCount * groupSize; row++) {
        const qk_attention_share added = spanShares[row], before = shares[row];
        float *target = y + row / groupSize * yStride + row % groupSize * width;
        if (added.sum == 0) continue;
        if (before.sum == 0) {
            memcpy(target, spanY + row * width, width * sizeof(float));
            shares[row] = added;
            continue;
        }
        const float largest = before.largest > added.largest ? before.largest : added.largest;
        const double old = before.sum * (double)expOf(before.largest - largest);
        const double new = added.sum * (double)expOf(added.largest - largest), sum = old + new;
        shares[row] = (qk_attention_share){sum, largest};
        joinRowAt(level, spanY + row * width, (float)(old / sum), (float)(new / sum), width, target);
    }
}

void qk_attend_at(
    qk_simd level, const qk_attention *attention, const float *queries, size_t queryStride, size_t queryCount,
    size_t firstPosition, float *scratch, float *y, size_t yStride
) {
    if (queryCount == 0) return;
    const size_t rowCount = rowCountOf(attention, queryCount), width = attention->headSize;
    float *spanY = scratch + KEYS * width + rowCount * (width + SCORE_STRIDE);
    float *behind = spanY + rowCount * width;
    // Doubles begin at a multiple of their size.
    qk_attention_share *shares = (qk_attention_share *)(void *)(behind + ((uintptr_t)behind % sizeof(double) != 0));
    size_t first, end;
    qk_attention_spans(attention, queryCount, firstPosition, &first, &end);
    qk_attention_begin(attention, queryCount, y, yStride, shares + rowCount);
    for (size_t span = first; span < end; span++) {
        qk_attend_span_at(level, attention, queries, queryStride, queryCount, firstPosition, span, scratch, spanY, shares);
        qk_attention_join_at(level, attention, queryCount, spanY, shares, y, yStride, shares + rowCount);
    }
}
