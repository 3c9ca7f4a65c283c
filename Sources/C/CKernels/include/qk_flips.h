/// Bringing a delta into a 4-bit weight by single steps of its codes. Every level gives the same bits.
#ifndef QK_FLIPS_H
#define QK_FLIPS_H

#include <stddef.h>
#include <stdint.h>

#include "qk_simd.h"

/// out [rowCount][outStride] = each row of `rows` (`columns` doubles, one row after another) times each of the `matrixRows`
/// rows of `matrix` (`columns` floats each): in 8 lanes of fused multiply-adds, element i in lane i % 8, added in halves.
void qk_flip_products_at(
    qk_simd level, const float *matrix, size_t matrixRows, size_t columns, const double *rows, size_t rowCount, double *out,
    size_t outStride);
void qk_flip_products(
    const float *matrix, size_t matrixRows, size_t columns, const double *rows, size_t rowCount, double *out, size_t outStride);

/// Which codes are a step apart.
typedef struct {
    /// What a code stands for.
    double values[16];
    /// The code of the next greater value, or the code itself where there is none.
    uint8_t greater[16];
    /// Likewise of the next smaller one.
    uint8_t smaller[16];
} qk_flip_steps;

/// Memory of a row: `columns` doubles each.
typedef struct {
    /// Half the gradient of J = e G e' + mu (e u - (aim - 1) d u)^2, where e is what changed less the delta d.
    double *gradient;
    /// u = G d / sqrt(d G d).
    double *direction;
    /// G_jj + mu u_j^2.
    double *curvature;
    /// The step to the next greater value of an element, and to the next smaller one; filled here.
    double *up;
    double *down;
} qk_flip_row;

/// wide = values.
void qk_flip_widen(const float *values, size_t count, double *wide);

/// values = what the codes of a row stand for times their scales.
void qk_flip_begin(const qk_flip_steps *steps, const float *scales, const uint8_t *codes, size_t columns, double *values);

/// values = the same of other codes, less what it was.
void qk_flip_end(const qk_flip_steps *steps, const float *scales, const uint8_t *codes, size_t columns, double *values);

/// Sums over elements of what outputs were to change by and what they did: wanted^2, found wanted, (found - wanted)^2; in 16 lanes.
void qk_flip_measure(
    const double *wanted, const double *found, size_t count, double *wantedSquares, double *products, double *errorSquares);

/// Fills gradient, direction and curvature of a row that is still the base; returns d G d, and fills nothing where it is not above 0.
///
/// - `aim`: how much of its own effect the delta is to have
/// - `delta`: d of the row
/// - `product`: moments d, as `qk_flip_products` gives it
double qk_flip_prepare(
    const float *moments, size_t columns, double damping, double mu, double aim, const double *delta, const double *product,
    const qk_flip_row *row);

/// Takes, as long as J falls, the step of one code that lowers it most; of equal ones that of the lowest column.
///
/// - `moments`: [columns][columns], the second moments of the inputs; G = moments + damping I
/// - `codes`: of the row, one in each byte; those that flip are changed
/// - `scales`: what the code of each element is multiplied by
/// - `limit`: the most steps
/// - `flipCount`: steps taken
void qk_flip_run_at(
    qk_simd level, const float *moments, size_t columns, double damping, double mu, const qk_flip_steps *steps, const float *scales,
    size_t limit, const qk_flip_row *row, uint8_t *codes, size_t *flipCount);
void qk_flip_run(
    const float *moments, size_t columns, double damping, double mu, const qk_flip_steps *steps, const float *scales, size_t limit,
    const qk_flip_row *row, uint8_t *codes, size_t *flipCount);

#endif
