#include "qk_dequantize4.h"

#include "qk_codes.h"

// A block has only 16 values: they are computed and rounded once per block, and then looked up.

/// One call.
typedef struct {
    const float *quantMap;
    const uint8_t *packed;
    const float *absmax;
    size_t count, blockSize;
    uint8_t *destination;
} dequantization;

/// Elements `start` to `end`, which lie in one block.
QK_INLINE void elementsScalar(qk_float type, dequantization d, size_t start, size_t end) {
    const size_t byteCount = type == QK_F32 ? 4 : 2;
    float absmax = d.absmax[start / d.blockSize];
    uint8_t values[16 * 4];
    for (size_t code = 0; code < 16; code++) storeOne(type, values, code, d.quantMap[code] * absmax);
    for (size_t i = start; i < end; i++) {
        uint8_t pair = d.packed[i / 2], code = i & 1 ? pair & 15 : pair >> 4;
        memcpy(d.destination + i * byteCount, values + code * byteCount, byteCount);
    }
}

#if defined(__x86_64__)
QK_TARGET_AVX2 QK_INLINE void wholeBlockF32AVX2(dequantization d, size_t start, __m256 lower, __m256 upper) {
    for (size_t i = start; i < start + d.blockSize; i += 8)
        _mm256_storeu_ps((float *)(d.destination + 4 * i), lookUpEight(lower, upper, d.packed + i / 2));
}

/// 16-bit values are looked up a byte at a time: the lower bytes of the 16 values, then the upper ones.
QK_TARGET_AVX2 QK_INLINE void wholeBlockF16AVX2(dequantization d, size_t start, __m128i lowerPlane, __m128i upperPlane) {
    const __m128i nibble = _mm_set1_epi8(15);
    for (size_t i = start; i < start + d.blockSize; i += 32) {
        __m128i pairs = _mm_loadu_si128((const __m128i *)(d.packed + i / 2));
        __m128i even = _mm_and_si128(_mm_srli_epi16(pairs, 4), nibble), odd = _mm_and_si128(pairs, nibble);
        __m128i codes[2] = {_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd)};
        for (int half = 0; half < 2; half++) {
            __m128i lower = _mm_shuffle_epi8(lowerPlane, codes[half]), upper = _mm_shuffle_epi8(upperPlane, codes[half]);
            __m128i *destination = (__m128i *)(d.destination + 2 * i + 32 * (size_t)half);
            _mm_storeu_si128(destination, _mm_unpacklo_epi8(lower, upper));
            _mm_storeu_si128(destination + 1, _mm_unpackhi_epi8(lower, upper));
        }
    }
}

QK_TARGET_AVX2 QK_INLINE void wholeBlocksAVX2(qk_float type, dequantization d) {
    const __m256 lowerMap = _mm256_loadu_ps(d.quantMap), upperMap = _mm256_loadu_ps(d.quantMap + 8);
    for (size_t start = 0; start + d.blockSize <= d.count; start += d.blockSize) {
        __m256 absmax = _mm256_set1_ps(*d.absmax++);
        __m256 lower = _mm256_mul_ps(lowerMap, absmax), upper = _mm256_mul_ps(upperMap, absmax);
        if (type == QK_F32) {
            wholeBlockF32AVX2(d, start, lower, upper);
        } else {
            __m128i low = type == QK_F16 ? narrowEightF16(lower) : narrowEightBF16(lower);
            __m128i high = type == QK_F16 ? narrowEightF16(upper) : narrowEightBF16(upper);
            const __m128i byteMask = _mm_set1_epi16(0xff);
            wholeBlockF16AVX2(
                d, start, _mm_packus_epi16(_mm_and_si128(low, byteMask), _mm_and_si128(high, byteMask)),
                _mm_packus_epi16(_mm_srli_epi16(low, 8), _mm_srli_epi16(high, 8)));
        }
    }
}

QK_TARGET_AVX512 QK_INLINE void wholeBlockF32AVX512(dequantization d, size_t start, __m512 values) {
    for (size_t i = start; i < start + d.blockSize; i += 16)
        _mm512_storeu_ps(d.destination + 4 * i, lookUpSixteen(values, d.packed + i / 2));
}

