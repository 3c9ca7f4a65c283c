/// Private: tables of values of 4-bit codes.
#ifndef QK_BLOCKS_TABLES_H
#define QK_BLOCKS_TABLES_H

#include <stdint.h>

/// Of IQ4_NL and IQ4_XS: denser around 0.
static const int8_t qk_nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

#endif
