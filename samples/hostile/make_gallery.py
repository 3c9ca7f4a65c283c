#!/usr/bin/env python3
"""Makes the gallery of broken files: each is a sound file with one trick played on it. Standard library only.

    python3 make_gallery.py                       writes the files beside this script, the same bytes every time
    python3 make_gallery.py --check               writes nothing, and fails where a file differs
    python3 make_gallery.py --record QINSPECT     also runs `qinspect check` on each: expected.tsv and README.md

The folder legal/ holds the sound file of every kind that the tricks start from, and files that only look broken.
"""
import argparse
import gzip
import hashlib
import io
import json
import math
import os
import shutil
import struct
import subprocess
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Folder: title, and what to do where the tool has no better advice.
FOLDERS = {
    "legal": ("Sound files: the ones that the tricks are played on, and some that only look broken", ""),
    "safetensors": ("safetensors files", "Fetch the file again. If it is the same, the program that wrote it is at fault: write it anew."),
    "shards": ("Folders of several safetensors files with their index",
               "Fetch index and shards again, all of the same revision. Never use an index that leads out of its folder."),
    "bitsandbytes": ("4-bit weights in the layout of bitsandbytes",
                     "Fetch the file again. If it is the same, quantize the dense model again, with transformers or `qconvert to-nf4`."),
    "grouped": ("Codes that share scales in groups: MLX, compressed-tensors, HQQ",
                "Fetch the folder again, whole. If it is the same, start from the dense model."),
    "qnf": (".qnf files", "Fetch the file again, or convert the model again. A program that does not know .qnf may have changed it."),
    "tensorflow": ("TensorFlow checkpoints", "Fetch index and data files again. If they are the same, save the checkpoint anew."),
    "gguf": ("GGUF files", "Fetch the file again. If it is the same, convert and quantize the model again."),
    "pytorch": ("PyTorch files", "Fetch the file again. If it is the same, load it in Python where you trust it, and save its state_dict."),
    "flat": ("Files of llm.c and llama2.c", "Fetch the file again. If it is the same, export the model anew."),
    "layouts": ("Folders of models in their makers' own layouts", "Fetch all files of the model again, and params.json with them."),
    "packed": ("Weights of other quantizers: GPTQ, AWQ, FP8, 8-bit integers",
               "Fetch all files again, of the same revision. If they are the same, start from the dense model."),
    "strangers": ("Files and folders that are something else", "Look into the file, and fetch the model that was meant."),
}


class Gallery:
    """What to write: paths with the trick played there, and the files that make each of them up."""

    def __init__(self):
        self.tricks = []
        self.files = {}

    def add(self, path, trick, content):
        """A file (bytes), or a folder (a dictionary of names to bytes). `path` may name one file of it after a colon."""
        folder, _, chosen = path.partition(":")
        parts = {folder: content} if isinstance(content, bytes) else {f"{folder}/{name}": data for name, data in content.items()}
        assert not parts.keys() & self.files.keys(), folder
        self.files.update(parts)
        self.tricks.append((f"{folder}/{chosen}" if chosen else folder, trick))


# safetensors

def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


def member(name, dtype, shape, start, end):
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}'


def raw(header, data=b"", length=None):
    """A file of a header text or bytes, which the length field counts right unless another length is given."""
    text = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def packed(tensors, metadata=None):
    """A sound file of (name, dtype, shape, bytes), its header padded to a multiple of 8."""
    members, data = [], b""
    for name, dtype, shape, content in tensors:
        members.append(member(name, dtype, list(shape), len(data), len(data) + len(content)))
        data += content
    if metadata is not None:
        members.insert(0, '"__metadata__":' + json.dumps(metadata, separators=(",", ":")))
    text = "{" + ",".join(members) + "}"
    return raw(text + " " * (-len(text.encode()) % 8), data)


A = ("a.weight", "F32", (2, 2), f32(1, -2, 3, -4))
B = ("b.weight", "F32", (2, 2), f32(5, 6, -7, 8))


def two(a=None, b=None, data=None):
    """A file of two tensors of 16 bytes each, either of them described otherwise."""
    members = [a or member("a.weight", "F32", [2, 2], 0, 16), b or member("b.weight", "F32", [2, 2], 16, 32)]
    text = "{" + ",".join(members) + "}"
    return raw(text + " " * (-len(text.encode()) % 8), A[3] + B[3] if data is None else data)


