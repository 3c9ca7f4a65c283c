/// The C side: SIMD loops with a scalar twin each. No allocation, no I/O, no global state but the CPU's features.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "qk_crc32c.h"

#endif
