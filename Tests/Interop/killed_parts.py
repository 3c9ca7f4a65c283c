#!/usr/bin/env python3
"""Kills conversions at random moments, makes the parts again, joins, and compares with a run that nobody killed.

    python3 Tests/Interop/killed_parts.py --bin .build/release [--kills 200] [--seed 1]
"""

import argparse
import filecmp
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--bin", required=True)
parser.add_argument("--kills", type=int, default=200)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()
chance = random.Random(options.seed)
qconvert = os.path.join(os.path.abspath(options.bin), "qconvert")


def run(*words):
    return subprocess.run([qconvert, *words, "--quiet"], capture_output=True, text=True)


def write_model(path):
    """Some 48 MB of bf16 in tensors of several sizes."""
    header, data = [], []
    offset = 0
    for number in range(24):
        rows, columns = chance.choice([(512, 512), (1024, 1024), (256, 4096)])
        size = rows * columns * 2
        header.append(
            f'"model.layers.{number}.mlp.up_proj.weight":{{"dtype":"BF16","shape":[{rows},{columns}],'
            f'"data_offsets":[{offset},{offset + size}]}}')
        # bf16 of normal magnitude: the exponent's high byte is 0x3c to 0x3f.
        values = bytearray(chance.randbytes(size))
        values[1::2] = bytes(0x3C | (byte & 0x83) for byte in values[1::2])
        data.append(values)
        offset += size
    text = ("{" + ",".join(header) + "}").encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in data:
            file.write(values)


def main():
    jobs = [(["to-nf4"], 5), (["to-safetensors", "--dtype", "f16"], 3), (["to-hf", "--max-shard-size", "8MB"], 4)]
    kills = ended = joins = 0
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "model.safetensors")
        write_model(source)
        while kills < options.kills:
            command, count = jobs[joins % len(jobs)]
            one, out = os.path.join(folder, f"one-{command[0]}"), os.path.join(folder, f"out-{joins}")
            if not os.path.exists(one):
                assert run(*command, source, "-o", one).returncode == 0
            started = time.monotonic()
            assert run(*command, source, "-o", os.path.join(folder, "time"), "--part", f"1/{count}", "--force").returncode == 0
            seconds = time.monotonic() - started
            for number in range(1, count + 1):
                line = [qconvert, *command, source, "-o", out, "--part", f"{number}/{count}", "--quiet"]
                for _ in range(5):
                    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    time.sleep(chance.uniform(0, 1.2 * seconds))
                    process.send_signal(signal.SIGKILL)
                    killed = process.wait() == -signal.SIGKILL
                    kills += killed
                    ended += not killed
                made = run(*line[1:-1])
                assert made.returncode == 0, made.stderr
            parts = [f"{out}.part-{number}-of-{count}" for number in range(1, count + 1)]
            joined = run("join", *parts, "-o", out)
            assert joined.returncode == 0, joined.stderr
            if os.path.isdir(one):
                names = sorted(os.listdir(one))
                same = names == sorted(os.listdir(out)) and filecmp.cmpfiles(one, out, names, False)[0] == names
            else:
                same = filecmp.cmp(one, out, False)
            assert same, f"{' '.join(command)}: joined after kills it is not what one run writes"
            left = [name for name in os.listdir(folder) if "partial" in name and f"out-{joins}" in name]
            assert not left, f"{left} are left"
            joins += 1
    print(f"{kills} kills, {ended} ended before: {joins} joins, all with the bytes of one run")


main()
