#include "qk_calibrate.h"

#include <math.h>

#include "qk_levels.h"
#include "qk_quantize4.h"

/// Values of NF4's codes, and the thresholds between them.
typedef struct {
    float values[16];
    float thresholds[15];
} code_values;

static const uint32_t nf4Values[16] = {
    0xbf800000, 0xbf3239b1, 0xbf066b30, 0xbeca32a0, 0xbe91a24d, 0xbe3d353f, 0xbdba7871, 0x00000000,
    0x3da2faff, 0x3e24cae3, 0x3e7c04dd, 0x3ead033a, 0x3ee1a4b8, 0x3f1007ab, 0x3f3913b3, 0x3f800000,
};

static code_values nf4(void) {
    code_values result;
    for (int i = 0; i < 16; i++) result.values[i] = floatOf(nf4Values[i]);
    for (int i = 0; i < 15; i++) result.thresholds[i] = floatOf(qk_quantize4_thresholds(QK_NF4)[i]);
    return result;
}

enum { LANES = 8, LARGEST_BLOCK = 4096 };

typedef float eightFloats __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t eightMasks __attribute__((vector_size(32), aligned(4), may_alias));
typedef double eightDoubles __attribute__((vector_size(64), aligned(8), may_alias));
typedef double fourDoubles __attribute__((vector_size(32), aligned(8), may_alias));

#define EIGHT(value) {value, value, value, value, value, value, value, value}

/// `a` where the mask is set, else `b`.
#define SELECT(mask, a, b) ((eightFloats)(((mask) & (eightMasks)(a)) | (~(mask) & (eightMasks)(b))))

