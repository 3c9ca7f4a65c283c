#include <cblas-openblas.h>

// LAPACK's own interface, which libopenblas holds but its header does not declare: matrices are column-major, and every
// argument is passed by its address. Integers have 32 bits.
void sgeqrf_(
    const int *rows, const int *columns, float *a, const int *leadingDimension, float *tau, float *work, const int *workCount, int *info);
void sorgqr_(
    const int *rows, const int *columns, const int *reflectorCount, float *a, const int *leadingDimension, const float *tau, float *work,
    const int *workCount, int *info);
void sgesdd_(
    const char *job, const int *rows, const int *columns, float *a, const int *leadingDimension, float *values, float *left,
    const int *leftLeadingDimension, float *right, const int *rightLeadingDimension, float *work, const int *workCount,
    int *integerWork, int *info);
