#include "qk_statistics4.h"

#include "qk_summary.h"

typedef uint64_t u64x8 __attribute__((ext_vector_type(8)));
typedef uint32_t u32x8 __attribute__((ext_vector_type(8)));
typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
typedef float f32x8 __attribute__((ext_vector_type(8)));
typedef double f64x8 __attribute__((ext_vector_type(8)));

enum { CODE_COUNT = 16, CELL_COUNT = 8 };

/// Eight cells that follow each other; of a tensor's last group, some may be missing and count nothing.
typedef struct {
    /// How often each code occurs in each cell.
    u64x8 counts[CODE_COUNT];
    /// 0 of missing cells.
    f32x8 absmax;
} qk_group;

QK_INLINE uint64_t sumOf(const u64x8 *counts) {
    uint64_t sum = 0;
    for (size_t cell = 0; cell < CELL_COUNT; cell++) sum += (*counts)[cell];
    return sum;
}

/// Elements of a cell: it lies in one block.
QK_INLINE size_t cellSizeOf(size_t blockSize) { return blockSize < 64 ? blockSize : 64; }

/// Counts the codes of cells of 64 elements, 32 bytes each.
///
/// The four bits of each code are gathered in four planes, a 64-bit word of each for each cell; the words whose bits say
/// where a code stands are then counted. The order of elements within a cell gets lost, equally in all planes.
QK_INLINE void countWholeCells(const uint8_t *packed, u64x8 counts[CODE_COUNT]) {
    u64x8 pair[4];
    memcpy(pair, packed, sizeof pair);
    // Word r of every cell to one vector.
    u64x8 low[2], high[2], word[4];
    for (int i = 0; i < 2; i++) {
        low[i] = __builtin_shufflevector(pair[2 * i], pair[2 * i + 1], 0, 4, 8, 12, 1, 5, 9, 13);
        high[i] = __builtin_shufflevector(pair[2 * i], pair[2 * i + 1], 2, 6, 10, 14, 3, 7, 11, 15);
    }
    word[0] = __builtin_shufflevector(low[0], low[1], 0, 1, 2, 3, 8, 9, 10, 11);
    word[1] = __builtin_shufflevector(low[0], low[1], 4, 5, 6, 7, 12, 13, 14, 15);
    word[2] = __builtin_shufflevector(high[0], high[1], 0, 1, 2, 3, 8, 9, 10, 11);
    word[3] = __builtin_shufflevector(high[0], high[1], 4, 5, 6, 7, 12, 13, 14, 15);
    // A 4 x 4 transposition within every nibble: bit r of plane b is bit b of word r.
    const uint64_t pairs = 0x3333333333333333, singles = 0x5555555555555555;
    u64x8 half[4], plane[4];
    for (int i = 0; i < 2; i++) {
        half[i] = (word[i] & pairs) | ((word[i + 2] << 2) & ~pairs);
        half[i + 2] = ((word[i] >> 2) & pairs) | (word[i + 2] & ~pairs);
    }
    for (int i = 0; i < 4; i += 2) {
        plane[i] = (half[i] & singles) | ((half[i + 1] << 1) & ~singles);
        plane[i + 1] = ((half[i] >> 1) & singles) | (half[i + 1] & ~singles);
    }
    const u64x8 upper[4] = {~plane[3] & ~plane[2], ~plane[3] & plane[2], plane[3] & ~plane[2], plane[3] & plane[2]};
    const u64x8 lower[4] = {~plane[1] & ~plane[0], ~plane[1] & plane[0], plane[1] & ~plane[0], plane[1] & plane[0]};
    for (int code = 0; code < CODE_COUNT; code++) {
        counts[code] = __builtin_elementwise_popcount(upper[code / 4] & lower[code % 4]);
    }
}

/// Fills the group of the cells that begin with element `start`.
QK_INLINE void loadGroup(const qk_blocks4 *b, size_t start, qk_group *group) {
    const size_t cellSize = cellSizeOf(b->blockSize), end = start + CELL_COUNT * cellSize;
    // A power of two; dividing by it would take as long as all the rest.
    const int blockShift = __builtin_ctzll(b->blockSize);
    if (cellSize == 64 && end <= b->count) {
        countWholeCells(b->packed + start / 2, group->counts);
        if (b->blockSize == 64) {
            memcpy(&group->absmax, b->absmax + start / 64, sizeof group->absmax);
        } else {
            for (size_t cell = 0; cell < CELL_COUNT; cell++) group->absmax[cell] = b->absmax[(start + 64 * cell) >> blockShift];
        }
        return;
    }
    uint64_t counts[CODE_COUNT][CELL_COUNT] = {{0}};
    for (size_t i = start; i < b->count && i < end; i++) {
        const uint8_t pair = b->packed[i / 2];
        counts[i & 1 ? pair & 15 : pair >> 4][(i - start) / cellSize]++;
    }
    memcpy(group->counts, counts, sizeof counts);
    group->absmax = 0;
    for (size_t i = start; i < b->count && i < end; i += cellSize) group->absmax[(i - start) / cellSize] = b->absmax[i >> blockShift];
}

