/// Inputs that are the same on every machine, and digests of results.
#ifndef INPUTS_H
#define INPUTS_H

#include "CKernels.h"

/// CRC-32C of everything a kernel has given so far.
typedef struct {
    uint32_t crc;
} digest;

void addBytes(digest *d, const void *bytes, size_t byteCount);
/// All NaNs as the same one: which one an operation gives is up to the processor.
void addFloats(digest *d, const float *values, size_t count);
void addDoubles(digest *d, const double *values, size_t count);

/// Pseudo-random numbers (SplitMix64).
uint64_t nextWord(uint64_t *state);
void fillBytes(void *bytes, size_t byteCount, uint64_t seed);

typedef enum {
    /// Nearly normal, standard deviation 1/2, some of it 0 and -0.
    ORDINARY,
    /// Of any sign and an exponent from -40 to 40.
    WIDE,
    /// Any bit pattern of float32; a third of it NaNs with payloads, infinities, zeros of both signs, subnormals and the largest.
    ADVERSARIAL,
} mixture;

enum { MIXTURE_COUNT = 3 };

void fillFloats(float *values, size_t count, mixture kind, uint64_t seed);
/// The bytes of as many elements of `type`.
void fillStored(qk_float type, void *values, size_t count, mixture kind, uint64_t seed);

/// `count` elements of `size` bytes, cleared, until `releaseAll`.
void *room(size_t count, size_t size);
void releaseAll(void);

#define FLOATS(count) ((float *)room((count), sizeof(float)))
#define BYTES(count) ((uint8_t *)room((count), 1))

typedef struct {
    const char *name;
    void (*run)(qk_simd level, digest *d);
} conformance;

extern const conformance elementKernels[], statisticKernels[], quantizedKernels[], codeKernels[], productKernels[],
    networkKernels[], trainingKernels[];

#endif
