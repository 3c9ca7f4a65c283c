"""Writes `gguf-blocks/decoded.tsv`: what gguf-py makes of random blocks.

    pip install gguf==0.19.0 numpy && python3 make_block_fixtures.py

A line for each format that gguf-py decodes: name, blocks, crc32c of their float32 values with every NaN as 0x7fc00000. The bytes
of the blocks are words of SplitMix64, seeded with the number of the format, lowest byte first: scales of every kind are among them.

`gguf-blocks/ggml.safetensors` was written by ggml 0.25.3 for x86-64, through `ggml_get_type_traits(type)->to_float`: NAME.blocks
and NAME.values for one row of each format with ordinary scales and one (NAME.edge.blocks, NAME.edge.values) with those of float16
that are special: zeros, subnormal numbers, the largest ones.

`gguf-blocks/inputs.safetensors` has 1024 float32 values of several kinds, and `gguf-blocks/encoded.tsv` the crc32c of the blocks
that ggml 0.25.3 for x86-64 makes of them by `ggml_quantize_chunk` without an importance matrix: format, input, crc32c. The input
`procedural` is not stored: value i is (a + b + c + d - 2^25) 2^-30 of the next four words of SplitMix64, seeded with 14, each
shifted right by 40; its blocks are those of a reference implementation that agrees with ggml on 27 million values.
"""
import os

import gguf
import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCK_COUNT = 64
CRC_TABLE = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    CRC_TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 255]
    return f"{crc ^ 0xFFFFFFFF:08x}"


def random_bytes(seed, count):
    state, words = seed, bytearray()
    while len(words) < count:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        value = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        words += (value ^ value >> 31).to_bytes(8, "little")
    return bytes(words[:count])


numpy.seterr(all="ignore")
with open(f"{HERE}/gguf-blocks/decoded.tsv", "w") as table:
    for kind in sorted(gguf.quants._type_traits, key=lambda kind: kind.value):
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        if elements == 1:
            continue
        blocks = numpy.frombuffer(random_bytes(kind.value, BLOCK_COUNT * size), numpy.uint8).reshape(BLOCK_COUNT, size)
        try:
            values = gguf.quants.dequantize(blocks, kind).astype("<f4").ravel()
        except NotImplementedError:
            continue
        assert values.size == BLOCK_COUNT * elements
        bits = numpy.where(numpy.isnan(values), numpy.uint32(0x7FC00000), values.view("<u4")).astype("<u4")
        table.write(f"{kind.name}\t{BLOCK_COUNT}\t{crc32c(bits.tobytes())}\n")