QK_TARGET_AVX512 QK_INLINE void wholeBlockF16AVX512(dequantization d, size_t start, __m512i valuesTwice) {
    for (size_t i = start; i < start + d.blockSize; i += 32) {
        // As in lookUpSixteen, with 5 bits: the fifth, a bit of the other code, selects between two copies of the values.
        __m512i pairs = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(d.packed + i / 2)));
        __m512i codes = _mm512_or_si512(_mm512_srli_epi32(pairs, 4), _mm512_slli_epi32(pairs, 16));
        _mm512_storeu_si512(d.destination + 2 * i, _mm512_permutexvar_epi16(codes, valuesTwice));
    }
}

QK_TARGET_AVX512 QK_INLINE void wholeBlocksAVX512(qk_float type, dequantization d) {
    const __m512 quantMap = _mm512_loadu_ps(d.quantMap);
    for (size_t start = 0; start + d.blockSize <= d.count; start += d.blockSize) {
        __m512 values = _mm512_mul_ps(quantMap, _mm512_set1_ps(*d.absmax++));
        if (type == QK_F32) {
            wholeBlockF32AVX512(d, start, values);
        } else {
            __m256i narrow = type == QK_F16 ? narrowSixteenF16(values) : narrowSixteenBF16(values);
            wholeBlockF16AVX512(d, start, _mm512_broadcast_i64x4(narrow));
        }
    }
}

QK_TARGET_AVX2 static void wholeBlocksAnyAVX2(qk_float type, dequantization d) {
    QK_RETURN_FOR_OUTPUT(wholeBlocksAVX2, type, d);
}

QK_TARGET_AVX512 static void wholeBlocksAnyAVX512(qk_float type, dequantization d) {
    QK_RETURN_FOR_OUTPUT(wholeBlocksAVX512, type, d);
}
#elif defined(__aarch64__)
QK_INLINE void wholeBlocksNEON(qk_float type, dequantization d) {
    for (size_t start = 0; start + d.blockSize <= d.count; start += d.blockSize) {
        const float absmax = *d.absmax++;
        uint8_t values[16 * 4];
        for (size_t code = 0; code < 16; code++) storeOne(type, values, code, d.quantMap[code] * absmax);
        if (type == QK_F32) {
            const valuePlanes planes = planesOfValues((const float *)(const void *)values);
            for (size_t i = start; i < start + d.blockSize; i += 16) {
                float32x4_t sixteen[4];
                lookUpSixteen(&planes, codesOfSixteen(d.packed + i / 2, false), sixteen);
                UNROLL for (size_t j = 0; j < 4; j++) storeFloats(d.destination + 4 * i + 16 * j, sixteen[j]);
            }
        } else {
            const uint8x16x2_t planes = vld2q_u8(values);
            for (size_t i = start; i < start + d.blockSize; i += 16) {
                const uint8x16_t codes = codesOfSixteen(d.packed + i / 2, false);
                const uint8x16x2_t sixteen = {{vqtbl1q_u8(planes.val[0], codes), vqtbl1q_u8(planes.val[1], codes)}};
                vst2q_u8(d.destination + 2 * i, sixteen);
            }
        }
    }
}

static void wholeBlocksAnyNEON(qk_float type, dequantization d) { QK_RETURN_FOR_OUTPUT(wholeBlocksNEON, type, d); }
#endif

QK_INLINE void dequantize(qk_float type, dequantization d, size_t start) {
    for (; start < d.count; start += d.blockSize) {
        size_t left = d.count - start;
        elementsScalar(type, d, start, start + (left < d.blockSize ? left : d.blockSize));
    }
}

void qk_dequantize4_at(
    qk_simd level, const float quantMap[16], const uint8_t *packed, const float *absmax, size_t count, size_t blockSize,
    qk_float type, void *destination
) {
    const dequantization d = {quantMap, packed, absmax, count, blockSize, destination};
    size_t wholeCount = count - count % blockSize;
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: wholeBlocksAnyAVX512(type, d); break;
    case QK_AVX2: wholeBlocksAnyAVX2(type, d); break;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: wholeBlocksAnyNEON(type, d); break;
#endif
    default: wholeCount = 0;
    }
    QK_RETURN_FOR_OUTPUT(dequantize, type, d, wholeCount);
}

void qk_dequantize4(
    const float quantMap[16], const uint8_t *packed, const float *absmax, size_t count, size_t blockSize, qk_float type,
    void *destination
) {
    qk_dequantize4_at(qk_simd_best(), quantMap, packed, absmax, count, blockSize, type, destination);
}
