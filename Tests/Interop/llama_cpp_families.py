"""Tiny models of many families, of transformers and here and in llama.cpp: logits, tensors and keys of GGUF files, both ways.

    python Tests/Interop/llama_cpp_families.py --bin .build/release [--converter llama.cpp/convert_hf_to_gguf.py] [NAME ...]

Every model is made by transformers from a config.json of the fixtures, with random weights. Its GGUF file in F32 has to give transformers'
logits in llama.cpp, and the folder that is made of that file the same tensors and the same logits in transformers. With a converter, its
file has to have the same tensors; keys that differ are printed. Needs numpy, torch, transformers and llama-cpp-python, and is skipped,
with the reason, where one is not installed. Exit status 1 where a check fails.
"""
import argparse
import ctypes
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests/Fixtures"
LENGTH = 40
# What llama.cpp's GELU, a table of halves, is off by; and a tanh from the function itself.
EXACT, TABLE = 2e-5, 4e-3
# Where weights are blocks, llama.cpp rounds what they are multiplied by to 8 bits: .02 in the mean here.
BLOCKS = 4e-1
GPT_OSS = {"swiglu_limit": 7.0, "rope_parameters": {"rope_theta": 150000.0, "rope_type": "default"}}

# Members of config.json that differ from the fixture's, and the tolerance.
CASES = {
    "arcee": ({"mlp_bias": False}, EXACT),
    "bloom": ({}, TABLE),
    "cohere-biased": ({"attention_bias": False}, EXACT),
    "cohere2": ({}, EXACT),
    "exaone4-full": ({}, EXACT),
    "falcon": ({}, TABLE),
    "falcon-groups": ({}, TABLE),
    "glm": ({"head_dim": 8}, EXACT),
    "glm4": ({}, EXACT),
    "gpt_neox": ({}, TABLE),
    "granite": ({}, EXACT),
    "llama-yarn": ({}, EXACT),
    "ministral3": ({"sliding_window": None}, EXACT),
    "nemotron": ({}, EXACT),
    "olmo": ({}, EXACT),
    "olmo2": ({"attention_bias": False}, EXACT),
    "olmo3": ({"rope_parameters": {
        "full_attention": {"factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 500000.0, "rope_type": "yarn"},
        "sliding_attention": {"rope_theta": 500000.0, "rope_type": "default"}}}, EXACT),
    "phi": ({}, TABLE),
    "phi3": ({"sliding_window": None, "max_position_embeddings": 64, "original_max_position_embeddings": 16}, EXACT),
    "seed_oss": ({}, EXACT),
    "smollm3": ({"no_rope_layers": None, "no_rope_layer_interval": 4}, EXACT),
    "stablelm": ({}, EXACT),
    "stablelm-norms": ({}, EXACT),
    "stablelm-parallel": ({}, EXACT),
    "starcoder2": ({"sliding_window": None}, TABLE),
    "olmoe": ({"clip_qkv": None, "num_key_value_heads": 4}, EXACT),
    "granitemoe": ({}, EXACT),
    "gpt_oss": (GPT_OSS, EXACT),
    "gpt_oss-mxfp4": (GPT_OSS, BLOCKS),
    "llama4": ({"attention_chunk_size": 8192, "attn_scale": 0.1, "floor_scale": 8192}, EXACT),
    "qwen2_moe": ({"decoder_sparse_step": 1, "mlp_only_layers": [], "use_sliding_window": False, "layer_types": None}, EXACT),
}


class Failed(Exception):
    pass


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout


def config_of(name):
    path = next(path for kind in ("families", "mixtures") if (path := FIXTURES / kind / name / "config.json").exists())
    return json.loads(path.read_text())


def make(name, changes, folder):
    """The model in a folder, and its tensors, ids and logits."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = FIXTURES / "gguf/tokenizers" / ("llama-spm" if name.startswith("phi3") else "gpt2")
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text())
    rows = len(vocabulary["model"]["vocab"]) + (1 if name.startswith("phi3") else 0)
    config = config_of(name) | changes | {"vocab_size": rows}
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        config[key] = 0
    model_type, quantization = config.pop("model_type"), config.pop("quantization_config", None)
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **config), attn_implementation="eager")
    with torch.no_grad():
        for key, value in model.named_parameters():
            value.copy_(torch.randn_like(value) * (0.3 if "norm" in key or key.endswith("bias") else 0.2))
            if "norm" in key and key.endswith("weight") and model_type not in ("nemotron",):
                value.add_(1)
    model.eval().save_pretrained(folder)
    if quantization:
        store_blocks(model, folder, quantization)
        stored = {key: value.detach() for key, value in model.state_dict().items()}
    else:
        stored = load_file(folder / "model.safetensors")
    for file in tokenizer.iterdir():
        shutil.copy(file, folder)
    if name.startswith("phi3"):
        # llama.cpp looks for it in every Phi-3.
        added = {"id": rows - 1, "content": "<|endoftext|>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                 "special": True}
        vocabulary["added_tokens"].append(added)
        (folder / "tokenizer.json").write_text(json.dumps(vocabulary))
    ids = torch.randint(1, rows, (1, LENGTH), generator=torch.Generator().manual_seed(2))
    return stored, ids, logits_of(model, ids)


def store_blocks(model, folder, quantization):
    """Gives the experts weights that are MXFP4, and stores them so."""
    import torch
    from safetensors.torch import load_file, save_file

    steps = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    values = torch.cat([steps, -steps])
    tensors = load_file(folder / "model.safetensors")
    for key, weight in model.named_parameters():
        if not key.endswith(("gate_up_proj", "down_proj")):
            continue
        experts, inputs, outputs = weight.shape
        blocks = torch.randint(0, 256, (experts, outputs, inputs // 32, 16), dtype=torch.uint8)
        scales = torch.randint(122, 126, (experts, outputs, inputs // 32), dtype=torch.uint8)
        codes = torch.stack([blocks & 15, blocks >> 4], -1).flatten(-2)
        decoded = values[codes.long()] * torch.exp2(scales.float() - 127)[..., None]
        with torch.no_grad():
            weight.copy_(decoded.reshape(experts, outputs, inputs).transpose(1, 2))
        del tensors[key]
        tensors[key + "_blocks"], tensors[key + "_scales"] = blocks, scales
    save_file(tensors, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantization}))


def logits_of(model, ids):
    import torch

    with torch.no_grad():
        return model(ids).logits[0].double().numpy()


def llama_logits(path, ids):
    import llama_cpp
    import numpy as np

    # Keys and values in single precision, as here.
    llama = llama_cpp.Llama(
        str(path), n_ctx=64, n_batch=64, n_ubatch=64, logits_all=True, verbose=False, n_threads=1, type_k=llama_cpp.GGML_TYPE_F32,
        type_v=llama_cpp.GGML_TYPE_F32)
    llama.eval(ids[0].tolist())
    return np.array(llama.scores[:ids.shape[1]], np.float64)


def compare(what, own, expected, tolerance):
    import numpy as np

    difference = np.abs(own - expected).max() / expected.std()
    print(f"        {what}: {difference:.2e}")
    if not difference < tolerance:
        raise Failed(f"{what} differ by {difference:.2e}")


def contents(path):
    import gguf

    reader = gguf.GGUFReader(path)
    keys = {name: (field.types[0].name, field.contents()) for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    return keys, {tensor.name: tensor for tensor in reader.tensors}


def check_converter(converter, source, own, work):
    """The same tensors; keys that are of the model, and differ, are printed."""
    import numpy as np

    theirs = work / "theirs.gguf"
    run(sys.executable, converter, source, "--outfile", theirs, "--outtype", "f32")
    (keys, tensors), (their_keys, their_tensors) = contents(own), contents(theirs)
    for key in sorted(set(keys) | set(their_keys)):
        if key.startswith("tokenizer.") or key in ("general.name", "general.basename", "general.finetune"):
            continue
        if keys.get(key) != their_keys.get(key):
            print(f"        key {key}: {keys.get(key)} here, {their_keys.get(key)} by the converter")
    if set(tensors) != set(their_tensors):
        raise Failed(f"tensors differ from the converter's: {sorted(set(tensors) ^ set(their_tensors))}")
    for name, tensor in tensors.items():
        other = their_tensors[name]
        if tensor.shape.tolist() != other.shape.tolist():
            print(f"        tensor {name}: {tensor.shape.tolist()} here, {other.shape.tolist()} by the converter")
        if tensor.tensor_type != other.tensor_type or not np.array_equal(tensor.data.flatten(), other.data.flatten()):
            raise Failed(f"'{name}' is not what the converter writes")


def check_blocks(path, stored):
    """Experts are MXFP4, and decoded by gguf-py what they were."""
    import gguf
    import numpy as np

    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for key, weight in stored.items():
        if not key.endswith(("gate_up_proj", "down_proj")):
            continue
        rows, layer = weight.numpy().transpose(0, 2, 1), key.split(".")[2]
        parts = {"gate": rows[:, ::2], "up": rows[:, 1::2]} if key.endswith("gate_up_proj") else {"down": rows}
        for part, expected in parts.items():
            tensor = tensors[f"blk.{layer}.ffn_{part}_exps.weight"]
            if tensor.tensor_type.name != "MXFP4" or not np.array_equal(gguf.quants.dequantize(tensor.data, tensor.tensor_type), expected):
                raise Failed(f"'{tensor.name}' is not what the experts were")


def check(name, changes, tolerance, folder, converter, work):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    source, file, back = work / "source", work / "own.gguf", work / "back"
    stored, ids, expected = make(name, changes, source)
    run(Path(folder) / "qconvert", "to-gguf", source, "-o", file, "--type", "f32", "--quiet")
    if name.endswith("-mxfp4"):
        check_blocks(file, stored)
    compare("logits in llama.cpp", llama_logits(file, ids), expected, tolerance)
    run(Path(folder) / "qconvert", "to-hf", file, "-o", back, "--dtype", "f32", "--quiet")
    read = load_file(back / "model.safetensors")
    if set(stored) != set(read):
        raise Failed(f"the tensors that come back are others: {sorted(set(stored) ^ set(read))}")
    for key, value in stored.items():
        limit = 1e-6 if name == "nemotron" and "norm" in key else 0
        if value.shape != read[key].shape or (value.float() - read[key].float()).abs().max() > limit:
            raise Failed(f"'{key}' comes back otherwise")
    model = AutoModelForCausalLM.from_pretrained(back, attn_implementation="eager", dtype=torch.float32).eval()
    compare("logits of the folder that is made of the file", logits_of(model, ids), expected, 1e-5)
    if converter:
        check_converter(converter, source, file, work)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=".build/release")
    parser.add_argument("--converter")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    for name in ("numpy", "torch", "transformers", "llama_cpp", "gguf"):
        if importlib.util.find_spec(name) is None:
            print(f"skipped: {name} is not installed")
            return 0
    import llama_cpp
    import transformers

    transformers.logging.set_verbosity_error()
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    failed = 0
    for name in options.names or CASES:
        with tempfile.TemporaryDirectory() as work:
            try:
                check(name, *CASES[name], options.bin, options.converter, Path(work))
                print(f"passed  {name}", flush=True)
            except Exception as failure:
                failed += 1
                print(f"FAILED  {name}: {type(failure).__name__}: {failure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