/// What is the same for all groups.
typedef struct {
    /// Largest |value| of the map.
    float reach;
    /// No product of the map with a constant between 1e-30 and 1e30 leaves the range of float32.
    bool isOrdinary;
} qk_map;

static qk_map mapOf(const float quantMap[CODE_COUNT]) {
    qk_map map = {0, true};
    for (int code = 0; code < CODE_COUNT; code++) {
        const float magnitude = fabsf(quantMap[code]);
        if (!(magnitude <= map.reach)) map.reach = magnitude;
        if (magnitude != 0 && !(magnitude >= 1e-6f && magnitude <= 1e6f)) map.isOrdinary = false;
    }
    return map;
}

/// The largest constant of a group if all are such that a value is zero only where the map is, and finite; else 0.
QK_INLINE float largestOrdinary(const qk_group *group, qk_map map) {
    // Without their signs floats are ordered as their bits are, NaN above all.
    u32x8 bits;
    memcpy(&bits, &group->absmax, sizeof bits);
    bits &= 0x7fffffff;
    const float smallest = floatOf(__builtin_reduce_min(bits)), largest = floatOf(__builtin_reduce_max(bits));
    return map.isOrdinary && smallest >= 1e-30f && largest <= 1e30f ? largest : 0;
}

/// Adds a group whatever its constants are, one code of one cell at a time.
QK_INLINE void addByValue(const qk_blocks4 *b, const qk_group *group, qk_lane_sums *s) {
    for (size_t code = 0; code < CODE_COUNT; code++) {
        for (size_t cell = 0; cell < CELL_COUNT; cell++) {
            const uint64_t count = group->counts[code][cell];
            const float value = b->quantMap[code] * group->absmax[cell];
            if (count > 0) addToLane(s, cell + CELL_COUNT * (code % 2), value, count);
        }
    }
}

/// Adds to the sums as `addByValue` does, where the shift is 0 and all values are finite.
QK_INLINE void addAtOnce(const qk_blocks4 *b, const qk_group *group, qk_lane_sums *s) {
    f64x8 sums[2], squares[2];
    memcpy(sums, s->sums, sizeof sums);
    memcpy(squares, s->squares, sizeof squares);
    for (size_t code = 0; code < CODE_COUNT; code += 2) {
        for (size_t odd = 0; odd < 2; odd++) {
            const f64x8 value = __builtin_convertvector(group->absmax * b->quantMap[code + odd], f64x8);
            const f64x8 product = __builtin_convertvector(group->counts[code + odd], f64x8) * value;
            sums[odd] += product;
            squares[odd] += product * value;
        }
    }
    memcpy(s->sums, sums, sizeof sums);
    memcpy(s->squares, squares, sizeof squares);
}

/// Extends the range of a run by the values that occur in a group, none of them NaN.
QK_INLINE void extendRange(const qk_blocks4 *b, const qk_group *group, qk_lane_sums *s) {
    f32x8 minimum = INFINITY, maximum = -INFINITY;
    for (size_t code = 0; code < CODE_COUNT; code++) {
        const f32x8 value = group->absmax * b->quantMap[code];
        const i32x8 occurs = __builtin_convertvector(group->counts[code] != 0, i32x8);
        minimum = (occurs & (value < minimum)) ? value : minimum;
        maximum = (occurs & (value > maximum)) ? value : maximum;
    }
    for (size_t cell = 0; cell < CELL_COUNT; cell++) {
        if (minimum[cell] < s->minimum) s->minimum = minimum[cell];
        if (maximum[cell] > s->maximum) s->maximum = maximum[cell];
    }
}

QK_INLINE qk_summary summarizeRun4(const qk_blocks4 *b, qk_map map, uint64_t *codes) {
    const qk_lane_sums empty = {.minimum = INFINITY, .maximum = -INFINITY};
    const size_t groupSize = CELL_COUNT * cellSizeOf(b->blockSize);
    qk_lane_sums s = empty;
    qk_group group;
    u64x8 counts[CODE_COUNT] = {0};
    for (size_t start = 0; start < b->count; start += groupSize) {
        loadGroup(b, start, &group);
        const float largest = largestOrdinary(&group, map);
        if (largest > 0) {
            addAtOnce(b, &group, &s);
            for (size_t code = 0; code < CODE_COUNT; code++) counts[code] += group.counts[code];
            // Few groups reach beyond those before them.
            const float reach = largest * map.reach;
            if (reach > s.maximum || -reach < s.minimum) extendRange(b, &group, &s);
        } else {
            addByValue(b, &group, &s);
            for (size_t code = 0; code < CODE_COUNT; code++) codes[code] += sumOf(&group.counts[code]);
        }
    }
    for (size_t code = 0; code < CODE_COUNT; code++) {
        const uint64_t count = sumOf(&counts[code]);
        codes[code] += count;
        s.finite += count;
        if (b->quantMap[code] == 0) s.zeros += count;
    }
    if (!isAccurate(&s)) {
        const double mean = finished(&s).mean;
        s = empty;
        s.shift = mean;
        for (size_t start = 0; start < b->count; start += groupSize) {
            loadGroup(b, start, &group);
            addByValue(b, &group, &s);
        }
    }
    return finished(&s);
}

