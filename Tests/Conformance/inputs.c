#include "inputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void addBytes(digest *d, const void *bytes, size_t byteCount) { d->crc = qk_crc32c_scalar(d->crc, bytes, byteCount); }

void addFloats(digest *d, const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t nan = 0x7fc00000;
        addBytes(d, isnan(values[i]) ? (const void *)&nan : &values[i], 4);
    }
}

void addDoubles(digest *d, const double *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t nan = 0x7ff8000000000000;
        addBytes(d, isnan(values[i]) ? (const void *)&nan : &values[i], 8);
    }
}

uint64_t nextWord(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void fillBytes(void *bytes, size_t byteCount, uint64_t seed) {
    for (size_t i = 0; i < byteCount; i++) ((uint8_t *)bytes)[i] = (uint8_t)(nextWord(&seed) >> 32);
}

static float ordinary(uint64_t word) {
    if (word % 61 == 0) return word >> 32 & 1 ? -0.0f : 0;
    int32_t sum = 0;
    for (int i = 0; i < 4; i++) sum += (int32_t)(word >> 16 * i & 0xffff) - 32768;
    return (float)sum * 0x1p-16f * (word >> 40 & 1 ? 1 : 0.75f);
}

static uint32_t adversarial(uint64_t word) {
    static const uint32_t specials[] = {
        0x7fc00000, 0xffc00000, 0x7f800001, 0xff812345, 0x7fffffff, 0x7f800000, 0xff800000, 0x00000000,
        0x80000000, 0x00000001, 0x807fffff, 0x7f7fffff, 0xff7fffff, 0x00800000, 0x3f800000, 0xbf800000,
    };
    return word % 3 == 0 ? specials[word >> 40 & 15] : (uint32_t)(word >> 32);
}

void fillFloats(float *values, size_t count, mixture kind, uint64_t seed) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t word = nextWord(&seed);
        if (kind == ORDINARY) {
            values[i] = ordinary(word);
            continue;
        }
        uint32_t bits = adversarial(word);
        if (kind == WIDE) bits = (uint32_t)(word >> 32 & 0x807fffff) | (uint32_t)(87 + word % 81) << 23;
        memcpy(&values[i], &bits, 4);
    }
}

void fillStored(qk_float type, void *values, size_t count, mixture kind, uint64_t seed) {
    const size_t size = qk_float_byteCount(type);
    for (size_t i = 0; i < count; i++) {
        float value;
        fillFloats(&value, 1, kind, seed + i);
        uint8_t *place = (uint8_t *)values + i * size;
        if (type == QK_F64) {
            uint64_t state = seed + i;
            double wide = value * (1 + (double)(nextWord(&state) >> 40) * 0x1p-50);
            // A double of its own, beyond what float32 holds.
            if (kind == ADVERSARIAL && nextWord(&state) % 2 == 0) fillBytes(&wide, 8, state);
            memcpy(place, &wide, 8);
        } else if (type == QK_F8_E4M3 || type == QK_F8_E5M2) {
            fillBytes(place, 1, seed + i);
        } else if (kind == ADVERSARIAL) {
            fillBytes(place, size, seed + i);
            if (type == QK_F32) memcpy(place, &value, 4);
        } else {
            qk_narrow_at(QK_SCALAR, type, &value, 1, place);
        }
    }
}

enum { ROOMS = 64 };
static void *rooms[ROOMS];
static size_t roomCount;

void *room(size_t count, size_t size) {
    if (roomCount == ROOMS) abort();
    void *memory = calloc(count ? count : 1, size);
    if (!memory) abort();
    return rooms[roomCount++] = memory;
}

void releaseAll(void) {
    while (roomCount > 0) free(rooms[--roomCount]);
}
