#include "qk_blocks_parts.h"

// "K-quants": 256 elements in groups of 16 or 32, whose scales are small integers times a float16 d of the block (and whose
// minimums such integers times another, dmin).

/// Two bits of each element: those of element 128 c + 32 p + l are bits 2 p and 2 p + 1 of byte 32 c + l.
QK_INLINE void splitPlanes(const uint8_t *restrict bytes, int8_t *restrict codes) {
    for (size_t c = 0; c < 2; c++)
        for (size_t p = 0; p < 4; p++)
            for (size_t l = 0; l < 32; l++) codes[128 * c + 32 * p + l] = (int8_t)(bytes[32 * c + l] >> 2 * p & 3);
}

/// Nibbles of groups of 32: byte 32 k + l has element l of group 2 k in its lower half, of group 2 k + 1 in its upper half.
QK_INLINE void splitPairsOfGroups(const uint8_t *restrict bytes, int8_t *restrict codes) {
    for (size_t k = 0; k < 4; k++) {
        for (size_t l = 0; l < 32; l++) {
            codes[64 * k + l] = (int8_t)(bytes[32 * k + l] & 15);
            codes[64 * k + 32 + l] = (int8_t)(bytes[32 * k + l] >> 4);
        }
    }
}

//      0                    16                 80  82     84
// Q2_K | 16 bytes: s + 16 m | 64 bytes: planes | d | dmin |         (d s) q - dmin m
QK_INLINE void Q2_K(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[256];
    splitPlanes(block + 16, codes);
    const float d = halfAt(block + 80), dmin = halfAt(block + 82);
    for (size_t g = 0; g < 16; g++)
        scaleAndAdd(codes + 16 * g, 16, d * (float)(block[g] & 15), -(dmin * (float)(block[g] >> 4)), values + 16 * g);
}

/// 16 scales of 6 bits in 12 bytes: lower halves in the nibbles of the first eight, upper pairs of bits in the last four.
QK_INLINE void scalesOfQ3(const uint8_t *bytes, int8_t scales[16]) {
    for (size_t g = 0; g < 16; g++) {
        const int lower = g < 8 ? bytes[g] & 15 : bytes[g - 8] >> 4, upper = bytes[8 + g % 4] >> 2 * (g / 4) & 3;
        scales[g] = (int8_t)((lower | upper << 4) - 32);
    }
}

//      0             32                 96                      108 110
// Q3_K | 32 bytes: h | 64 bytes: planes | 12 bytes: 16 scales s | d |         (d s) (q + 4 h - 4)
//
// h of element 32 g + l is bit g of byte l.
QK_INLINE void Q3_K(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[256], scales[16];
    splitPlanes(block + 32, codes);
    for (size_t g = 0; g < 8; g++)
        for (size_t l = 0; l < 32; l++) codes[32 * g + l] = (int8_t)(codes[32 * g + l] + (block[l] >> g & 1) * 4 - 4);
    scalesOfQ3(block + 96, scales);
    const float d = halfAt(block + 108);
    for (size_t g = 0; g < 16; g++) scaleCodes(codes + 16 * g, 16, d * (float)scales[g], values + 16 * g);
}

/// Scales s and minimums m of 8 groups, 6 bits each, in 12 bytes. Groups 0 to 3 have theirs in the lower bits of bytes 0 to 3
/// and 4 to 7; groups 4 to 7 have the lower four bits in a byte of the last four, and the upper two above those of the others:
///
///     bytes 0 to 3     s4..s7 >> 4 | s0..s3
///     bytes 4 to 7     m4..m7 >> 4 | m0..m3
///     bytes 8 to 11    m4..m7 & 15 | s4..s7 & 15
QK_INLINE void scalesOfQ4(const uint8_t *bytes, uint8_t scales[8], uint8_t minimums[8]) {
    for (size_t g = 0; g < 4; g++) {
        scales[g] = bytes[g] & 63;
        minimums[g] = bytes[4 + g] & 63;
        scales[4 + g] = (uint8_t)((bytes[8 + g] & 15) | bytes[g] >> 6 << 4);
        minimums[4 + g] = (uint8_t)(bytes[8 + g] >> 4 | bytes[4 + g] >> 6 << 4);
    }
}

/// (d s) q - dmin m of 8 groups of 32; the head of the block has d, dmin and the 12 bytes of `scalesOfQ4`.
QK_INLINE void scaleByHead(const uint8_t *restrict head, const int8_t *restrict codes, float *restrict values) {
    uint8_t scales[8], minimums[8];
    scalesOfQ4(head + 4, scales, minimums);
    const float d = halfAt(head), dmin = halfAt(head + 2);
    for (size_t g = 0; g < 8; g++)
        scaleAndAdd(codes + 32 * g, 32, d * (float)scales[g], -(dmin * (float)minimums[g]), values + 32 * g);
}

//      0   2      4                16                                      144
// Q4_K | d | dmin | 12 bytes: s, m | 128 bytes: nibbles, two groups a byte |         (d s) q - dmin m
QK_INLINE void Q4_K(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[256];
    splitPairsOfGroups(block + 16, codes);
    scaleByHead(block, codes, values);
}

//      0   2      4                16            48                                      176
// Q5_K | d | dmin | 12 bytes: s, m | 32 bytes: h | 128 bytes: nibbles, two groups a byte |         (d s) (q + 16 h) - dmin m
//
// h of element 32 g + l is bit g of byte l.
QK_INLINE void Q5_K(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[256];
    splitPairsOfGroups(block + 48, codes);
    for (size_t g = 0; g < 8; g++)
        for (size_t l = 0; l < 32; l++) codes[32 * g + l] = (int8_t)(codes[32 * g + l] | (block[16 + l] >> g & 1) << 4);
    scaleByHead(block, codes, values);
}

//      0                            128                             192                  208 210
// Q6_K | 128 bytes: lower four bits | 64 bytes: planes of upper two | 16 signed scales s | d |         (d s) (q - 32)
//
// The lower bits of element 128 c + 32 p + l: in byte 64 c + 32 (p % 2) + l, of p < 2 the lower and of the others the upper nibble.
QK_INLINE void Q6_K(const uint8_t *restrict block, float *restrict values) {
    int8_t codes[256];
    splitPlanes(block + 128, codes);
    for (size_t c = 0; c < 2; c++) {
        int8_t *restrict half = codes + 128 * c;
        for (size_t l = 0; l < 64; l++) {
            const uint8_t pair = block[64 * c + l];
            half[l] = (int8_t)((half[l] << 4 | (pair & 15)) - 32);
            half[64 + l] = (int8_t)((half[64 + l] << 4 | pair >> 4) - 32);
        }
    }
    const float d = halfAt(block + 208);
    for (size_t g = 0; g < 16; g++)
        scaleCodes(codes + 16 * g, 16, d * (float)(int8_t)block[192 + g], values + 16 * g);
}

QK_DECODER(Q2_K)
QK_DECODER(Q3_K)
QK_DECODER(Q4_K)
QK_DECODER(Q5_K)
QK_DECODER(Q6_K)