def add_safetensors(gallery):
    def add(name, trick, content):
        gallery.add(f"safetensors/{name}.safetensors", trick, content)

    sound = packed([A, B])
    gallery.add("legal/plain.safetensors", "two tensors, nothing wrong", sound)
    gallery.add("legal/header-of-75-bytes.safetensors", "header length not a multiple of 8, which nothing demands",
                raw("{" + member("a.weight", "F32", [2, 2], 0, 16) + "}" + " " * 10, A[3]))
    gallery.add("legal/no-tensors.safetensors", "an empty header, and no data", raw("{}"))
    gallery.add("legal/zero-in-shape.safetensors", "tensors without elements, at the same offset",
                packed([("a.weight", "F32", (0, 4), b""), ("b.weight", "F32", (4, 0), b""), A[:1] * 0 or ("c", "F32", (1,), f32(1))]))
    gallery.add("legal/escape-in-name.safetensors", "a tensor whose name would clear the screen and turn the line around",
                packed([("\\u001b[2J\\u001b]0;owned\\u0007\\u202eweight", "F32", (1,), f32(1))]))

    add("empty", "no bytes at all", b"")
    add("cut-in-length", "ends inside the 8 bytes of the header length", sound[:5])
    add("cut-in-header", "ends inside the header", sound[:60])
    add("cut-in-data", "ends inside the data, as a broken download does", sound[:-10])
    add("trailing-bytes", "7 bytes after the last tensor", sound + b"trailer")
    add("header-length-2-to-60", "header length 2^60", raw("{}", length=1 << 60))
    add("header-length-of-99-mb", "header length allowed, but far longer than the file", raw("{}", length=99_000_000))
    add("header-length-too-short", "header length 10 bytes short", raw(sound[8:-32], sound[-32:], length=len(sound) - 50))
    add("header-of-spaces", "a header of nothing but spaces", raw(" " * 64))
    add("header-not-an-object", "the header is a list", raw("[]" + " " * 6))
    add("header-not-closed", "the header lacks its last brace", raw(sound[8:-32].rstrip()[:-1], sound[-32:]))
    add("header-and-more", "the header ends, and then goes on", raw("{}{}"))
    add("header-with-comment", "a comment in the header", raw("{/* no */}"))
    add("deep-json", "lists in lists, 5000 deep", raw('{"__metadata__":' + "[" * 5000 + "]" * 5000 + "}"))
    add("deep-json-in-tensor", "a member of a tensor that nobody knows, 5000 deep",
        raw('{"a":{"x":' + '{"x":' * 5000 + "1" + "}" * 5000 + "}}"))
    add("metadata-not-strings", "a number in __metadata__, which holds strings only", raw('{"__metadata__":{"epoch":3}}'))
    add("metadata-key-twice", "a key twice in __metadata__", raw('{"__metadata__":{"format":"pt","format":"tf"}}'))
    add("name-twice", "the same tensor twice", two(b=member("a.weight", "F32", [2, 2], 16, 32)))
    add("name-twice-escaped", "the same tensor twice, spelled with an escape",
        two(b=member("\\u0061.weight", "F32", [2, 2], 16, 32)))
    add("dtype-twice", "a type twice: readers differ on which counts",
        two(a='"a.weight":{"dtype":"F32","dtype":"F64","shape":[2,2],"data_offsets":[0,16]}'))
    add("name-not-utf-8", "a name that is not UTF-8",
        raw(b"{" + member("a?weight", "F32", [2, 2], 0, 16).encode().replace(b"?", b"\xff") + b"}", A[3]))
    add("name-overlong", "a name with a slash in overlong UTF-8",
        raw(b"{" + member("a?weight", "F32", [2, 2], 0, 16).encode().replace(b"?", b"\xc0\xaf") + b"}", A[3]))
    add("name-lone-surrogate", "half of a surrogate pair in a name", two(a=member("a\\ud800", "F32", [2, 2], 0, 16)))
    add("name-with-escape-sequence", "a name that would clear the screen when the error is printed",
        two(a=member("\\u001b[2J\\u001b]0;owned\\u0007\\u202ea", "F32", [2, 2], 0, 20)))
    add("name-of-20000-characters", "a name that fills the screen when the error is printed", two(a=member("a" * 20000, "F32", [2, 2], 0, 20)))
    add("name-unescaped-control", "a control character in a name, not escaped", two(a=member("a\x1b[2J", "F32", [2, 2], 0, 16)))
    add("no-dtype", "a tensor without type", two(a='"a.weight":{"shape":[2,2],"data_offsets":[0,16]}'))
    add("no-shape", "a tensor without shape", two(a='"a.weight":{"dtype":"F32","data_offsets":[0,16]}'))
    add("no-offsets", "a tensor without offsets", two(a='"a.weight":{"dtype":"F32","shape":[2,2]}'))
    add("three-offsets", "three offsets", two(a='"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,8,16]}'))
    add("dtype-unknown", "a type that does not exist", two(a=member("a.weight", "Q4_K", [2, 2], 0, 16)))
    add("dtype-of-another-size", "F32 data under the type F64", two(a=member("a.weight", "F64", [2, 2], 0, 16)))
    add("dtype-a-number", "a type that is no text", two(a='"a.weight":{"dtype":32,"shape":[2,2],"data_offsets":[0,16]}'))
    add("half-a-byte", "an odd number of 4-bit elements", raw("{" + member("a.weight", "F4", [3], 0, 2) + "}", b"\0\0"))
    add("shape-of-another-size", "a shape of fewer elements than the data has", two(a=member("a.weight", "F32", [2, 1], 0, 16)))
    add("shape-overflows", "a product of dimensions beyond 2^64", two(a=member("a.weight", "F32", [1 << 32, 1 << 32], 0, 16)))
    add("shape-overflows-in-bytes", "2^62 elements of 4 bytes: the byte count overflows to 0",
        two(a=member("a.weight", "F32", [1 << 62], 0, 0)))
    add("shape-overflows-before-zero", "a product that overflows before a dimension of 0",
        two(a=member("a.weight", "F32", [1 << 62, 8, 0], 0, 0)))
    add("shape-negative", "a negative dimension", two(a=member("a.weight", "F32", [-2, -2], 0, 16)))
    add("shape-fraction", "a dimension of 2.5", two(a=member("a.weight", "F32", "[2.5,2]", 0, 16)))
    add("shape-1e400", "a dimension of 1e400", two(a=member("a.weight", "F32", "[1e400]", 0, 16)))
    add("shape-of-400-digits", "a dimension of 400 digits", two(a=member("a.weight", "F32", "[" + "9" * 400 + "]", 0, 16)))
    add("offsets-overlap", "two tensors share 8 bytes", two(b=member("b.weight", "F32", [2, 2], 8, 24), data=b"\0" * 24))
    add("offsets-equal", "two tensors of the same bytes", two(b=member("b.weight", "F32", [2, 2], 0, 16), data=A[3]))
    add("offsets-gap", "4 bytes that belong to no tensor", two(b=member("b.weight", "F32", [2, 2], 20, 36), data=b"\0" * 36))
    add("offsets-gap-at-start", "the first tensor does not begin where the data begins",
        two(a=member("a.weight", "F32", [2, 2], 32, 48), b=member("b.weight", "F32", [2, 2], 16, 32), data=b"\0" * 48))
    add("offsets-reversed", "offsets that end before they begin", two(a=member("a.weight", "F32", [2, 2], 16, 0)))
    add("offsets-negative", "a negative offset", two(a=member("a.weight", "F32", [2, 2], -16, 0)))
    add("offsets-beyond-end", "a tensor that goes on past the end of the file",
        two(b=member("b.weight", "F32", [2, 200], 16, 1616)))
    add("offsets-2-to-60", "a sound chain of offsets up to 2^60", two(b=member("b.weight", "U8", [(1 << 60) - 16], 16, 1 << 60)))
    add("offsets-sum-overflows", "two tensors whose bytes together overflow",
        two(a=member("a.weight", "U8", [(1 << 63) - 1], 0, (1 << 63) - 1),
            b=member("b.weight", "U8", [(1 << 63) - 1], (1 << 63) - 1, (1 << 64) - 2)))


# Shards

def index(weight_map, **more):
    return json.dumps({"metadata": {"total_size": 32}, "weight_map": weight_map} | more, indent=1).encode() + b"\n"


def add_shards(gallery):
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    mapped = {"a.weight": names[0], "b.weight": names[1]}
    config = json.dumps({"model_type": "llama"}).encode()

    def add(name, trick, folder="shards", **changes):
        files = {"index": index(mapped), "first": packed([A]), "second": packed([B]), "config": config} | changes
        place = {"index": "model.safetensors.index.json", "first": names[0], "second": names[1], "config": "config.json"}
        gallery.add(f"{folder}/{name}", trick, {place[key]: data for key, data in files.items() if data is not None})

    add("shards", "two shards with their index", folder="legal")
    add("missing-shard", "the index names a shard that is not there", second=None)
    add("missing-tensor", "the index names a tensor that its shard does not hold", index=index(mapped | {"c.weight": names[1]}))
    add("unlisted-tensor", "a shard holds a tensor that the index does not name", index=index({"a.weight": names[0], "c": names[1]}))
    add("tensor-in-another-shard", "the index swaps two shards", index=index({"a.weight": names[1], "b.weight": names[0]}))
    add("name-in-two-shards", "two shards hold a tensor of the same name", second=packed([B, A]))
    add("path-out-of-the-folder", "the index leads to ../../etc/passwd", index=index(mapped | {"b.weight": "../../etc/passwd"}))
    add("absolute-path", "the index leads to /etc/passwd", index=index(mapped | {"b.weight": "/etc/passwd"}))
    add("slash-with-accent", "a slash that carries an accent: one character, but still a slash to the system",
        index=index(mapped | {"b.weight": "..\u002f\u0301etc"}))
    add("nul-in-path", "a NUL character in the name of a shard", index=index(mapped | {"b.weight": names[1] + "\0.safetensors"}))
    add("shard-cut", "the second shard ends too early", second=packed([B])[:-3])
    add("shard-is-lfs-pointer", "the second shard is a Git LFS pointer", second=lfs_pointer())
    add("shard-is-html", "the second shard is a web page", second=HTML)
    add("shard-is-empty", "the second shard is empty", second=b"")
    add("index-empty", "an index without tensors", index=index({}))
    add("index-without-map", "an index without weight_map", index=b'{"metadata":{}}')
    add("index-of-numbers", "numbers for names of shards", index=index({"a.weight": 1}))
    add("index-key-twice", "a tensor twice in the index",
        index=f'{{"weight_map":{{"a.weight":"{names[0]}","a.weight":"{names[1]}"}}}}'.encode())
    add("index-deep", "an index of lists in lists, 5000 deep", index=b'{"weight_map":' + b"[" * 5000 + b"]" * 5000 + b"}")
    add("index-cut", "an index that ends too early", index=index(mapped)[:-20])
    add("config-is-html", "a config.json that is a web page", config=HTML)
    add("config-cut", "a config.json that ends too early", config=config[:-3])


# bitsandbytes

NF4 = struct.pack("<16I", *(int(word, 16) for word in (
    "bf800000 bf3239b1 bf066b30 beca32a0 be91a24d be3d353f bdba7871 00000000 "
    "3da2faff 3e24cae3 3e7c04dd 3ead033a 3ee1a4b8 3f1007ab 3f3913b3 3f800000").split()))


