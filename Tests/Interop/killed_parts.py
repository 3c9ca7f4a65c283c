#!/usr/bin/env python3
"""Kills conversions at random moments, makes them again, and compares with a run that nobody killed.

    python3 Tests/Interop/killed_parts.py --bin .build/release [--kills 200] [--resumes 200] [--seed 1]

Parts are killed several times each, made, and joined. Runs with --resume are killed until one of them comes to its end; their model has
as many bytes as two parts of a resumed run.
"""

import argparse
import collections
import filecmp
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--bin", required=True)
parser.add_argument("--kills", type=int, default=200)
parser.add_argument("--resumes", type=int, default=200)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()
chance = random.Random(options.seed)
qconvert = os.path.join(os.path.abspath(options.bin), "qconvert")
SAMPLE = Path(__file__).resolve().parents[2] / "samples/llama-hf"

PARTS = [
    (["to-nf4"], 5), (["to-gguf", "--type", "q8_0"], 4), (["to-safetensors", "--dtype", "f16"], 3),
    (["to-hf", "--max-shard-size", "8MB"], 4), (["to-gguf", "--type", "bf16", "--max-shard-size", "16MB"], 3),
]
RESUMED = [["to-nf4"], ["to-gguf", "--type", "q8_0"], ["to-hf"]]


def run(*words):
    return subprocess.run([qconvert, *words, "--quiet"], capture_output=True, text=True)


def write_model(folder, layers, hidden, inner):
    """A model of Llama's kind in bf16, with the tokenizer of a sample."""
    os.mkdir(folder)
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"]:
        shutil.copy(SAMPLE / name, folder)
    config = json.loads((SAMPLE / "config.json").read_text())
    config.update(hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, head_dim=64, num_attention_heads=hidden // 64,
                  num_key_value_heads=hidden // 64)
    Path(folder, "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": [config["vocab_size"], hidden], "lm_head.weight": [config["vocab_size"], hidden],
              "model.norm.weight": [hidden]}
    for number in range(layers):
        layer = f"model.layers.{number}."
        for name in "qkvo":
            shapes[f"{layer}self_attn.{name}_proj.weight"] = [hidden, hidden]
        for name in ["gate", "up"]:
            shapes[f"{layer}mlp.{name}_proj.weight"] = [inner, hidden]
        shapes[f"{layer}mlp.down_proj.weight"] = [hidden, inner]
        for name in ["input", "post_attention"]:
            shapes[f"{layer}{name}_layernorm.weight"] = [hidden]
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = dict(dtype="BF16", shape=shape, data_offsets=[offset, offset + size])
        offset += size
    text = json.dumps(header).encode()
    # bf16 of normal magnitude: the exponent's high byte is 0x3c to 0x3f.
    high = bytes(0x3C | (byte & 0x83) for byte in range(256))
    with open(Path(folder, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for entry in header.values():
            begin, end = entry["data_offsets"]
            values = bytearray(chance.randbytes(end - begin))
            values[1::2] = values[1::2].translate(high)
            file.write(values)
    return folder


def is_killed(line, seconds):
    """Whether the command was still running at some moment of so many seconds, and is dead."""
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0, seconds))
    process.send_signal(signal.SIGKILL)
    status = process.wait()
    assert status in (0, -signal.SIGKILL), f"{' '.join(line)} ended with status {status}"
    return status != 0


def files(path):
    """The files of an output: of a folder those in it, of a GGUF model of several files all of them."""
    path = Path(path)
    return {str(file.relative_to(path)): file for file in path.rglob("*")} if path.is_dir() else {"": path}


def check(one, out, command):
    expected, found = files(one), files(out)
    same = expected.keys() == found.keys() and all(filecmp.cmp(file, found[name], False) for name, file in expected.items())
    assert same, f"{' '.join(command)}: after kills it is not what one run writes"
    folder, name = os.path.split(out)
    left = [entry for entry in os.listdir(folder) if name in entry and ("partial" in entry or "resume" in entry)]
    assert not left, f"{left} are left"


def remove(path):
    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def kill_parts(folder):
    source = write_model(os.path.join(folder, "model"), 2, 1024, 2816)
    counts, joins = collections.Counter(), 0
    while counts["killed"] < options.kills:
        command, count = PARTS[joins % len(PARTS)]
        # Of the same name: files of a split GGUF model have it in theirs.
        one, out = (os.path.join(folder, place, f"model-{joins % len(PARTS)}") for place in ["one", "out"])
        if not os.path.exists(one):
            made = run(*command, source, "-o", one)
            assert made.returncode == 0, made.stderr
        started = time.monotonic()
        assert run(*command, source, "-o", os.path.join(folder, "time"), "--part", f"1/{count}", "--force").returncode == 0
        seconds = time.monotonic() - started
        for number in range(1, count + 1):
            line = [*command, source, "-o", out, "--part", f"{number}/{count}"]
            for _ in range(5):
                counts["killed" if is_killed([qconvert, *line, "--quiet"], 1.2 * seconds) else "ended"] += 1
            made = run(*line)
            assert made.returncode == 0, made.stderr
        parts = [f"{out}.part-{number}-of-{count}" for number in range(1, count + 1)]
        joined = run("join", *parts, "-o", out)
        assert joined.returncode == 0, joined.stderr
        for path in parts:
            os.remove(path)
        check(one, out, command)
        remove(out)
        joins += 1
    print(f"parts: {counts['killed']} kills, {counts['ended']} ended before: {joins} joins, all with the bytes of one run", flush=True)


def kill_resumed(folder):
    source = write_model(os.path.join(folder, "large"), 4, 2048, 8192)
    counts = collections.Counter()
    while counts["killed"] < options.resumes:
        command = RESUMED[counts["outputs"] % len(RESUMED)]
        one, out = (os.path.join(folder, place, "model") for place in ["one", "out"])
        line = [*command, source, "-o", out, "--resume"]
        started = time.monotonic()
        made = run(*command, source, "-o", one)
        assert made.returncode == 0, made.stderr
        seconds = time.monotonic() - started
        # Most runs die early in their work, so that many kills meet one output.
        while not os.path.exists(out):
            counts["killed" if is_killed([qconvert, *line, "--quiet"], 0.8 * seconds) else "ended"] += 1
            if os.path.exists(out) or counts["killed"] % 10:
                continue
            made = run(*line)
            assert made.returncode == 0, made.stderr
        check(one, out, command)
        remove(one)
        remove(out)
        counts["outputs"] += 1
    print(f"resumed: {counts['killed']} kills, {counts['outputs']} outputs, all with the bytes of one run", flush=True)


with tempfile.TemporaryDirectory() as scratch:
    for place in ["one", "out"]:
        os.mkdir(os.path.join(scratch, place))
    kill_parts(scratch)
    kill_resumed(scratch)
