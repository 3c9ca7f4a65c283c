"""Our 4-bit folders and the loaders of engines: what vLLM's plugin for bitsandbytes and SGLang read of them, without a GPU.

    pip install --no-deps vllm-bnb-plugin sglang
    python Tests/Interop/engine_loaders.py --bin .build/release

The functions that turn files into weights and quant states are taken out of the installed packages and run by themselves, on the
CPU; building a model and computing with it needs a GPU, and is not checked here. An engine that is not installed is skipped, with
the reason. Needs torch, safetensors and bitsandbytes. Exit status 1 where a check fails.
"""
import argparse
import ast
import importlib.util
import json
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "Llama": ROOT / "samples/llama-hf",
    "Gemma 3": ROOT / "Tests/Fixtures/transformer/gemma3",
    "Phi-3": ROOT / "Tests/Fixtures/families/phi3",
    "Mixtral": ROOT / "Tests/Fixtures/mixtures/mixtral",
}


def run(folder, tool, *arguments):
    done = subprocess.run([str(Path(folder) / tool), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{tool} {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr}")


def taken(path, owner, names, **context):
    """The functions `names` of the class `owner`, or of the file where it is None, with `context` for what they refer to."""
    tree = ast.parse(Path(path).read_text())
    body = tree.body
    if owner:
        body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner)
    found = [node for node in body if isinstance(node, ast.FunctionDef) and node.name in names]
    assert len(found) == len(names), f"{path} has no {set(names) - {node.name for node in found}}"
    future = ast.ImportFrom(module="__future__", names=[ast.alias(name="annotations")], level=0)
    module = ast.fix_missing_locations(ast.Module(body=[future, *found], type_ignores=[]))
    space = dict(torch=torch, **context)
    exec(compile(module, str(path), "exec"), space)
    return [space[name] for name in names]


def package(name, file):
    spec = importlib.util.find_spec(name)
    return Path(spec.submodule_search_locations[0]) / file if spec and spec.submodule_search_locations else None


def read(folder):
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():
                yield name, file.get_tensor(name)


def loaded(path, folder, gives_three):
    """name -> (tensor, quant state or None), as the engine's generator gives them."""
    import bitsandbytes.functional as functional

    generate, is_state = taken(
        path, "BitsAndBytesModelLoader", ["_quantized_4bit_generator", "_is_4bit_weight_name"],
        current_platform=types.SimpleNamespace(device_type="cpu"))
    loader = types.SimpleNamespace(target_modules=[])
    loader._is_4bit_weight_name = lambda name: is_state(loader, name)
    loader._hf_weight_iter = lambda files, _: ((n, n, t) if gives_three else (n, t) for n, t in read(folder))
    states = {}
    original = functional.QuantState.from_dict
    # SGLang names the GPU outright.
    functional.QuantState.from_dict = classmethod(lambda cls, state, device: original(state, device="cpu"))
    try:
        weights = dict(generate(loader, [], True, states))
    finally:
        functional.QuantState.from_dict = original
    return {name: (tensor, states.get(name)) for name, tensor in weights.items()}


def check(engine, path, skipped, folder, dense, gives_three):
    import bitsandbytes.functional as functional

    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    want, problems, packed = load_file(dense), [], 0
    weights = loaded(path, folder, gives_three)
    if weights.keys() != want.keys():
        problems.append(f"names differ: {sorted(weights.keys() ^ want.keys())[:3]}")
    for name, (tensor, state) in weights.items():
        if state is None:
            if tensor.dtype == torch.uint8:
                problems.append(f"{name} is U8 without a quant state")
            module = name.removesuffix(".weight")
            is_linear = tensor.ndim == 2 and name.endswith("proj.weight")
            if is_linear and not skipped(module, config["llm_int8_skip_modules"] or []):
                problems.append(f"{name} is dense, but would be taken for 4-bit")
            continue
        packed += 1
        values = functional.dequantize_4bit(tensor, state)
        if not torch.equal(values, want[name]):
            problems.append(f"{name}: {(values != want[name]).sum()} values differ")
    if not packed:
        problems.append("no weight is 4-bit")
    print(f"{'FAILED' if problems else 'passed'}  {engine}: {packed} weights of 4 bits, {len(weights) - packed} dense  {problems[:2] or ''}")
    return not problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=".build/release")
    binaries = parser.parse_args().bin
    engines = [
        ("vLLM's plugin", package("vllm_bnb_plugin", "bitsandbytes_loader.py"), package("vllm_bnb_plugin", "quantization/utils.py"), True),
        ("SGLang", package("sglang", "srt/model_loader/loader.py"), package("sglang", "srt/layers/quantization/bitsandbytes.py"), False),
    ]
    good = True
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        for name, source in MODELS.items():
            run(binaries, "qconvert", "to-nf4", source, "-o", work / "m.qnf", "--force", "--quiet")
            run(binaries, "qconvert", "to-hf", work / "m.qnf", "-o", work / name, "--quiet")
            run(binaries, "qconvert", "to-safetensors", work / "m.qnf", "-o", work / f"{name}.safetensors", "--quiet")
            for engine, loader, rules, gives_three in engines:
                if loader is None:
                    print(f"skipped {engine}: not installed")
                    continue
                (skipped,) = taken(rules, None, ["is_layer_skipped_bnb"])
                good &= check(f"{engine}, {name}", loader, skipped, work / name, work / f"{name}.safetensors", gives_three)
    sys.exit(not good)


if __name__ == "__main__":
    main()