def four_bit(name="a.weight", nested=False, state=None, replace=None, drop=(), extra=()):
    """A weight [2, 64] in NF4, two blocks; `replace` puts other tensors in the place of parts, `drop` leaves parts out."""
    described = {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [2, 64]}
    if nested:
        described |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.5}
    blob = state if isinstance(state, bytes) else json.dumps(described | (state or {})).encode()
    parts = {
        "": ("U8", (64, 1), bytes(range(64))),
        ".absmax": ("U8", (2,), b"\x20\xd0") if nested else ("F32", (2,), f32(1, 2)),
        ".quant_map": ("F32", (16,), NF4),
        ".quant_state.bitsandbytes__nf4": ("U8", (len(blob),), blob),
    }
    if nested:
        parts[".nested_absmax"] = ("F32", (1,), f32(0.25))
        parts[".nested_quant_map"] = ("F32", (256,), f32(*((i - 127) / 128 for i in range(256))))
    parts |= replace or {}
    return packed([(name + suffix, *part) for suffix, part in parts.items() if suffix not in drop] + list(extra))


MODULE = "model.layers.0.mlp.up_proj"


def grouped(parts, config, replace=None, module=MODULE):
    """A folder of one weight of (dtype, shape, bytes) by what follows its module, some of them replaced or left out."""
    parts = {end: part for end, part in (parts | (replace or {})).items() if part}
    return {"model.safetensors": packed([(module + end, *part) for end, part in parts.items()]), "config.json": json.dumps(config).encode()}


def add_grouped(gallery):
    scales = ("BF16", (2, 1), b"\x00\x3f\x80\x3f")
    mlx = {".weight": ("U32", (2, 8), bytes(range(64))), ".scales": scales, ".biases": scales}
    mlx_config = {"quantization": {"group_size": 64, "bits": 4}}
    integers = {".weight_packed": ("I32", (2, 8), bytes(range(64))), ".weight_scale": scales,
                ".weight_shape": ("I64", (2,), struct.pack("<2q", 2, 64))}
    config = {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}}
    floats = {".weight_packed": ("U8", (2, 8), bytes(range(16))), ".weight_scale": ("F8_E4M3", (2, 1), b"\x38\x3c"),
              ".weight_global_scale": ("F32", (1,), f32(2))}
    hqq = {".W_q": ("U8", (1, 4), bytes(range(4))), ".scale": scales, ".zero": scales, ".shape": ("I64", (2,), struct.pack("<2q", 2, 4)),
           ".nbits": ("I32", (), struct.pack("<i", 4)), ".axis": ("I32", (), struct.pack("<i", 1))}

    def add(name, trick, parts, config, **replace):
        gallery.add(f"grouped/{name}", trick, grouped(parts, config, {"." + end: part for end, part in replace.items()}))

    gallery.add("legal/mlx-4-bit", "an embedding of MLX", grouped(mlx, mlx_config, module="embed_tokens"))
    gallery.add("legal/packed-int4", "an embedding of compressed-tensors", grouped(integers, config, module="embed_tokens"))
    gallery.add("legal/hqq-4-bit", "an embedding of HQQ", grouped(hqq, {}, module="embed_tokens"))
    add("mlx-no-biases", "scales without biases", mlx, mlx_config, biases=None)
    add("mlx-other-bits", "bits that the scales do not fit", mlx, {"quantization": {"group_size": 64, "bits": 8}})
    add("mlx-7-bits", "a width that MLX does not have", mlx, {"quantization": {"group_size": 64, "bits": 7}})
    add("shape-2-to-40", "a stated shape of 2^80 elements", integers, config, weight_shape=("I64", (2,), struct.pack("<2q", 1 << 40, 1 << 40)))
    add("shape-of-more-codes", "more columns than words hold", integers, config, weight_shape=("I64", (2,), struct.pack("<2q", 2, 1 << 61)))
    add("group-out-of-range", "a column of a group that is not there", integers, config, weight_g_idx=("I32", (64,), struct.pack("<64i", *[0] * 63, 1)))
    add("zero-points-too-short", "zero points of fewer words than rows need", integers, config, weight_zero_point=("I32", (0, 1), b""))
    add("global-scale-zero", "scales divided by 0", floats, config, weight_global_scale=("F32", (1,), f32(0)))
    add("float-scales-too-few", "a scale for 32 codes instead of 16", floats, config, weight_scale=("F8_E4M3", (1, 1), b"\x38"))
    add("hqq-axis-2", "an axis that a matrix does not have", hqq, {}, axis=("I32", (), struct.pack("<i", 2)))
    add("hqq-odd-groups", "a number of groups that does not divide the elements", hqq, {}, scale=("BF16", (3, 1), bytes(6)))


def add_bitsandbytes(gallery):
    state_name = ".quant_state.bitsandbytes__nf4"

    def add(name, trick, **changes):
        gallery.add(f"bitsandbytes/{name}.safetensors", trick, four_bit(**changes))

    gallery.add("legal/four-bit.safetensors", "a 4-bit weight", four_bit())
    gallery.add("legal/four-bit-nested.safetensors", "a 4-bit weight with 8-bit constants", four_bit(nested=True))
    add("blocksize-48", "a block size that is no power of two", state={"blocksize": 48})
    add("blocksize-128", "a block size that the number of constants does not fit", state={"blocksize": 128})
    add("blocksize-2-to-60", "a block size of 2^60", state={"blocksize": 1 << 60})
    add("blocksize-text", "a block size that is no number", state={"blocksize": "64"})
    add("shape-too-large", "a quant state for a larger weight than is stored", state={"shape": [4, 64]})
    add("shape-overflows", "a quant state whose shape overflows", state={"shape": [1 << 40, 1 << 40]})
    add("shape-2-to-60", "a quant state for 2^60 elements", state={"shape": [1 << 30, 1 << 30]})
    add("shape-of-one-dimension", "a quant state for a vector", state={"shape": [128]})
    add("shape-negative", "a negative dimension in the quant state", state={"shape": [-2, -64]})
    add("absmax-too-short", "one constant for two blocks", replace={".absmax": ("F32", (1,), f32(1))})
    add("absmax-wrong-type", "constants in F16", replace={".absmax": ("F16", (2,), struct.pack("<2e", 1, 2))})
    add("absmax-nan", "a constant that is NaN", replace={".absmax": ("F32", (2,), f32(1, float("nan")))})
    add("absmax-missing", "no constants", drop=[".absmax"])
    add("codes-missing", "a quant state without its weight", drop=[""])
    add("codes-too-short", "fewer codes than the shape needs", replace={"": ("U8", (63, 1), bytes(63))})
    add("quant-map-missing", "no codebook", drop=[".quant_map"])
    add("quant-map-of-15", "a codebook of 15 values", replace={".quant_map": ("F32", (15,), NF4[:60])})
    add("quant-map-nan", "a codebook with a NaN", replace={".quant_map": ("F32", (16,), NF4[:60] + f32(float("nan")))})
    add("type-unknown", "a quant type that does not exist", state={"quant_type": "int4"})
    add("type-of-another-name", "FP4 under the name of NF4", state={"quant_type": "fp4"})
    add("dtype-unknown", "a type that bitsandbytes does not quantize", state={"dtype": "float64"})
    add("state-incomplete", "a quant state without block size", state=b'{"quant_type":"nf4","dtype":"float32","shape":[2,64]}')
    add("state-not-json", "a quant state that is no JSON", state=b"nf4, 64, float32")
    add("state-deep", "a quant state of lists in lists, 2000 deep", state=b"[" * 2000 + b"]" * 2000)
    add("state-too-long", "a quant state of 5000 bytes", state=b" " * 5000)
    add("state-not-bytes", "a quant state in F32", replace={state_name: ("F32", (2,), f32(1, 2))})
    add("state-twice", "two quant states for one weight",
        extra=[("a.weight.quant_state.bitsandbytes__fp4", "U8", (73,),
                b'{"quant_type":"fp4","blocksize":64,"dtype":"float32","shape":[2,64]}     ')])
    add("nested-offset-nan", "a NaN for the offset, as Python writes it", nested=True,
        state=json.dumps({"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [2, 64], "nested_blocksize": 256,
                          "nested_dtype": "float32", "nested_offset": float("nan")}).encode())
    add("nested-offset-1e999", "an offset beyond all numbers", nested=True,
        state=b'{"quant_type":"nf4","blocksize":64,"dtype":"float32","shape":[2,64],"nested_blocksize":256,'
              b'"nested_dtype":"float32","nested_offset":1e999}')
    add("nested-blocksize-0", "blocks of 0 constants", nested=True, state={"nested_blocksize": 0})
    add("nested-dtype", "8-bit constants of another type", nested=True, state={"nested_dtype": "float16"})
    add("nested-absmax-missing", "8-bit constants without their own constants", nested=True, drop=[".nested_absmax"])
    add("nested-map-short", "a codebook of 255 values for the constants", nested=True,
        replace={".nested_quant_map": ("F32", (255,), bytes(255 * 4))})


