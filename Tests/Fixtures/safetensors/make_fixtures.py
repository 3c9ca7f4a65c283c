"""Writes types.safetensors with the safetensors library, and what that library reads from it and from another file.

Needs safetensors 0.8. Run in this folder: python make_fixtures.py
"""

import ctypes
import struct

import safetensors

# Bits of one element as torch counts them: it stores float4 in pairs.
TYPES = {
    "bool": 8, "float4_e2m1fn_x2": 8, "uint8": 8, "int8": 8, "float8_e5m2": 8, "float8_e4m3fn": 8, "float8_e8m0fnu": 8,
    "float8_e4m3fnuz": 8, "float8_e5m2fnuz": 8, "int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16, "int32": 32,
    "uint32": 32, "float32": 32, "complex64": 64, "float64": 64, "int64": 64, "uint64": 64,
}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


def write_types(path):
    tensors = {}
    for number, (name, bits) in enumerate(TYPES.items()):
        count = 6
        data = bytes((17 * number + 31 * i) % 256 for i in range(count * bits // 8))
        tensors[name] = (name, [2, 3], data)
    tensors["scalar"] = ("float32", [], struct.pack("<f", 0.5))
    tensors["empty"] = ("float32", [0], b"")
    tensors["empty matrix"] = ("float64", [3, 0, 2], b"")
    tensors["name with \"quotes\", \\ and \u00fcml\u00e4uts\n\U0001f600"] = ("uint8", [1], b"\x2a")
    buffers = [ctypes.create_string_buffer(data, max(len(data), 1)) for _, _, data in tensors.values()]
    specs = {
        name: safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=ctypes.addressof(buffer), data_len=len(data))
        for (name, (dtype, shape, data)), buffer in zip(tensors.items(), buffers)
    }
    safetensors.serialize_file(specs, path, metadata={"format": "pt", "k\u00e9y": "value with \"quotes\"\n"})


def write_expected(path, output):
    """A line a tensor: type, shape, crc32c of its bytes, name with control characters escaped."""
    with open(path, "rb") as file:
        entries = safetensors.deserialize(file.read())
    lines = []
    for name, info in sorted(entries, key=lambda entry: entry[0].encode()):
        shape = "[" + ", ".join(str(dimension) for dimension in info["shape"]) + "]"
        lines.append("\t".join([info["dtype"], shape, crc32c(info["data"]), name.replace("\n", "\\n")]) + "\n")
    with open(output, "w", encoding="utf-8") as file:
        file.writelines(lines)


write_types("types.safetensors")
write_expected("types.safetensors", "types.tsv")
write_expected("../checkpoints/llama/dense-bf16/model.safetensors", "llama.tsv")
