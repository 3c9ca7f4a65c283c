#include "qk_blocks_searches.h"

// The search that ggml makes for scales and minimums of its "K-quants", where no importance matrix is given. Drawings of the
// blocks: qk_blocks_super.c.

/// The multiple of greatest / 63 that is nearest, as a byte, at most 63.
QK_INLINE uint8_t sixBits(float inverse, float value) {
    const uint8_t nearest = (uint8_t)nearestInteger(inverse * value);
    return nearest < 63 ? nearest : 63;
}

/// The head of Q4_K and Q5_K, and the codes of all elements. Whether all is finite.
QK_INLINE bool encodeEightGroups(const search s, const float *restrict values, uint8_t *restrict head, uint8_t *restrict codes) {
    eightFloats x[32], weights[32], sum = allOf(0);
    takeGroups(values, 32, x);
    for (size_t j = 0; j < 32; j++) sum += x[j] * x[j];
    const eightFloats root = rootsOf8(sum / allOf(32));
    for (size_t j = 0; j < 32; j++) weights[j] = root + magnitudes8(x[j]);
    fit f;
    searchWithMinimum(s, x, weights, &f);
    const float maxScale = greatest(f.scale, 8), maxMinimum = greatest(f.minimum, 8);
    const float inverseScale = maxScale > 0 ? 63.0f / maxScale : 0, inverseMinimum = maxMinimum > 0 ? 63.0f / maxMinimum : 0;
    const float d = storeHalf(maxScale / 63.0f, head), dmin = storeHalf(maxMinimum / 63.0f, head + 2);
    memset(head + 4, 0, 12);
    for (size_t g = 0; g < 8; g++) {
        const uint8_t scale = sixBits(inverseScale, f.scale[g]), minimum = sixBits(inverseMinimum, f.minimum[g]);
        storeSixBits(head, g, scale, minimum);
        finalCodes(
            values + 32 * g, 32, d * (float)scale, dmin * (float)minimum, f.factor[g], f.lowest[g], s.largestCode, codes + 32 * g);
    }
    return isFiniteFit(&f) && isFiniteHalf(head) && isFiniteHalf(head + 2);
}

QK_INLINE bool encode_Q4_K(const float *restrict values, uint8_t *restrict block) {
    uint8_t codes[256];
    const bool isFinite = encodeEightGroups((search){32, 15, -1, 0.1f, 20, false}, values, block, codes);
    joinPairsOfGroups(codes, block + 16);
    return isFinite;
}

QK_INLINE bool encode_Q5_K(const float *restrict values, uint8_t *restrict block) {
    uint8_t codes[256];
    const bool isFinite = encodeEightGroups((search){32, 31, -0.5f, 0.1f, 15, false}, values, block, codes);
    joinFiveBits(codes, block + 16);
    return isFinite;
}

QK_INLINE bool encode_Q2_K(const float *restrict values, uint8_t *restrict block) {
    const search s = {16, 3, -0.5f, 0.1f, 15, true};
    fit fits[2];
    for (size_t i = 0; i < 2; i++) {
        eightFloats x[16], weights[16];
        takeGroups(values + 128 * i, 16, x);
        for (size_t j = 0; j < 16; j++) weights[j] = magnitudes8(x[j]);
        searchWithMinimum(s, x, weights, &fits[i]);
    }
    float maxScale = greatest(fits[0].scale, 8), maxMinimum = greatest(fits[0].minimum, 8);
    const float otherScale = greatest(fits[1].scale, 8), otherMinimum = greatest(fits[1].minimum, 8);
    maxScale = otherScale > maxScale ? otherScale : maxScale;
    maxMinimum = otherMinimum > maxMinimum ? otherMinimum : maxMinimum;
    const float inverseScale = maxScale > 0 ? 15.0f / maxScale : 0, inverseMinimum = maxMinimum > 0 ? 15.0f / maxMinimum : 0;
    const float d = storeHalf(maxScale / 15.0f, block + 80), dmin = storeHalf(maxMinimum / 15.0f, block + 82);
    uint8_t codes[256];
    for (size_t g = 0; g < 16; g++) {
        const fit *f = &fits[g / 8];
        const uint32_t scale = (uint32_t)nearestInteger(inverseScale * f->scale[g % 8]);
        const uint32_t minimum = (uint32_t)nearestInteger(inverseMinimum * f->minimum[g % 8]);
        block[g] = (uint8_t)(scale | minimum << 4);
        finalCodes(
            values + 16 * g, 16, d * (float)(block[g] & 15), dmin * (float)(block[g] >> 4), f->factor[g % 8], f->lowest[g % 8],
            s.largestCode, codes + 16 * g);
    }
    joinPlanes(codes, block + 16);
    return isFiniteFit(&fits[0]) && isFiniteFit(&fits[1]) && isFiniteHalf(block + 80) && isFiniteHalf(block + 82);
}

QK_ENCODER(Q2_K)
QK_ENCODER(Q4_K)
QK_ENCODER(Q5_K)