# .qnf

def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value = CRC_TABLE[(value ^ byte) & 0xff] ^ value >> 8
    return value ^ 0xffffffff


def qnf(tensors=None, metadata=None, drop=(), header_crc=None, break_header=None):
    """A .qnf of a dense tensor and a config.json; `metadata` replaces values, `break_header` acts after the checksum."""
    tensors = tensors or [A, ("qnf.file/config.json", "U8", (24,), b'{"model_type": "llama"}\n')]
    sums = [f"{crc32c(content):08x}" for _, _, _, content in tensors]
    lines = [f"{name}\t{dtype}\t{','.join(map(str, shape))}\t{checksum}\n"
             for (name, dtype, shape, _), checksum in zip(tensors, sums) if not name.startswith("qnf.file/")]
    settings = {"quantizer": "bitsandbytes-0.50-cpu", "quant_type": "nf4", "blocksize": 64, "double_quant": True,
                "nested_blocksize": 256, "transposed": []}
    members = {
        "format": "pt", "qnf.version": "1", "qnf.header_crc32c": "00000000",
        "qnf.fingerprint": "sha256:" + hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(),
        "qnf.settings": json.dumps(settings, separators=(",", ":")), "qnf.lineage": "[]", "qnf.crc32c": "".join(sums)}
    members = {key: value for key, value in (members | (metadata or {})).items() if key not in drop}
    descriptions, data = [], b""
    for name, dtype, shape, content in tensors:
        descriptions.append(member(name, dtype, list(shape), len(data), len(data) + len(content)))
        data += content
    text = '{"__metadata__":' + json.dumps(members, separators=(",", ":")) + "," + ",".join(descriptions) + "}"
    head = raw(text + " " * (-(8 + len(text.encode())) % 64))
    digits = f"{crc32c(head):08x}" if header_crc is None else header_crc
    head = head.replace(b'"qnf.header_crc32c":"00000000"', f'"qnf.header_crc32c":"{digits}"'.encode())
    return (break_header(head) if break_header else head) + data


def add_qnf(gallery):
    def add(name, trick, content=None, **changes):
        gallery.add(f"qnf/{name}.qnf", trick, content or qnf(**changes))

    def with_file(name, content=b"{}"):
        return [A, (f"qnf.file/{name}", "U8", (len(content),), content)]

    sound = qnf()
    gallery.add("legal/sound.qnf", "a dense tensor and a config.json", sound)
    add("tensor-bit-flipped", "one bit of a weight is another", sound[:-30] + bytes([sound[-30] ^ 1]) + sound[-29:])
    add("file-bit-flipped", "one bit of config.json is another: `lmama`",
        sound[:-6] + bytes([sound[-6] ^ 1]) + sound[-5:])
    add("header-bit-flipped", "one byte of the padding in the header is another", break_header=lambda head: head[:-1] + b"\t")
    add("header-checksum-wrong", "a checksum of the header that is not its own", header_crc="deadbeef")
    add("header-checksum-no-number", "a checksum of the header that is none", header_crc="DEADBEEF")
    add("header-checksum-missing", "no checksum of the header", drop=["qnf.header_crc32c"])
    add("version-2", "a version that is not known yet", metadata={"qnf.version": "2"})
    add("version-missing", "our keys, but no version", drop=["qnf.version"])
    add("checksums-missing", "no checksums of the tensors", drop=["qnf.crc32c"])
    add("checksums-too-few", "one checksum for two tensors", metadata={"qnf.crc32c": "0" * 8})
    add("checksums-no-numbers", "checksums that are none", metadata={"qnf.crc32c": "z" * 16})
    add("fingerprint-wrong", "a fingerprint that the checksums do not give", metadata={"qnf.fingerprint": "sha256:" + "0" * 64})
    add("fingerprint-no-number", "a fingerprint that is none", metadata={"qnf.fingerprint": "md5:0"})
    add("settings-not-json", "settings that are no JSON", metadata={"qnf.settings": "nf4"})
    add("lineage-not-json", "a lineage that is no JSON", metadata={"qnf.lineage": "[{]"})
    add("file-leads-out", "a companion file named ../evil", tensors=with_file("../evil"))
    add("file-named-dots", "a companion file named ..", tensors=with_file(".."))
    add("file-without-name", "a companion file without a name", tensors=with_file(""))
    add("file-with-nul", "a NUL character in the name of a companion file", tensors=with_file("evil\\u0000.json"))
    add("config-not-json", "a config.json that is no JSON", tensors=with_file("config.json", b"<html>"))
    add("config-huge-number", "a config.json with a number of 500 digits and a key twice",
        tensors=with_file("config.json", b'{"n":' + b"9" * 500 + b',"n":1}'))
    add("cut-in-data", "ends inside the data", sound[:-10])


# TensorFlow

def varint(value):
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value & (1 << 64) - 1)


def masked(data):
    value = crc32c(data)
    return ((value >> 15 | value << 17) + 0xa282ead8) & 0xffffffff


def sealed(block, kind=0):
    return block + bytes([kind]) + struct.pack("<I", masked(block + bytes([kind])))


def block(pairs):
    """Entries without shared prefixes, one restart."""
    text = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in pairs)
    return text + struct.pack("<II", 0, 1)


def handle(offset, contents):
    return varint(offset) + varint(len(contents) - 5)


def table(data, last_key, footer=None):
    """A table of one sealed data block."""
    meta = sealed(block([]))
    places = sealed(block([(last_key, handle(0, data))]))
    ends = handle(len(data), meta) + handle(len(data) + len(meta), places)
    return data + meta + places + (footer or ends + bytes(40 - len(ends)) + bytes.fromhex("57fb808b247547db"))


def entry(shape=(2, 2), kind=1, shard=0, offset=0, size=16, checksum=None, data=None, slices=()):
    content = bytes(16) if data is None else data
    value = field(1, kind) + field(2, b"".join(field(2, field(1, length)) for length in shape))
    value += (field(3, shard) if shard else b"") + (field(4, offset) if offset else b"") + (field(5, size) if size else b"")
    value += varint(6 << 3 | 5) + struct.pack("<I", masked(content) if checksum is None else checksum)
    return value + b"".join(field(7, b"".join(field(1, field(1, start) + field(2, length)) for start, length in part))
                            for part in slices)


HEADER = field(1, 1) + field(3, field(1, 1))


def bundle(header=HEADER, entries=None, data=A[3] + B[3], index=None, change=None, **more):
    """A checkpoint of one data file with tensors a and b."""
    pairs = [(b"", header)] + (entries if entries is not None else [
        (b"a", entry(data=A[3])), (b"b", entry(offset=16, data=B[3]))])
    made = index or table(sealed(block(pairs)), pairs[-1][0])
    files = {"model.ckpt.index": change(made) if change else made}
    if data is not None:
        files["model.ckpt.data-00000-of-00001"] = data
    return files | more


