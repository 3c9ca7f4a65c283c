#include "qk_deflate.h"

#include "qk_lanes.h"

enum {
    /// Bytes of a block: enough for a table of codes to cost little, few enough for it to follow the data.
    BLOCK = 32768,
    LITERALS = 256,
    END = LITERALS,
    /// The bytes, and the end of a block.
    SYMBOLS = LITERALS + 1,
    /// Bits of a code at most: four codes and what is left of a byte fit a word of 64 bits. DEFLATE allows 15.
    CODE_LIMIT = 14,
    /// Lengths of codes are coded with at most 7 bits.
    LENGTH_CODE_LIMIT = 7,
    LENGTHS = 16,
};

/// Bits that were written, the lower ones first.
typedef struct {
    uint8_t *output;
    uint64_t bits;
    unsigned bitCount;
} bit_writer;

QK_INLINE void put(bit_writer *writer, uint64_t bits, unsigned count) {
    writer->bits |= bits << writer->bitCount;
    writer->bitCount += count;
}

/// Stores all whole bytes; up to 8 bytes behind them are overwritten.
QK_INLINE void flush(bit_writer *writer) {
    memcpy(writer->output, &writer->bits, 8);
    writer->output += writer->bitCount >> 3;
    writer->bits >>= writer->bitCount & ~7u;
    writer->bitCount &= 7;
}

/// The code of a symbol, ready to be put; of a symbol that does not occur, 0 bits.
typedef struct {
    uint16_t bits;
    uint8_t length;
} code;

/// Symbols that occur, the rarest first, equal ones in their order: sorted by one byte of the frequency after the other.
static unsigned sorted(const uint32_t *frequencies, unsigned count, uint16_t *symbols) {
    uint16_t source[SYMBOLS];
    unsigned used = 0;
    for (unsigned symbol = 0; symbol < count; symbol++) {
        if (frequencies[symbol] != 0) source[used++] = (uint16_t)symbol;
    }
    uint16_t *from = source, *to = symbols;
    for (unsigned shift = 0; shift < 16; shift += 8) {
        unsigned ends[256] = {0}, total = 0;
        for (unsigned i = 0; i < used; i++) ends[frequencies[from[i]] >> shift & 255]++;
        for (unsigned i = 0; i < 256; i++) {
            const unsigned length = ends[i];
            ends[i] = total;
            total += length;
        }
        for (unsigned i = 0; i < used; i++) to[ends[frequencies[from[i]] >> shift & 255]++] = from[i];
        uint16_t *next = from;
        from = to;
        to = next;
    }
    memcpy(symbols, source, used * sizeof *symbols);
    return used;
}

/// How many codes have each length: those of Huffman's tree, whose nodes come in the order of their weights, so that two
/// queues suffice; then codes that are too long are shortened at the cost of the longest of the others.
static void countLengths(const uint32_t *frequencies, const uint16_t *symbols, unsigned used, unsigned limit, unsigned *counts) {
    uint32_t weights[2 * SYMBOLS];
    uint16_t parents[2 * SYMBOLS], depths[2 * SYMBOLS];
    const unsigned root = 2 * used - 2;
    for (unsigned i = 0; i < used; i++) weights[i] = frequencies[symbols[i]];
    unsigned leaf = 0, inner = used;
    for (unsigned node = used; node <= root; node++) {
        weights[node] = 0;
        for (unsigned child = 0; child < 2; child++) {
            const int takesLeaf = leaf < used && (inner == node || weights[leaf] <= weights[inner]);
            const unsigned taken = takesLeaf ? leaf++ : inner++;
            weights[node] += weights[taken];
            parents[taken] = (uint16_t)node;
        }
    }
    depths[root] = 0;
    // In units of the longest code; all codes together may take one whole.
    uint32_t taken = 0;
    for (unsigned node = root; node-- > 0;) {
        depths[node] = (uint16_t)(depths[parents[node]] + 1);
        if (node >= used) continue;
        const unsigned length = depths[node] < limit ? depths[node] : limit;
        counts[length]++;
        taken += 1u << (limit - length);
    }
    for (; taken > 1u << limit; taken--) {
        unsigned length = limit - 1;
        while (counts[length] == 0) length--;
        counts[length]--;
        counts[length + 1] += 2;
        counts[limit]--;
    }
}

/// Canonical codes of at most `limit` bits for two symbols or more.
static void makeCodes(const uint32_t *frequencies, unsigned count, unsigned limit, code *codes) {
    uint16_t symbols[SYMBOLS];
    unsigned counts[LENGTHS] = {0}, first[LENGTHS + 1] = {0};
    const unsigned used = sorted(frequencies, count, symbols);
    countLengths(frequencies, symbols, used, limit, counts);
    memset(codes, 0, count * sizeof *codes);
    unsigned next = 0;
    for (unsigned length = limit; length > 0; length--) {
        for (unsigned i = 0; i < counts[length]; i++) codes[symbols[next++]].length = (uint8_t)length;
    }
    for (unsigned length = 1; length <= limit; length++) first[length + 1] = (first[length] + counts[length]) << 1;
    for (unsigned symbol = 0; symbol < count; symbol++) {
        const unsigned length = codes[symbol].length;
        if (length == 0) continue;
        // Codes are packed from their highest bit on, everything else from the lowest.
        unsigned bits = first[length]++, reversed = 0;
        for (unsigned i = 0; i < length; i++, bits >>= 1) reversed = reversed << 1 | (bits & 1);
        codes[symbol].bits = (uint16_t)reversed;
    }
}

