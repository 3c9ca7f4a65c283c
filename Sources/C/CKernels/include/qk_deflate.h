/// Bytes as DEFLATE (RFC 1951) of literals alone: for data that repeat nothing, but have bytes that are more frequent than
/// others. Any inflater reads it; it is what zlib's Z_HUFFMAN_ONLY aims at, several times as fast.
///
///     | last? 1 | 2: 2 bits | lengths of the codes, themselves coded | codes of up to 32,768 bytes, and of the end |
///     | last? 1 | 0: 2 bits | to the next byte | n (16 bits) | ~n | n bytes |      where no code would be shorter
#ifndef QK_DEFLATE_H
#define QK_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

/// Room that `qk_deflate` needs for `count` bytes, at most.
size_t qk_deflate_limit(size_t count);

/// Writes all blocks of `bytes`, the last one marked as such, and returns their byte count. The same bytes give the same
/// result on every machine. A block ends before `boundary`, where bytes of other frequencies begin; 0 where there are none.
size_t qk_deflate(const uint8_t *bytes, size_t count, size_t boundary, uint8_t *output);

#endif