def add_tensorflow(gallery):
    def add(name, trick, content=None, at="model.ckpt.index", **changes):
        gallery.add(f"tensorflow/{name}" + (f":{at}" if at else ""), trick, content or bundle(**changes))

    def flipped(offset):
        return lambda data: data[:offset] + bytes([data[offset] ^ 0x40]) + data[offset + 1:]

    a, b = (b"a", entry(data=A[3])), (b"b", entry(offset=16, data=B[3]))
    gallery.add("legal/tensorflow:model.ckpt.index", "a checkpoint of two tensors", bundle())
    gallery.add("legal/tensorflow-with-strings:model.ckpt.index", "a string tensor, which is listed but not read",
                bundle(entries=[a, (b"s", entry(shape=(1,), kind=7, offset=16, size=16, data=B[3]))]))
    add("block-bit-flipped", "one bit of a block of the index is another", change=flipped(20))
    add("tensor-bit-flipped", "one bit of a tensor is another", data=A[3] + B[3][:-1] + bytes([B[3][-1] ^ 1]))
    add("index-cut", "an index that ends too early", change=lambda data: data[:-30])
    add("index-of-9-bytes", "an index of 9 bytes", change=lambda data: data[:9])
    add("footer-padding", "a bit in the padding of the footer, which no checksum covers", change=flipped(-20))
    add("no-data-file", "the index alone", data=None)
    add("data-cut", "a data file that ends too early", data=(A[3] + B[3])[:-5])
    add("no-index", "the data file alone", {"model.ckpt.data-00000-of-00001": A[3]}, at="model.ckpt.data-00000-of-00001")
    add("key-length-2-to-60", "a key of 2^60 bytes",
        index=table(sealed(b"\0" + varint(1 << 60) + b"\0" + struct.pack("<II", 0, 1)), b"a"))
    add("shared-prefix-2-to-60", "a key that shares 2^60 bytes with the one before it",
        index=table(sealed(varint(1 << 60) + b"\0\0" + struct.pack("<II", 0, 1)), b"a"))
    add("restarts-2-to-31", "a block of 2^31 restarts", index=table(sealed(b"\0\0\0" + struct.pack("<II", 0, 1 << 31)), b"a"))
    add("snappy-bomb", "a compressed block of 12 bytes that declares 2^30", index=table(sealed(varint(1 << 30) + bytes(7), kind=1), b"a"))
    add("block-handle-2-to-60", "a footer that leads to byte 2^60",
        change=lambda data: data[:-48] + (varint(1 << 60) + varint(8) + varint(1 << 60) + varint(8)).ljust(40, b"\0") + data[-8:])
    add("keys-not-sorted", "keys that do not increase", entries=[b, a])
    add("key-twice", "a tensor twice", entries=[a, a])
    add("name-not-utf-8", "a name that is not UTF-8", entries=[(b"a\xff", a[1])])
    add("name-with-escape-sequence", "a name that would clear the screen when the error is printed",
        entries=[(b"a\x1b[2J\x1b]0;owned\x07", entry(shape=(3,), data=A[3]))])
    add("shape-overflows", "a product of dimensions beyond 2^64", entries=[(b"a", entry(shape=(1 << 40, 1 << 40)))])
    add("shape-of-another-size", "a shape of more elements than the bytes hold", entries=[(b"a", entry(shape=(3, 3), data=A[3]))])
    add("shape-negative", "a negative dimension", entries=[(b"a", entry(shape=(-2, 2), data=A[3]))])
    add("size-2-to-60", "a tensor of 2^60 bytes", entries=[(b"a", entry(shape=(1 << 58,), size=1 << 60))])
    add("tensors-overlap", "two tensors share 8 bytes", entries=[a, (b"b", entry(offset=8, data=bytes(16)))])
    add("type-unknown", "a type that does not exist", entries=[(b"a", entry(kind=99, data=A[3]))])
    add("shard-of-none", "a tensor in data file 7 of 1", entries=[(b"a", entry(shard=7, data=A[3]))])
    add("shards-2-to-31", "a checkpoint of 2^31 - 1 data files", header=field(1, (1 << 31) - 1),
        entries=[(b"a", entry(shard=5, data=A[3]))])
    add("slices-with-gap", "slices that do not cover their tensor",
        entries=[(b"\0p\0\x01\x01\x01\x80\x82", entry(shape=(2,), kind=4, size=2, data=b"\x01\x02")),
                 (b"p", entry(shape=(4,), kind=4, size=0, checksum=0, slices=[[(0, 2)]]))], data=b"\x01\x02")
    add("big-endian", "a checkpoint of a big-endian machine", header=field(1, 1) + field(2, 1))
    add("newer-version", "a checkpoint that asks for a newer reader", header=field(1, 1) + field(3, field(1, 9) + field(2, 9)))
    add("version-1", "the format before 2017", index=table(sealed(block([(b"", b"\x0a\x02\x12\x00"), (b"\0a", b"x")])), b"\0a"), data=None)
    add("checkpoint-leads-out", "a file `checkpoint` that leads to ../../etc/passwd",
        checkpoint=b'model_checkpoint_path: "../../etc/passwd"\n', at="checkpoint")
    parameters = {"n_vocab": 4, "n_ctx": 4, "n_embd": 2, "n_head": 1, "n_layer": 1}
    wte = [(b"model/wte", entry(data=A[3]))]
    add("gpt2-layers-2-to-60", "an hparams.json with 2^60 layers", entries=wte, at="",
        **{"hparams.json": json.dumps(parameters | {"n_layer": 1 << 60}).encode()})
    add("gpt2-of-another-shape", "an hparams.json of another model", entries=wte, at="", **{"hparams.json": json.dumps(parameters).encode()})
    add("gpt2-incomplete", "an embedding, and nothing of the layers", entries=wte, at="",
        **{"hparams.json": json.dumps(parameters | {"n_vocab": 2}).encode()})


# Strangers

HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in to download.</body></html>\n"


def lfs_pointer():
    return (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + hashlib.sha256(b"model").hexdigest().encode()
            + b"\nsize 548105171\n")


# PyTorch

def pickled_text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def pickled_tensor(size=2, count=2, function="torch._utils\n_rebuild_tensor_v2"):
    """`size` floats from the start of storage 0, which has `count`."""
    storage = b"(" + pickled_text("storage") + b"ctorch\nFloatStorage\n" + pickled_text("0") + pickled_text("cpu") + bytes([75, count]) + b"tQ"
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    return b"c" + function.encode() + b"\n(" + storage + bytes([75, 0, 40, 75, size, 116, 40, 75, 1, 116]) + hooks + b"tR"


def pickled(**values):
    return b"\x80\x02}" + b"".join(pickled_text(name) + value + b"s" for name, value in values.items()) + b"."


def pytorch_zip(pickle=b"\x80\x02}q\x00.", storage=b"", compression=zipfile.ZIP_STORED, **more):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in {"archive/data.pkl": pickle, "archive/data/0": storage, **more}.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            file.writestr(info, content)
    return archive.getvalue()