QK_INLINE uint64_t countFarOfGroups(const qk_blocks4 *b, double mean, double distance) {
    uint64_t found = 0;
    qk_group group;
    for (size_t start = 0; start < b->count; start += CELL_COUNT * cellSizeOf(b->blockSize)) {
        loadGroup(b, start, &group);
        for (size_t code = 0; code < CODE_COUNT; code++) {
            for (size_t cell = 0; cell < CELL_COUNT; cell++) {
                const float value = b->quantMap[code] * group.absmax[cell];
                if (isFar(value, mean, distance)) found += group.counts[code][cell];
            }
        }
    }
    return found;
}

QK_INLINE void addGroupsToBins(const qk_blocks4 *b, qk_bins bins, uint64_t *counts) {
    qk_group group;
    for (size_t start = 0; start < b->count; start += CELL_COUNT * cellSizeOf(b->blockSize)) {
        loadGroup(b, start, &group);
        for (size_t code = 0; code < CODE_COUNT; code++) {
            for (size_t cell = 0; cell < CELL_COUNT; cell++) {
                const float value = b->quantMap[code] * group.absmax[cell];
                const int32_t place = placeOf(value, bins);
                if (place >= 0) counts[place] += group.counts[code][cell];
            }
        }
    }
}

#define QK_DEFINE_LEVEL(level, target) \
    target static qk_summary summarizeRun##level(qk_blocks4 b, qk_map map, uint64_t *codes) { \
        return summarizeRun4(&b, map, codes); \
    } \
    target static uint64_t countFar##level(qk_blocks4 b, double mean, double distance) { \
        return countFarOfGroups(&b, mean, distance); \
    } \
    target static void addToBins##level(qk_blocks4 b, qk_bins bins, uint64_t *counts) { addGroupsToBins(&b, bins, counts); }

QK_DEFINE_LEVEL(Scalar, )
#if defined(__x86_64__)
#define QK_TARGET_POPCOUNT \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512vpopcntdq")))
QK_DEFINE_LEVEL(AVX2, QK_TARGET_AVX2)
QK_DEFINE_LEVEL(AVX512, QK_TARGET_POPCOUNT)
#endif

/// A loop for the level. AVX-512 pays here only with its population count, which virtual machines may hide.
#if defined(__x86_64__)
#define QK_AT_LEVEL(function, level, ...) \
    (level == QK_AVX512 && __builtin_cpu_supports("avx512vpopcntdq") ? function##AVX512(__VA_ARGS__) \
        : level != QK_SCALAR ? function##AVX2(__VA_ARGS__) : function##Scalar(__VA_ARGS__))
#else
#define QK_AT_LEVEL(function, level, ...) ((void)level, function##Scalar(__VA_ARGS__))
#endif

void qk_summarize4_at(qk_simd level, qk_blocks4 blocks, uint64_t *codes, qk_summary *runs) {
    const qk_map map = mapOf(blocks.quantMap);
    for (size_t start = 0; start < blocks.count; start += QK_RUN4) {
        const size_t left = blocks.count - start;
        const qk_blocks4 run = {
            blocks.quantMap, blocks.packed + start / 2, blocks.absmax + start / blocks.blockSize, left < QK_RUN4 ? left : QK_RUN4,
            blocks.blockSize,
        };
        *runs++ = QK_AT_LEVEL(summarizeRun, level, run, map, codes);
    }
}

uint64_t qk_count_far4_at(qk_simd level, qk_blocks4 blocks, double mean, double distance) {
    return QK_AT_LEVEL(countFar, level, blocks, mean, distance);
}

void qk_histogram4_at(qk_simd level, qk_blocks4 blocks, qk_bins bins, uint64_t *counts) {
    QK_AT_LEVEL(addToBins, level, blocks, bins, counts);
}

void qk_summarize4(qk_blocks4 blocks, uint64_t *codes, qk_summary *runs) {
    qk_summarize4_at(qk_simd_best(), blocks, codes, runs);
}

uint64_t qk_count_far4(qk_blocks4 blocks, double mean, double distance) {
    return qk_count_far4_at(qk_simd_best(), blocks, mean, distance);
}

void qk_histogram4(qk_blocks4 blocks, qk_bins bins, uint64_t *counts) {
    qk_histogram4_at(qk_simd_best(), blocks, bins, counts);
}
