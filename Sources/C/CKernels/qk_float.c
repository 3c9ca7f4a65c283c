#include "qk_float.h"

#include "qk_lanesNEON.h"

size_t qk_float_byteCount(qk_float type) {
    switch (type) {
    case QK_F64: return 8;
    case QK_F32: return 4;
    case QK_F16: case QK_BF16: return 2;
    case QK_F8_E4M3: case QK_F8_E5M2: return 1;
    }
    __builtin_trap();
}

QK_INLINE void widenScalar(qk_float type, const uint8_t *source, size_t start, size_t count, float *destination) {
    for (size_t i = start; i < count; i++) destination[i] = loadOne(type, source, i);
}

QK_INLINE void narrowScalar(qk_float type, const float *source, size_t start, size_t count, uint8_t *destination) {
    for (size_t i = start; i < count; i++) storeOne(type, destination, i, source[i]);
}

#if defined(__x86_64__)
QK_TARGET_AVX2 QK_INLINE void widenAVX2(qk_float type, const uint8_t *source, size_t count, float *destination) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) _mm256_storeu_ps(destination + i, loadEight(type, source, i));
    widenScalar(type, source, i, count, destination);
}

QK_TARGET_AVX512 QK_INLINE void widenAVX512(qk_float type, const uint8_t *source, size_t count, float *destination) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) _mm512_storeu_ps(destination + i, loadSixteen(type, source, i));
    widenScalar(type, source, i, count, destination);
}

QK_TARGET_AVX2 QK_INLINE void narrowAVX2(qk_float type, const float *source, size_t count, uint8_t *destination) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) storeEight(type, destination, i, _mm256_loadu_ps(source + i));
    narrowScalar(type, source, i, count, destination);
}

QK_TARGET_AVX512 QK_INLINE void narrowAVX512(qk_float type, const float *source, size_t count, uint8_t *destination) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16) storeSixteen(type, destination, i, _mm512_loadu_ps(source + i));
    narrowScalar(type, source, i, count, destination);
}

QK_TARGET_AVX2 static void widenAnyAVX2(qk_float type, const uint8_t *source, size_t count, float *destination) {
    QK_RETURN_FOR_STORED(widenAVX2, type, source, count, destination);
}

QK_TARGET_AVX512 static void widenAnyAVX512(qk_float type, const uint8_t *source, size_t count, float *destination) {
    QK_RETURN_FOR_STORED(widenAVX512, type, source, count, destination);
}

QK_TARGET_AVX2 static void narrowAnyAVX2(qk_float type, const float *source, size_t count, uint8_t *destination) {
    QK_RETURN_FOR_OUTPUT(narrowAVX2, type, source, count, destination);
}

QK_TARGET_AVX512 static void narrowAnyAVX512(qk_float type, const float *source, size_t count, uint8_t *destination) {
    QK_RETURN_FOR_OUTPUT(narrowAVX512, type, source, count, destination);
}
#elif defined(__aarch64__)
QK_INLINE void widenNEON(qk_float type, const uint8_t *source, size_t count, float *destination) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4) storeFloats(destination + i, loadFour(type, source, i));
    widenScalar(type, source, i, count, destination);
}

QK_INLINE void narrowNEON(qk_float type, const float *source, size_t count, uint8_t *destination) {
    size_t i = 0;
    for (; i + 4 <= count; i += 4) storeFour(type, destination, i, floatsAt(source + i));
    narrowScalar(type, source, i, count, destination);
}
#endif

void qk_widen_at(qk_simd level, qk_float type, const void *source, size_t count, float *destination) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: widenAnyAVX512(type, source, count, destination); return;
    case QK_AVX2: widenAnyAVX2(type, source, count, destination); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: QK_RETURN_FOR_STORED(widenNEON, type, source, count, destination);
#endif
    default: QK_RETURN_FOR_STORED(widenScalar, type, source, 0, count, destination);
    }
}

void qk_narrow_at(qk_simd level, qk_float type, const float *source, size_t count, void *destination) {
    switch (level) {
#if defined(__x86_64__)
    case QK_AVX512: narrowAnyAVX512(type, source, count, destination); return;
    case QK_AVX2: narrowAnyAVX2(type, source, count, destination); return;
#elif defined(__aarch64__)
    case QK_NEON_I8MM: case QK_NEON_DOT: case QK_NEON: QK_RETURN_FOR_OUTPUT(narrowNEON, type, source, count, destination);
#endif
    default: QK_RETURN_FOR_OUTPUT(narrowScalar, type, source, 0, count, destination);
    }
}

void qk_widen(qk_float type, const void *source, size_t count, float *destination) {
    qk_widen_at(qk_simd_best(), type, source, count, destination);
}

void qk_narrow(qk_float type, const float *source, size_t count, void *destination) {
    qk_narrow_at(qk_simd_best(), type, source, count, destination);
}