def add_pytorch(gallery):
    def add(name, trick, content):
        gallery.add(f"pytorch/{name}", trick, content)

    sound, numbers = pickled(w=pickled_tensor()), f32(1, 2)
    gallery.add("legal/pytorch.bin", "PyTorch's archive of one tensor", pytorch_zip(sound, numbers))
    add("runs-a-command.bin", "loading it in Python runs a command", pytorch_zip(b"cos\nsystem\n(Vtrue\ntR.", numbers))
    gallery.add("legal/pytorch-with-a-command.bin", "a command beside a sound tensor, which is a value like any other here",
                pytorch_zip(pickled(w=pickled_tensor(), x=b"cos\nsystem\n(Vtrue\ntR"), numbers))
    add("beyond-its-storage.bin", "a tensor of three floats in a storage of two", pytorch_zip(pickled(w=pickled_tensor(size=3)), numbers))
    add("short-storage.bin", "a storage of two floats with the bytes of one", pytorch_zip(sound, f32(1)))
    add("unknown-function.bin", "a tensor made by a function that is not known",
        pytorch_zip(pickled(w=pickled_tensor(function="torch._utils\n_rebuild_other")), numbers))
    add("compressed.bin", "records are compressed", pytorch_zip(sound, numbers, zipfile.ZIP_DEFLATED))
    add("two-pickles.bin", "two records that might be meant", pytorch_zip(sound, numbers, **{"other/data.pkl": sound}))
    add("cut.bin", "the end is missing", pytorch_zip(sound, numbers)[:-30])
    add("no-stop.bin", "the pickle does not end", pytorch_zip(sound[:-1], numbers))
    add("plain.pkl", "a pickle that is none of PyTorch's", sound)


# llm.c, llama2.c, and models in their makers' own layouts

def numbers(*values):
    return struct.pack(f"<{len(values)}i", *values)


def llm_c(**changes):
    """A GPT-2 of one layer, one head, two tokens, one position and width 2: 84 elements, all 0."""
    values = {"magic": 20240326, "version": 3, "positions": 1, "tokens": 2, "layers": 1, "heads": 1, "width": 2, "rows": 2, **changes}
    return numbers(*values.values(), *[0] * 248) + f32(*[0] * 84)


def llama2_c(**changes):
    """The smallest Llama there can be: 32 elements."""
    values = {"width": 2, "inner": 1, "layers": 1, "heads": 1, "keys": 1, "tokens": 1, "positions": 1, **changes}
    return numbers(*values.values()) + f32(*range(1, 33))


def add_flat(gallery):
    def add(name, trick, content):
        gallery.add(f"flat/{name}", trick, content)

    gallery.add("legal/llm-c.bin", "a GPT-2 of llm.c", llm_c())
    gallery.add("legal/llama2-c.bin", "a Llama of llama2.c, which no word tells from other files", llama2_c())
    add("llm-c-version.bin", "a version that is not known", llm_c(version=1))
    add("llm-c-no-layers.bin", "no layers", llm_c(layers=0))
    add("llm-c-many-layers.bin", "more layers than a table is made of", llm_c(layers=2**31 - 1))
    add("llm-c-overflow.bin", "sizes whose product is beyond 2^63", llm_c(width=2**24, layers=1024))
    add("llm-c-heads.bin", "three heads in a width of two", llm_c(heads=3))
    add("llm-c-rows.bin", "fewer rows of the embedding than tokens", llm_c(rows=1))
    add("llm-c-cut.bin", "the end is missing", llm_c()[:-4])
    add("llm-c-header.bin", "a part of the header", llm_c()[:100])
    add("llama2-c-cut.bin", "the end is missing", llama2_c()[:-4])
    add("llama2-c-more.bin", "something follows", llama2_c() + b"\x00")
    add("llama2-c-head.bin", "a head of its own that is not there", llama2_c(tokens=-1))
    add("llama2-c-large.bin", "sizes of a large model in a small file", llama2_c(width=2**20, inner=2**20, layers=1024, tokens=2**24))
    add("llama2-c-version-2.bin", "a later version", b"24ka" + numbers(2) + llama2_c())

    sizes = {"tok_embeddings": [2, 2], "norm": [2], "output": [2, 2]}
    sizes |= {f"layers.0.attention.w{part}": [2, 2] for part in "qkvo"} | {"layers.0.attention_norm": [2], "layers.0.ffn_norm": [2]}
    sizes |= {"layers.0.feed_forward.w1": [3, 2], "layers.0.feed_forward.w2": [2, 3], "layers.0.feed_forward.w3": [3, 2]}

    def consolidated(without=(), **more):
        tensors = [(name + ".weight", shape) for name, shape in ({**sizes, **more}).items() if name not in without]
        return packed([(name, "F32", shape, bytes(4 * math.prod(shape))) for name, shape in tensors])

    def model(weights, **parameters):
        values = {"dim": 2, "n_layers": 1, "n_heads": 1, "hidden_dim": 3, "norm_eps": 1e-5, "vocab_size": 2, **parameters}
        return {"consolidated.safetensors": weights, "params.json": json.dumps(values).encode()}

    def add_model(name, trick, content):
        gallery.add(f"layouts/{name}", trick, content)

    gallery.add("legal/mistral", "a model in Mistral's own layout", model(consolidated()))
    add_model("missing", "a tensor is missing", model(consolidated(without=["layers.0.attention.wo"])))
    add_model("stranger", "a tensor that such a model does not have", model(consolidated(**{"layers.1.attention.wq": [2, 2]})))
    add_model("other-shape", "queries for more heads than params.json says", model(consolidated(**{"layers.0.attention.wq": [4, 2]})))
    add_model("other-width", "params.json of another model", model(consolidated(), dim=4))
    add_model("many-layers", "params.json asks for a table of a billion layers", model(consolidated(), n_layers=10**9))
    add_model("odd-heads", "heads of an odd width, whose elements are no pairs", model(consolidated(), head_dim=3))
    add_model("no-json", "params.json is no JSON", {"consolidated.safetensors": consolidated(), "params.json": b"<html>"})


# GGUF

def text(value, order="<"):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack(order + "Q", len(data)) + data


def key(name, number, value, order="<"):
    return text(name, order) + struct.pack(order + "I", number) + value


def array(number, items, count=None):
    return struct.pack("<IQ", number, len(items) if count is None else count) + b"".join(items)


ARCHITECTURE = key("general.architecture", 8, text("test"))
TENSORS = [("a.weight", [2, 2], 0, f32(1, -2, 3, -4)), ("b.weight", [2, 2], 0, f32(5, 6, -7, 8))]


def gguf(keys=(), tensors=TENSORS, version=3, key_count=None, tensor_count=None, order="<", alignment=32, padding=True):
    """A file of keys that are encoded already and of tensors (name, dimensions, type, bytes, perhaps another offset)."""
    keys = [key("general.architecture", 8, text("test", order), order), *keys]
    head = b"GGUF" + struct.pack(order + "Iqq", version, len(tensors) if tensor_count is None else tensor_count,
                                 len(keys) if key_count is None else key_count) + b"".join(keys)
    data = b""
    for name, dimensions, number, content, *offset in tensors:
        head += text(name, order) + struct.pack(f"{order}I{len(dimensions)}qIQ", len(dimensions), *dimensions, number,
                                                *(offset or [len(data)]))
        data += content + bytes(-len(content) % alignment)
    return head + (bytes(-len(head) % alignment) if tensors else b"") + (data if padding else data.rstrip(b"\0"))


def parts(names=("model-00001-of-00002.gguf", "model-00002-of-00002.gguf"), first=(0, 2, 2), second=(1, 2, 2), tensors=TENSORS):
    def part(numbers, tensor):
        words = zip(("split.no", "split.count", "split.tensors.count"), (2, 2, 5), "HHi", numbers)
        return gguf([key(name, number, struct.pack("<" + form, value)) for name, number, form, value in words], [tensor])

    return dict(zip(names, (part(first, tensors[0]), part(second, tensors[1]))))


