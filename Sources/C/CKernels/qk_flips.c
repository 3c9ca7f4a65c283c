#include "qk_flips.h"

#include <math.h>

#include "qk_levels.h"

enum { LANES = 8, ROWS = 4 };

typedef double doubles __attribute__((vector_size(8 * LANES)));
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int64_t integers __attribute__((vector_size(8 * LANES)));

// Macros, as vectors wider than the registers of a level are no arguments of functions.
#define CHOSEN(mask, a, b) ((doubles)(((mask) & (integers)(a)) | (~(mask) & (integers)(b))))
#define LOAD(type, name, values) \
    type name; \
    memcpy(&name, values, sizeof name)

// MARK: - Products

QK_INLINE double halved(const double *lanes) {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// One row of the matrix with `count` rows, a constant, so that the sums stay in registers.
QK_INLINE void productsOf(
    size_t count, const float *line, size_t columns, const double *rows, double *out, size_t outStride) {
    doubles sums[ROWS];
    UNROLL for (size_t i = 0; i < count; i++) sums[i] = (doubles){0};
    size_t k = 0;
    for (; k + LANES <= columns; k += LANES) {
        LOAD(floats, narrow, line + k);
        const doubles element = __builtin_convertvector(narrow, doubles);
        UNROLL for (size_t i = 0; i < count; i++) {
            LOAD(doubles, other, rows + i * columns + k);
            sums[i] = __builtin_elementwise_fma(element, other, sums[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        double lanes[LANES];
        memcpy(lanes, &sums[i], sizeof lanes);
        for (size_t lane = 0; k + lane < columns; lane++)
            lanes[lane] = fma((double)line[k + lane], rows[i * columns + k + lane], lanes[lane]);
        out[i * outStride] = halved(lanes);
    }
}

QK_INLINE void products(
    const float *matrix, size_t matrixRows, size_t columns, const double *rows, size_t rowCount, double *out, size_t outStride) {
    // A row of the matrix, which may come from far, is used for all rows while it is near.
    for (size_t j = 0; j < matrixRows; j++) {
        size_t i = 0;
        for (; i + ROWS <= rowCount; i += ROWS)
            productsOf(ROWS, matrix + j * columns, columns, rows + i * columns, out + i * outStride + j, outStride);
        for (; i < rowCount; i++) productsOf(1, matrix + j * columns, columns, rows + i * columns, out + i * outStride + j, outStride);
    }
}

QK_FOR_LEVELS(
    qk_flip_products_at, products, (matrix, matrixRows, columns, rows, rowCount, out, outStride), const float *matrix,
    size_t matrixRows, size_t columns, const double *rows, size_t rowCount, double *out, size_t outStride)

void qk_flip_products(
    const float *matrix, size_t matrixRows, size_t columns, const double *rows, size_t rowCount, double *out, size_t outStride) {
    qk_flip_products_at(qk_simd_best(), matrix, matrixRows, columns, rows, rowCount, out, outStride);
}

// MARK: - Measures

void qk_flip_widen(const float *values, size_t count, double *wide) {
    for (size_t i = 0; i < count; i++) wide[i] = values[i];
}

QK_INLINE double valueOf(const qk_flip_steps *steps, const float *scales, const uint8_t *codes, size_t j) {
    return steps->values[codes[j]] * (double)scales[j];
}

void qk_flip_begin(const qk_flip_steps *steps, const float *scales, const uint8_t *codes, size_t columns, double *values) {
    for (size_t j = 0; j < columns; j++) values[j] = valueOf(steps, scales, codes, j);
}

void qk_flip_end(const qk_flip_steps *steps, const float *scales, const uint8_t *codes, size_t columns, double *values) {
    for (size_t j = 0; j < columns; j++) values[j] = valueOf(steps, scales, codes, j) - values[j];
}

void qk_flip_measure(
    const double *wanted, const double *found, size_t count, double *wantedSquares, double *products, double *errorSquares) {
    QK_SUM(squares, count, wanted[i] * wanted[i]);
    QK_SUM(both, count, wanted[i] * found[i]);
    QK_SUM(errors, count, (found[i] - wanted[i]) * (found[i] - wanted[i]));
    *wantedSquares = squares;
    *products = both;
    *errorSquares = errors;
}

// MARK: - Steps

double qk_flip_prepare(
    const float *moments, size_t columns, double damping, double mu, double aim, const double *delta, const double *product,
    const qk_flip_row *row) {
    for (size_t j = 0; j < columns; j++) row->gradient[j] = product[j] + damping * delta[j];
    QK_SUM(effect, columns, delta[i] * row->gradient[i]);
    if (!(effect > 0)) return effect;
    const double root = sqrt(effect);
    for (size_t j = 0; j < columns; j++) row->direction[j] = row->gradient[j] / root;
    QK_SUM(along, columns, -delta[i] * row->direction[i]);
    for (size_t j = 0; j < columns; j++) {
        const double u = row->direction[j];
        row->curvature[j] = ((double)moments[j * columns + j] + damping) + mu * u * u;
        row->gradient[j] = mu * (aim * along) * u - row->gradient[j];
    }
    return effect;
}

/// The step that lowers J most: of elements whose gradient is negative the one up, of the others the one down.
typedef struct {
    double change;
    size_t column;
} best_step;

QK_INLINE double chosenStep(const qk_flip_row *row, size_t j) { return row->gradient[j] < 0 ? row->up[j] : row->down[j]; }

QK_INLINE double changeBy(const qk_flip_row *row, size_t j) {
    const double t = chosenStep(row, j), g = row->gradient[j];
    return t * ((g + g) + t * row->curvature[j]);
}

/// gradient += t moments + slope direction, and where J falls most then.
QK_INLINE best_step descend(
    const qk_flip_row *row, const float *line, size_t columns, double t, double slope) {
    doubles least = (doubles){0};
    integers places = (integers){0}, place = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t j = 0;
    for (; j + LANES <= columns; j += LANES, place += LANES) {
        LOAD(floats, narrow, line + j);
        LOAD(doubles, u, row->direction + j);
        LOAD(doubles, g, row->gradient + j);
        LOAD(doubles, up, row->up + j);
        LOAD(doubles, down, row->down + j);
        LOAD(doubles, curvature, row->curvature + j);
        g += __builtin_convertvector(narrow, doubles) * t + u * slope;
        memcpy(row->gradient + j, &g, sizeof g);
        const integers isNegative = g < 0.0;
        const doubles change = CHOSEN(isNegative, up, down);
        const doubles falls = change * ((g + g) + change * curvature);
        const integers isLess = falls < least;
        least = CHOSEN(isLess, falls, least);
        places = (isLess & place) | (~isLess & places);
    }
    best_step best = {0, 0};
    for (size_t lane = 0; lane < LANES; lane++) {
        const size_t column = (size_t)places[lane];
        if (least[lane] < best.change || (least[lane] == best.change && best.change < 0 && column < best.column))
            best = (best_step){least[lane], column};
    }
    for (; j < columns; j++) {
        row->gradient[j] += (double)line[j] * t + row->direction[j] * slope;
        const double change = changeBy(row, j);
        if (change < best.change) best = (best_step){change, j};
    }
    return best;
}

QK_INLINE void setSteps(const qk_flip_row *row, const qk_flip_steps *steps, const float *scales, const uint8_t *codes, size_t j) {
    const double here = steps->values[codes[j]], scale = scales[j];
    const double greater = (steps->values[steps->greater[codes[j]]] - here) * scale;
    const double smaller = (steps->values[steps->smaller[codes[j]]] - here) * scale;
    // Double quantization may restore a constant below zero.
    row->up[j] = scale < 0 ? smaller : greater;
    row->down[j] = scale < 0 ? greater : smaller;
}

QK_INLINE void run(
    const float *moments, size_t columns, double damping, double mu, const qk_flip_steps *steps, const float *scales, size_t limit,
    const qk_flip_row *row, uint8_t *codes, size_t *flipCount) {
    *flipCount = 0;
    if (columns == 0) return;
    for (size_t j = 0; j < columns; j++) setSteps(row, steps, scales, codes, j);
    best_step best = descend(row, moments, columns, 0, 0);
    while (best.change < 0 && *flipCount < limit) {
        const size_t j = best.column;
        const double t = chosenStep(row, j);
        const int isGreater = (row->gradient[j] < 0) == !(scales[j] < 0);
        codes[j] = isGreater ? steps->greater[codes[j]] : steps->smaller[codes[j]];
        setSteps(row, steps, scales, codes, j);
        *flipCount += 1;
        row->gradient[j] += t * damping;
        best = descend(row, moments + j * columns, columns, t, mu * t * row->direction[j]);
    }
}

QK_FOR_LEVELS(
    qk_flip_run_at, run, (moments, columns, damping, mu, steps, scales, limit, row, codes, flipCount), const float *moments,
    size_t columns, double damping, double mu, const qk_flip_steps *steps, const float *scales, size_t limit, const qk_flip_row *row,
    uint8_t *codes, size_t *flipCount)

void qk_flip_run(
    const float *moments, size_t columns, double damping, double mu, const qk_flip_steps *steps, const float *scales, size_t limit,
    const qk_flip_row *row, uint8_t *codes, size_t *flipCount) {
    qk_flip_run_at(qk_simd_best(), moments, columns, damping, mu, steps, scales, limit, row, codes, flipCount);
}