/// Sums of 8 lanes, each element in float32 until it is weighted.
QK_INLINE double costOfBlock(
    const code_values *table, const float *weight, const double *importance, size_t count, float scale
) {
    eightDoubles lanes = EIGHT(0);
    const float divisor = scale > 1e-30f ? scale : 1e-30f;
    const eightFloats divisors = EIGHT(divisor), scales = EIGHT(scale), lowest = EIGHT(table->values[0]);
    for (size_t start = 0; start < count; start += LANES) {
        const eightFloats weights = *(const eightFloats *)(weight + start), scaled = weights / divisors;
        eightFloats value = lowest;
        UNROLL for (size_t k = 0; k < 15; k++) {
            const eightFloats threshold = EIGHT(table->thresholds[k]), next = EIGHT(table->values[k + 1]);
            const eightMasks isAbove = (eightMasks)(scaled > threshold);
            value = SELECT(isAbove, next, value);
        }
        const eightFloats restored = value * scales, difference = weights - restored, square = difference * difference;
        const eightDoubles weighted = *(const eightDoubles *)(importance + start) * __builtin_convertvector(square, eightDoubles);
        lanes += weighted;
    }
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

QK_INLINE void searchScales(
    const code_values *table, const float *weight, size_t start, size_t count, size_t columns, const double *importance,
    size_t blockSize, const float *factors, size_t factorCount, float *scales
) {
    // Whole groups of lanes; what is missing in the last block counts as 0, which costs nothing.
    float values[LARGEST_BLOCK];
    double weights[LARGEST_BLOCK];
    size_t column = start % columns;
    for (size_t first = 0; first < count; first += blockSize, scales++) {
        const size_t now = count - first < blockSize ? count - first : blockSize;
        float absmax = 0;
        for (size_t i = 0; i < blockSize; i++) {
            values[i] = i < now ? weight[first + i] : 0;
            weights[i] = i < now ? importance[column] : 0;
            if (++column == columns) column = 0;
            const float magnitude = fabsf(values[i]);
            absmax = magnitude > absmax ? magnitude : absmax;
        }
        double least = INFINITY;
        *scales = absmax;
        for (size_t k = 0; k < factorCount; k++) {
            const float scale = absmax * factors[k];
            const double cost = costOfBlock(table, values, weights, blockSize, scale);
            if (cost < least) {
                least = cost;
                *scales = scale;
            }
        }
    }
}

void qk_searchScalesOf_at(
    qk_simd level, const code_values *table, const float *weight, size_t start, size_t count, size_t columns,
    const double *importance, size_t blockSize, const float *factors, size_t factorCount, float *scales);
QK_FOR_LEVELS(
    qk_searchScalesOf_at, searchScales,
    (table, weight, start, count, columns, importance, blockSize, factors, factorCount, scales), const code_values *table,
    const float *weight, size_t start, size_t count, size_t columns, const double *importance, size_t blockSize,
    const float *factors, size_t factorCount, float *scales)

void qk_searchScales_at(
    qk_simd level, const float *weight, size_t start, size_t count, size_t columns, const double *importance, size_t blockSize,
    const float *factors, size_t factorCount, float *scales
) {
    const code_values table = nf4();
    qk_searchScalesOf_at(level, &table, weight, start, count, columns, importance, blockSize, factors, factorCount, scales);
}

// MARK: - Feedback

size_t qk_feedback_scratchCount(const qk_feedback *feedback) { return (feedback->blockRows + 3) * QK_BLOCK64_COUNT; }

QK_INLINE const double *passingBlock(const qk_feedback *f, size_t i, size_t j) {
    const size_t row = f->blockRows - 1 - i, column = f->blockRows - 1 - j;
    return f->passing + (row * (row + 1) / 2 + column) * QK_BLOCK64_COUNT;
}

/// One column of 64 rows: its codes, and what they get wrong.
QK_INLINE void codeColumn(
    const code_values *table, const double *weight, const double *target, const double *scale, double *error, uint8_t *codes
) {
    for (size_t r = 0; r < QK_BLOCK64; r += LANES) {
        const eightDoubles scales = *(const eightDoubles *)(scale + r);
        const eightFloats scaled = __builtin_convertvector(*(const eightDoubles *)(target + r) / scales, eightFloats);
        eightFloats value = EIGHT(table->values[0]);
        eightMasks code = EIGHT(0);
        UNROLL for (size_t k = 0; k < 15; k++) {
            const eightFloats threshold = EIGHT(table->thresholds[k]), next = EIGHT(table->values[k + 1]);
            // "not <=": a NaN, of a block whose scale is 0, is above every threshold.
            const eightMasks isAbove = ~(eightMasks)(scaled <= threshold);
            value = SELECT(isAbove, next, value);
            code -= isAbove;
        }
        const eightDoubles restored = __builtin_convertvector(value, eightDoubles) * scales;
        *(eightDoubles *)(error + r) = *(const eightDoubles *)(weight + r) - restored;
        UNROLL for (size_t i = 0; i < LANES; i++) codes[r + i] = (uint8_t)code[i];
    }
}

/// Gathers weights and scales of 64 rows in a panel of columns, [column][row]; rows beyond the last are 0, with a scale of 1.
QK_INLINE void gatherPanel(
    const qk_feedback *f, size_t row, size_t rowCount, const uint32_t *order, size_t columnCount, double *weights, double *scales
) {
    const int shift = __builtin_ctzll(f->blockSize);
    for (size_t r = 0; r < QK_BLOCK64; r++) {
        const size_t first = (row + r) * f->columns;
        for (size_t j = 0; j < columnCount; j++) {
            const size_t element = first + order[j];
            weights[QK_BLOCK64 * j + r] = r < rowCount ? (double)f->weight[element] : 0;
            scales[QK_BLOCK64 * j + r] = r < rowCount ? (double)f->scales[element >> shift] : 1;
        }
    }
}

/// The target of column j of a panel: what the panel's earlier columns pass on to it is added.
QK_INLINE void passOn(const double *passing, size_t j, const double *errors, double *target) {
    enum { VECTORS = 4, ROWS = 16 };
    for (size_t r = 0; r < QK_BLOCK64; r += ROWS) {
        fourDoubles sums[VECTORS];
        UNROLL for (size_t v = 0; v < VECTORS; v++) sums[v] = *(const fourDoubles *)(target + r + 4 * v);
        for (size_t i = 0; i < j; i++) {
            const double factor = passing[QK_BLOCK64 * i + j];
            const fourDoubles element = {factor, factor, factor, factor};
            UNROLL for (size_t v = 0; v < VECTORS; v++) {
                sums[v] = __builtin_elementwise_fma(*(const fourDoubles *)(errors + QK_BLOCK64 * i + r + 4 * v), element, sums[v]);
            }
        }
        UNROLL for (size_t v = 0; v < VECTORS; v++) *(fourDoubles *)(target + r + 4 * v) = sums[v];
    }
}

QK_INLINE void feedback(
    qk_simd level, const code_values *table, const qk_feedback *f, size_t row, size_t rowCount, double *scratch, uint8_t *codes
) {
    double *errors = scratch, *targets = errors + f->blockRows * QK_BLOCK64_COUNT, *weights = targets + QK_BLOCK64_COUNT;
    double *scales = weights + QK_BLOCK64_COUNT;
    for (size_t panel = 0; panel < f->blockRows; panel++) {
        const size_t first = panel * QK_BLOCK64;
        const size_t columnCount = f->count - first < QK_BLOCK64 ? f->count - first : QK_BLOCK64;
        gatherPanel(f, row, rowCount, f->order + first, columnCount, weights, scales);
        memcpy(targets, weights, columnCount * QK_BLOCK64 * sizeof(double));
        for (size_t earlier = 0; earlier < panel; earlier++)
            qk_block64_multiply_at(
                level, passingBlock(f, earlier, panel), errors + earlier * QK_BLOCK64_COUNT, QK_BLOCK64, false, targets);
        const double *passing = passingBlock(f, panel, panel);
        for (size_t j = 0; j < columnCount; j++) {
            double *target = targets + QK_BLOCK64 * j, *error = errors + QK_BLOCK64 * (first + j);
            uint8_t coded[QK_BLOCK64];
            passOn(passing, j, errors + QK_BLOCK64 * first, target);
            codeColumn(table, weights + QK_BLOCK64 * j, target, scales + QK_BLOCK64 * j, error, coded);
            for (size_t r = 0; r < rowCount; r++) codes[r * f->columns + f->order[first + j]] = coded[r];
        }
    }
}

void qk_feedbackOf_at(
    qk_simd level, const code_values *table, const qk_feedback *f, size_t row, size_t rowCount, double *scratch, uint8_t *codes);
QK_FOR_LEVELS_OF(
    qk_feedbackOf_at, feedback, (table, f, row, rowCount, scratch, codes), const code_values *table, const qk_feedback *f,
    size_t row, size_t rowCount, double *scratch, uint8_t *codes)

void qk_feedback_at(qk_simd level, const qk_feedback *f, size_t row, size_t rowCount, double *scratch, uint8_t *codes) {
    const code_values table = nf4();
    qk_feedbackOf_at(level, &table, f, row, rowCount, scratch, codes);
}

void qk_packCodes(const uint8_t *codes, size_t count, uint8_t *packed) {
    for (size_t k = 0; k < count / 2; k++) packed[k] = (uint8_t)(codes[2 * k] << 4 | codes[2 * k + 1]);
    // Code 7 is 0.
    if (count % 2 == 1) packed[count / 2] = (uint8_t)(codes[count - 1] << 4 | 7);
}

void qk_block64_gather(
    const double *source, size_t count, const uint32_t *rows, const uint32_t *columns, bool isDiagonal, double damping, double *block
) {
    for (size_t c = 0; c < QK_BLOCK64; c++) {
        for (size_t r = 0; r < QK_BLOCK64; r++) {
            const bool isOnDiagonal = isDiagonal && c == r;
            double element = isOnDiagonal ? 1 : 0;
            if (rows[r] < count && columns[c] < count) {
                const size_t high = rows[r] > columns[c] ? rows[r] : columns[c], low = rows[r] > columns[c] ? columns[c] : rows[r];
                const size_t row = high / QK_BLOCK64, place = row * (row + 1) / 2 + low / QK_BLOCK64;
                element = source[place * QK_BLOCK64_COUNT + low % QK_BLOCK64 * QK_BLOCK64 + high % QK_BLOCK64];
                if (isOnDiagonal) element += damping;
            }
            block[QK_BLOCK64 * c + r] = element;
        }
    }
}