def add_gguf(gallery):
    def add(name, trick, content):
        gallery.add(f"gguf/{name}.gguf", trick, content)

    def one(name, trick, dimensions, number=0, content=f32(1, 2, 3, 4), *offset):
        add(name, trick, gguf(tensors=[("a.weight", dimensions, number, content, *offset)]))

    sound = gguf()
    u32 = struct.pack("<I", 7)
    gallery.add("legal/plain.gguf", "two tensors, nothing wrong", sound)
    gallery.add("legal/version-2.gguf", "version 2, which has the same layout", gguf(version=2))
    gallery.add("legal/unpadded.gguf", "no padding behind the last tensor, which some programs leave out", gguf(padding=False))
    gallery.add("legal/trailing.gguf", "7 bytes after the last tensor, which nothing forbids", sound + b"trailer")
    gallery.add("legal/arrays-in-arrays.gguf", "an array of arrays, which llama.cpp refuses",
                gguf([key("k", 9, array(9, [array(4, [u32]), array(8, [text("a"), text("b")])]))]))
    gallery.add("legal/big-endian.gguf", "written for big-endian machines", gguf(
        order=">", tensors=[("a.weight", [2, 2], 0, struct.pack(">4f", 1, -2, 3, -4))]))
    gallery.add("legal/parts-of-gguf", "a model in two files", parts())

    add("cut-in-counts", "ends inside the counts", sound[:20])
    add("cut-in-key", "ends inside a key", sound[:40])
    add("cut-in-tensor", "ends inside the description of a tensor", sound[:100])
    add("cut-in-data", "ends inside the data, as a broken download does", sound[:-20])
    add("zeros", "a header of nothing but zeros, as a download that was begun leaves", b"GGUF" + struct.pack("<I", 3) + bytes(500))
    add("magic", "another magic", b"GGML" + sound[4:])
    add("version-1", "version 1, whose counts had 32 bits", gguf(version=1))
    add("version-4", "a version that does not exist yet", gguf(version=4))
    add("tensor-count-negative", "-1 tensors", gguf(tensor_count=-1))
    add("tensor-count-2-to-60", "2^60 tensors", gguf(tensor_count=1 << 60))
    add("tensor-count-100000", "100,000 tensors in 300 bytes", gguf(tensor_count=100_000))
    add("tensor-count-too-small", "one tensor of two is counted", gguf(tensor_count=1))
    add("key-count-too-great", "a tensor that is counted as a key", gguf(key_count=2))
    add("key-count-too-small", "a key that is taken for a tensor", gguf([key("k", 4, u32)], key_count=1))
    add("key-twice", "a key twice: readers differ on which counts", gguf([key("k", 4, u32), key("k", 4, u32)]))
    add("key-empty", "a key of no characters", gguf([key("", 4, u32)]))
    add("key-not-utf-8", "a key that is not UTF-8", gguf([key(b"k\xff", 4, u32)]))
    add("key-with-escape-sequence", "a key that would clear the screen when the error is printed",
        gguf([key("\x1b[2J\x1b]0;owned\x07\u202ek", 99, u32)]))
    add("value-type-unknown", "a value of type 13", gguf([key("k", 13, u32)]))
    add("string-2-to-60", "a string of 2^60 bytes", gguf([key("k", 8, struct.pack("<Q", 1 << 60))]))
    add("string-not-utf-8", "a text that is none", gguf([key("k", 8, text(b"\xc0\xaf"))]))
    add("array-2-to-62", "an array of 2^62 numbers, whose byte count overflows to 0", gguf([key("k", 9, array(4, [], 1 << 62))]))
    add("array-longer-than-file", "an array of a billion strings", gguf([key("k", 9, array(8, [], 1_000_000_000))]))
    add("array-string-not-utf-8", "a token that is no text", gguf([key("k", 9, array(8, [text("a"), text(b"\xff")]))]))
    add("array-deep", "arrays in arrays, 1000 deep", gguf([key("k", 9, array(9, [], 1) * 1000 + array(4, []))]))
    add("alignment-of-3", "an alignment that is no power of two", gguf([key("general.alignment", 4, struct.pack("<I", 3))]))
    add("alignment-u64", "an alignment of another type", gguf([key("general.alignment", 10, struct.pack("<Q", 32))]))
    add("alignment-2-to-31", "an alignment that puts the data far behind the end",
        gguf([key("general.alignment", 4, struct.pack("<I", 1 << 31))]))
    add("name-twice", "the same tensor twice", gguf(tensors=[TENSORS[0], TENSORS[0][:3] + TENSORS[1][3:]]))
    add("name-empty", "a tensor without a name", gguf(tensors=[("", [4], 0, f32(1, 2, 3, 4))]))
    add("name-of-64-bytes", "a name one byte longer than llama.cpp has room for", gguf(tensors=[("n" * 64, [4], 0, f32(1, 2, 3, 4))]))
    add("name-with-nul", "a NUL character in a name", gguf(tensors=[("a\0b", [4], 0, f32(1, 2, 3, 4))]))
    add("name-not-utf-8", "a name that is not UTF-8", gguf(tensors=[(b"a\xff", [4], 0, f32(1, 2, 3, 4))]))
    one("five-dimensions", "five dimensions", [1, 1, 1, 2, 2])
    one("dimension-negative", "a negative dimension", [-2, -2])
    one("dimensions-overflow", "a product of dimensions beyond 2^64", [1 << 32, 1 << 32])
    one("dimensions-overflow-in-bytes", "2^62 elements of 4 bytes: the byte count overflows to 0", [1 << 62], 0, b"")
    one("dimensions-overflow-behind-zero", "a product that overflows, hidden behind a dimension of 0", [0, 1 << 62, 8], 0, b"")
    one("half-a-block", "rows of 16 elements in blocks of 32", [16, 2], 8, bytes(34))
    one("type-unknown", "a type that does not exist", [4], 99)
    one("type-removed", "a type that was taken out of the format", [32], 31, bytes(18))
    one("type-intermediate", "a type that no file should have", [32], 9, bytes(36))
    one("offset-not-zero", "the first tensor does not begin where the data begins", [4], 0, f32(1, 2, 3, 4), 32)
    one("offset-2-to-63", "an offset beyond any file", [4], 0, f32(1, 2, 3, 4), 1 << 63)
    add("offsets-overlap", "two tensors of the same bytes", gguf(tensors=[TENSORS[0], (*TENSORS[1], 0)]))
    add("offsets-gap", "bytes that belong to no tensor", gguf(tensors=[TENSORS[0], (*TENSORS[1], 64)]))
    add("big-endian-blocks", "blocks written for big-endian machines", gguf(order=">", tensors=[("a.weight", [32], 8, bytes(34))]))

    def split(name, trick, chosen, **changes):
        files = parts(**changes)
        gallery.add(f"gguf/{name}:{chosen or sorted(files)[0]}", trick, files)

    whole = parts()
    gallery.add("gguf/part-missing:model-00001-of-00002.gguf", "one of two parts is not there",
                {"model-00001-of-00002.gguf": whole["model-00001-of-00002.gguf"]})
    split("part-renamed", "a part under another name", "second.gguf", names=("model-00001-of-00002.gguf", "second.gguf"))
    split("parts-swapped", "two parts under each other's names", "", first=(1, 2, 2), second=(0, 2, 2))
    split("part-of-another-model", "a part of a model of three", "", second=(1, 3, 3))
    split("tensor-in-two-parts", "both parts hold the same tensor", "", tensors=[TENSORS[0], TENSORS[0]])
    split("tensors-too-few", "the parts hold fewer tensors than they say", "", first=(0, 2, 3), second=(1, 2, 3))
    split("part-number-too-great", "part 2 of 2, counted from 0", "", second=(2, 2, 2))


def i32(*values):
    return struct.pack(f"<{len(values)}I", *(value & 0xffffffff for value in values))


def gptq(groups=(0,) * 8 + (1,) * 8, zeros=(2, 1), scales=(2, 8), without="", module="layers.0.q_proj"):
    """A module of 16 inputs and 8 outputs, of 4 bits in two groups."""
    parts = {"qweight": ("I32", (2, 8), i32(*range(16))),
             "qzeros": ("I32", zeros, i32(*[0x77777777] * (zeros[0] * zeros[1]))),
             "scales": ("F16", scales, bytes([0, 0x3c]) * (scales[0] * scales[1])),
             "g_idx": ("I32", (len(groups),), i32(*groups))}
    return packed([(f"{module}.{name}", *part) for name, part in parts.items() if name != without])


