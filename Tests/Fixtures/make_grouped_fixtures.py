#!/usr/bin/env python3
"""Cuts one weight out of each of several models that other libraries quantized: Tests/Fixtures/grouped. Needs numpy.

    python3 make_grouped_fixtures.py MODELS CASES

MODELS holds a folder for each model, as its library wrote it, and beside it NAME.expected.json with the SHA-256 of every weight as the
same library dequantizes it (mlx 0.32.4, compressed-tensors 0.20.1, torchao 0.18; modelopt's layout made from compressed-tensors').
CASES holds weights of hqq 0.2.8 (`hqq-BITS-axisAXIS.safetensors`: W_q, scale, zero, and expected_bf16 of its dequantizer).
"""
import hashlib
import json
import pathlib
import struct
import sys

MODELS = ["mlx-4bit", "mlx-5bit", "mlx-8bit-f16", "mlx-mxfp4", "mlx-mxfp8", "mlx-nvfp4", "ct-w3a16-group", "ct-w4a16-asym",
          "ct-w4a16-group", "ct-w8a16-channel", "ct-w8a8", "ct-nvfp4", "ct-mxfp4", "modelopt-nvfp4", "torchao-int8", "torchao-fp8"]
MODULE = "model.layers.0.self_attn.k_proj"
SETTINGS = ["quantization", "quantization_config", "dtype"]
here = pathlib.Path(__file__).parent / "grouped"


def read(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    return metadata, {k: (v["dtype"], v["shape"], data[8 + length:][slice(*v["data_offsets"])]) for k, v in header.items()}


def write(path, metadata, tensors):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


models, cases = map(pathlib.Path, sys.argv[1:])
lines = []
for name in MODELS:
    metadata, tensors = read(models / name / "model.safetensors")
    metadata = {k: v for k, v in metadata.items() if k in ("format", MODULE + ".weight")}
    own = {k: v for k, v in tensors.items() if k.startswith(MODULE + ".")}
    write(here / name / "model.safetensors", metadata, own)
    config = json.loads((models / name / "config.json").read_text())
    (here / name / "config.json").write_text(json.dumps({k: config[k] for k in SETTINGS if k in config}) + "\n")
    expected = json.loads((models / f"{name}.expected.json").read_text())["tensors"][MODULE + ".weight"]
    lines.append([name, MODULE + ".weight", expected["dtype"], str(expected["shape"]), expected["sha256"]])
for path in sorted(cases.glob("hqq-?-axis?.safetensors")):
    _, tensors = read(path)
    dtype, shape, content = tensors.pop("expected_bf16")
    bits, axis = path.stem[4], path.stem[-1]
    packing = {"8": "8bit_u8", "4": "4bit_u8", "3": "3bit_32", "2": "2bit_u8"}[bits].encode()
    tensors |= {"shape": ("I64", [2], struct.pack("<2q", *shape)), "packing": ("U8", [len(packing)], packing)}
    tensors |= {k: ("I32", [], struct.pack("<i", int(v))) for k, v in (("nbits", bits), ("axis", axis), ("group_size", 64))}
    tensors |= {k: ("U8", [], bytes([v])) for k, v in (("view_as_float", 0), ("quant_scale", 0), ("quant_zero", 0), ("round_zero", 1))}
    write(here / path.stem / "model.safetensors", {"format": "pt"}, {f"{MODULE}.{k}": v for k, v in tensors.items()})
    lines.append([path.stem, MODULE + ".weight", "bfloat16", str(shape), hashlib.sha256(content).hexdigest()])
(here / "digests.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