static void countBytes(const uint8_t *bytes, size_t count, uint32_t *frequencies) {
    // Four tables: a byte that follows its like would wait for it otherwise.
    uint32_t tables[4][LITERALS] = {{0}};
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (unsigned lane = 0; lane < 4; lane++) tables[lane][bytes[i + lane]]++;
    }
    for (; i < count; i++) tables[0][bytes[i]]++;
    for (unsigned byte = 0; byte < LITERALS; byte++) {
        frequencies[byte] = tables[0][byte] + tables[1][byte] + tables[2][byte] + tables[3][byte];
    }
    frequencies[END] = 1;
}

/// The order in which lengths of the codes of lengths are stored, of which the first three, for repetitions, are not used.
static const uint8_t lengthOrder[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

/// What a block begins with: the codes of its symbols, and the codes that their lengths are told with.
typedef struct {
    code symbols[SYMBOLS];
    code lengths[LENGTHS];
    unsigned lengthCount;
    size_t bitCount;
} block_codes;

static void planBlock(const uint8_t *bytes, size_t count, block_codes *plan) {
    uint32_t frequencies[SYMBOLS], lengthFrequencies[LENGTHS] = {0};
    countBytes(bytes, count, frequencies);
    makeCodes(frequencies, SYMBOLS, CODE_LIMIT, plan->symbols);
    // One distance of length 0: there are none.
    lengthFrequencies[0] = 1;
    for (unsigned symbol = 0; symbol < SYMBOLS; symbol++) lengthFrequencies[plan->symbols[symbol].length]++;
    makeCodes(lengthFrequencies, LENGTHS, LENGTH_CODE_LIMIT, plan->lengths);
    plan->lengthCount = 19;
    while (plan->lengthCount > 4 && plan->lengths[lengthOrder[plan->lengthCount - 1]].length == 0) plan->lengthCount--;
    plan->bitCount = 3 + 5 + 5 + 4 + 3 * plan->lengthCount;
    for (unsigned length = 0; length < LENGTHS; length++) plan->bitCount += (size_t)lengthFrequencies[length] * plan->lengths[length].length;
    for (unsigned symbol = 0; symbol < SYMBOLS; symbol++) plan->bitCount += (size_t)frequencies[symbol] * plan->symbols[symbol].length;
}

static void putCodes(bit_writer *writer, const block_codes *plan, const uint8_t *bytes, size_t count) {
    put(writer, 0, 5);
    put(writer, 0, 5);
    put(writer, plan->lengthCount - 4, 4);
    flush(writer);
    for (unsigned i = 0; i < plan->lengthCount; i++) {
        put(writer, lengthOrder[i] < LENGTHS ? plan->lengths[lengthOrder[i]].length : 0, 3);
        flush(writer);
    }
    for (unsigned symbol = 0; symbol <= SYMBOLS; symbol++) {
        const code length = plan->lengths[symbol == SYMBOLS ? 0 : plan->symbols[symbol].length];
        put(writer, length.bits, length.length);
        flush(writer);
    }
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (unsigned lane = 0; lane < 4; lane++) {
            const code symbol = plan->symbols[bytes[i + lane]];
            put(writer, symbol.bits, symbol.length);
        }
        flush(writer);
    }
    for (; i < count; i++) {
        put(writer, plan->symbols[bytes[i]].bits, plan->symbols[bytes[i]].length);
        flush(writer);
    }
    put(writer, plan->symbols[END].bits, plan->symbols[END].length);
    flush(writer);
}

static void putStored(bit_writer *writer, const uint8_t *bytes, size_t count) {
    put(writer, 0, (8 - writer->bitCount % 8) % 8);
    put(writer, count, 16);
    put(writer, ~count & 0xffff, 16);
    flush(writer);
    if (count > 0) memcpy(writer->output, bytes, count);
    writer->output += count;
}

size_t qk_deflate_limit(size_t count) {
    // A stored block has at most 5 bytes besides its own and a byte that it completes, the boundary makes one block more,
    // and 8 bytes are for whole words.
    return count + 6 * (count / BLOCK + 2) + 8;
}

size_t qk_deflate(const uint8_t *bytes, size_t count, size_t boundary, uint8_t *output) {
    bit_writer writer = {output, 0, 0};
    size_t start = 0;
    do {
        const size_t left = (start < boundary && boundary < count ? boundary : count) - start;
        const size_t length = left < BLOCK ? left : BLOCK;
        const int isLast = start + length == count;
        block_codes plan;
        int isCoded = 0;
        if (length > 0) {
            planBlock(bytes + start, length, &plan);
            isCoded = plan.bitCount < 8 * (length + 4);
        }
        put(&writer, (uint64_t)isLast | (isCoded ? 2u << 1 : 0), 3);
        if (isCoded) putCodes(&writer, &plan, bytes + start, length);
        else putStored(&writer, bytes + start, length);
        start += length;
    } while (start < count);
    writer.bitCount += 7;
    flush(&writer);
    return (size_t)(writer.output - output);
}