def add_packed(gallery):
    def add(name, trick, content):
        gallery.add(f"packed/{name}.safetensors", trick, content)

    weight = ("q_proj.weight", "F8_E4M3", (3, 4), bytes(range(12)))
    int8 = ("q_proj.weight", "I8", (3, 4), bytes(range(12)))
    gallery.add("legal/gptq.safetensors", "an embedding of GPTQ: 4 bits, two groups", gptq(module="embed_tokens"))
    gallery.add("legal/fp8.safetensors", "an embedding of FP8 with one scale for all",
                packed([("embed_tokens.weight", *weight[1:]), ("embed_tokens.weight_scale", "F32", (), f32(0.5))]))
    add("group-not-there", "an input of group 2, of two groups", gptq(groups=(0,) * 8 + (1,) * 7 + (2,)))
    add("group-below-zero", "an input of group -1", gptq(groups=(-1,) + (0,) * 7 + (1,) * 8))
    add("groups-of-fewer-inputs", "15 groups for 16 inputs", gptq(groups=(0,) * 15))
    add("zeros-of-more-groups", "zeros of three groups, scales of two", gptq(zeros=(3, 1)))
    add("scales-of-more-outputs", "scales of 9 outputs, codes of 8", gptq(scales=(2, 9)))
    add("without-scales", "codes and zeros without scales", gptq(without="scales"))
    add("fp8-scales-of-other-blocks", "two scales for three rows", packed([weight, ("q_proj.weight_scale_inv", "F32", (2, 1), f32(1, 1))]))
    add("fp8-two-scales", "a scale under either name",
        packed([weight, ("q_proj.weight_scale", "F32", (), f32(1)), ("q_proj.weight_scale_inv", "F32", (), f32(2))]))
    add("int8-short-scales", "two scales for three rows", packed([int8, ("q_proj.SCB", "F32", (2,), f32(1, 1))]))
    add("int8-format-of-floats", "the order is a float", packed([int8, ("q_proj.SCB", "F32", (3,), f32(1, 1, 1)), ("q_proj.weight_format", "F32", (), f32(0))]))


def add_strangers(gallery):
    def add(name, trick, content):
        gallery.add(f"strangers/{name}", trick, content)

    add("lfs-pointer.safetensors", "a Git LFS pointer", lfs_pointer())
    add("lfs-pointer-in-folder", "a folder cloned without Git LFS",
        {"model.safetensors": lfs_pointer(), "config.json": b'{"model_type":"llama"}'})
    add("html-page.safetensors", "the page that asks to sign in", HTML)
    add("xml-error.safetensors", "a cloud's answer that access is denied",
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>\n')
    add("json-error.safetensors", "a server's answer in JSON", b'{"error":"Repository not found"}')
    add("text.txt", "some text", b"This is not a model.\n")
    add("pytorch.bin", "an archive of PyTorch's without tensors", pytorch_zip())
    add("pytorch-folder", "a folder whose PyTorch file has no tensors",
        {"pytorch_model.bin": pytorch_zip(), "config.json": b'{"model_type":"llama"}'})
    add("pickle.pt", "a Python pickle", b"\x80\x02}q\x00.")
    add("model.safetensors.gz", "a compressed file", gzip.compress(packed([A]), mtime=0))
    add("weights.h5", "an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(8))
    add("array.npy", "a NumPy array", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".ljust(128) + f32(1))
    add("config-alone", "a folder without weights", {"config.json": b'{"model_type":"llama"}'})
    add("two-models", "a folder with two files that might be meant", {"one.safetensors": packed([A]), "two.safetensors": packed([B])})
    add("shards-without-index", "shards whose index was not downloaded",
        {"model-00001-of-00002.safetensors": packed([A]), "model-00002-of-00002.safetensors": packed([B])})


def make():
    gallery = Gallery()
    for step in (
        add_safetensors, add_shards, add_bitsandbytes, add_grouped, add_qnf, add_tensorflow, add_gguf, add_pytorch, add_flat, add_packed,
        add_strangers,
    ):
        step(gallery)
    return gallery


def write(gallery):
    for folder in FOLDERS:
        shutil.rmtree(os.path.join(HERE, folder), ignore_errors=True)
    for path, content in gallery.files.items():
        place = os.path.join(HERE, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(content)
    print(f"{len(gallery.tricks)} tricks, {len(gallery.files)} files, {sum(map(len, gallery.files.values()))} bytes")


def record(gallery, tool):
    """Runs the tool where the repository begins, so that the texts are those that a user sees there."""
    rows = []
    for path, _ in gallery.tricks:
        run = subprocess.run([tool, "check", f"samples/hostile/{path}"], cwd=os.path.join(HERE, "..", ".."), capture_output=True,
                             text=True, check=False)
        lines = (run.stderr if run.returncode == 2 else run.stdout).splitlines()
        rows.append((path, run.returncode, lines[0], lines[1].removeprefix("hint: ") if run.returncode == 2 and lines[1:] else ""))
    with open(os.path.join(HERE, "expected.tsv"), "w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)
    with open(os.path.join(HERE, "README.md"), "w", encoding="utf-8", newline="\n") as file:
        file.write(readme(gallery, rows))


README = """# Broken files

{count} files and folders, {size} bytes together, each with one trick that a model file can play, by accident or on purpose. For each
of the broken ones every tool must end with one error that says which file, where and what, write nothing, and never crash.
`Tests/ToolTests/HostileGalleryTests.swift` holds the tools to it: to the texts of `expected.tsv` (path, exit status, first line,
hint) with `qinspect check`, and to the same answer with `qinspect layers` and `qconvert to-nf4`.

Exit status 2: it cannot be read as a model. 1: the structure is sound, but `check` finds damage in the data. 0: nothing is wrong.

All of this is made by `make_gallery.py`, byte for byte the same each time; this page and `expected.tsv` are what
`make_gallery.py --record QINSPECT` writes. Who changes a message runs it again and reads the difference.
"""


def readme(gallery, rows):
    text = README.format(count=len(gallery.tricks), size=f"{sum(map(len, gallery.files.values())):,}")
    for folder, (title, advice) in FOLDERS.items():
        text += f"\n## {folder}/: {title}\n\n"
        if advice:
            text += f"{advice} That is what to do wherever the last column is empty.\n\n"
        is_legal = folder == "legal"
        text += "| file | what is special | answer |\n|---|---|---|\n" if is_legal else \
            "| file | trick | status | error | what to do |\n|---|---|---|---|---|\n"
        for (path, trick), (_, status, line, hint) in zip(gallery.tricks, rows):
            if not path.startswith(folder + "/"):
                continue
            said = line.removeprefix("qinspect: error: ").removeprefix(f"samples/hostile/{path}").lstrip(":/ ").replace("samples/hostile/", "")
            shown = said if len(said) < 300 else said[:140] + " ... " + said[-60:]
            cells = [f"`{path[len(folder) + 1:]}`", trick] + ([] if is_legal else [str(status)]) + [f"`{shown}`"]
            text += "| " + " | ".join(cells + ([] if is_legal else [hint])).replace("\n", " ").rstrip() + " |\n"
    return text


def check(gallery):
    """The paths whose bytes are not what the script makes."""
    different = []
    for path, content in gallery.files.items():
        try:
            with open(os.path.join(HERE, path), "rb") as file:
                same = file.read() == content
        except OSError:
            same = False
        if not same:
            different.append(path)
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--record", metavar="QINSPECT", help="the tool to ask what it says")
    options = parser.parse_args()
    gallery = make()
    if options.check:
        different = check(gallery)
        raise SystemExit(f"not as they are made: {', '.join(different)}" if different else 0)
    write(gallery)
    if options.record:
        record(gallery, os.path.abspath(options.record))


if __name__ == "__main__":
    main()
