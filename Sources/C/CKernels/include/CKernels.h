/// The C side: SIMD loops with a scalar twin each. No allocation, no I/O, no global state but the CPU's features.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "qk_activation.h"
#include "qk_attention.h"
#include "qk_block64.h"
#include "qk_blocks.h"
#include "qk_bytes.h"
#include "qk_blocksWeighted.h"
#include "qk_calibrate.h"
#include "qk_columns.h"
#include "qk_crc32c.h"
#include "qk_deflate.h"
#include "qk_dequantize4.h"
#include "qk_dropout.h"
#include "qk_elementwise.h"
#include "qk_error.h"
#include "qk_flips.h"
#include "qk_float.h"
#include "qk_grouped.h"
#include "qk_lowRank.h"
#include "qk_matdot.h"
#include "qk_matmul.h"
#include "qk_matmul16.h"
#include "qk_matmul8.h"
#include "qk_matrix.h"
#include "qk_merge.h"
#include "qk_norm.h"
#include "qk_optimizer.h"
#include "qk_quantize4.h"
#include "qk_quantize8.h"
#include "qk_requantize4.h"
#include "qk_scaleGradients.h"
#include "qk_scan.h"
#include "qk_simd.h"
#include "qk_softmax.h"
#include "qk_sparse.h"
#include "qk_statistics.h"
#include "qk_statistics4.h"

#endif
