"""Writes a random checkpoint with the shape of a well-known model, to measure speed and memory on.

The result is a Hugging Face folder (config.json, safetensors shards with their index, or one file) in bfloat16
without a tokenizer. Values are Gaussian with the spread such models have, and depend only on the seed and the
tensor's name, not on the sharding. Only a chunk of one tensor is in memory at a time (about 100 MB resident with
numpy, whatever the model). Needs nothing but numpy.

    python make_shaped_checkpoint.py --list
    python make_shaped_checkpoint.py tinyllama-1.1b --out /tmp/tinyllama --shard-size 1GB
"""
import argparse
import json
import os
import re
import struct
import zlib

import numpy as np

CHUNK = 4 << 20                 # elements
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def llama(vocabulary, hidden, inner, layers, heads, kv_heads, context, family="llama", **extra):
    """config.json of a model of the Llama family."""
    return {"architectures": [{"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM",
                               "qwen2": "Qwen2ForCausalLM"}[family]],
            "model_type": family, "vocab_size": vocabulary, "hidden_size": hidden, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "max_position_embeddings": context, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False, "use_cache": True,
            "torch_dtype": "bfloat16", **extra}


def gpt2(width, layers, heads):
    """config.json of a GPT-2; all sizes share vocabulary and context."""
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024,
            "n_ctx": 1024, "n_embd": width, "n_layer": layers, "n_head": heads, "n_inner": None,
            "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "bos_token_id": 50256,
            "eos_token_id": 50256, "tie_word_embeddings": True, "use_cache": True, "torch_dtype": "bfloat16"}


SHAPES = {
    "gpt2-124m": gpt2(768, 12, 12), "gpt2-355m": gpt2(1024, 24, 16), "gpt2-774m": gpt2(1280, 36, 20),
    "gpt2-1558m": gpt2(1600, 48, 25),
    "tinyllama-1.1b": llama(32000, 2048, 5632, 22, 32, 4, 2048),
    "llama-2-7b": llama(32000, 4096, 11008, 32, 32, 32, 4096),
    "llama-3-8b": llama(128256, 4096, 14336, 32, 32, 8, 8192, rope_theta=500000.0, bos_token_id=128000,
                        eos_token_id=128001),
    "llama-3.2-1b": llama(128256, 2048, 8192, 16, 32, 8, 131072, rope_theta=500000.0, bos_token_id=128000,
                          eos_token_id=128001, tie_word_embeddings=True, head_dim=64,
                          rope_scaling={"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                                        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    "mistral-7b": llama(32000, 4096, 14336, 32, 32, 8, 32768, "mistral", sliding_window=4096),
    "qwen2.5-0.5b": llama(151936, 896, 4864, 24, 14, 2, 32768, "qwen2", rope_theta=1000000.0, rms_norm_eps=1e-6,
                          bos_token_id=151643, eos_token_id=151643, tie_word_embeddings=True),
}


def llama_tensors(config):
    """(name, shape) of every tensor, in the order of the layers."""
    width, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    head = config.get("head_dim", width // config["num_attention_heads"])
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", (vocabulary, width)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, rows in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield f"{prefix}self_attn.{name}.weight", (rows, width)
            if config["model_type"] == "qwen2":
                yield f"{prefix}self_attn.{name}.bias", (rows,)
        yield f"{prefix}self_attn.o_proj.weight", (width, queries)
        yield f"{prefix}mlp.gate_proj.weight", (inner, width)
        yield f"{prefix}mlp.up_proj.weight", (inner, width)
        yield f"{prefix}mlp.down_proj.weight", (width, inner)
        yield f"{prefix}input_layernorm.weight", (width,)
        yield f"{prefix}post_attention_layernorm.weight", (width,)
    yield "model.norm.weight", (width,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (vocabulary, width)


def gpt2_tensors(config):
    """(name, shape) of every tensor; GPT-2's matrices are [in, out]."""
    width = config["n_embd"]
    yield "transformer.wte.weight", (config["vocab_size"], width)
    yield "transformer.wpe.weight", (config["n_positions"], width)
    for layer in range(config["n_layer"]):
        prefix = f"transformer.h.{layer}."
        for name, shape in (("ln_1", (width,)), ("attn.c_attn", (width, 3 * width)), ("attn.c_proj", (width, width)),
                            ("ln_2", (width,)), ("mlp.c_fc", (width, 4 * width)), ("mlp.c_proj", (4 * width, width))):
            yield f"{prefix}{name}.weight", shape
            yield f"{prefix}{name}.bias", shape[-1:]
    yield "transformer.ln_f.weight", (width,)
    yield "transformer.ln_f.bias", (width,)


def tensors_of(config):
    return list(gpt2_tensors(config) if config["model_type"] == "gpt2" else llama_tensors(config))


def byte_count(shape):
    return 2 * int(np.prod(shape))


def bfloat16_chunks(name, shape, seed):
    """The tensor's values as uint16 chunks: norms near 1, biases near 0, matrices with a spread of 0.02."""
    norm = len(shape) == 1 and name.endswith("weight")
    generator = np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())]))
    left = int(np.prod(shape))
    while left:
        count = min(left, CHUNK)
        values = generator.standard_normal(count, dtype=np.float32)
        values *= np.float32(0.1 if norm else 0.02)
        if norm:
            values += np.float32(1)
        bits = values.view(np.uint32)
        bits += np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))      # to nearest, ties to even
        bits >>= np.uint32(16)
        yield bits.astype("<u2")
        left -= count


def write_shard(path, tensors, seed):
    """One safetensors file: header length, JSON padded with spaces to 8 bytes, data in the order given."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        end = offset + byte_count(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".partial", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            for chunk in bfloat16_chunks(name, shape, seed):
                file.write(chunk)
    os.replace(path + ".partial", path)


def shards_of(tensors, limit):
    """Tensors in order, cut before the one that would pass the limit; a bigger tensor gets a shard of its own."""
    shards, filled = [[]], 0
    for name, shape in tensors:
        size = byte_count(shape)
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append((name, shape))
        filled += size
    return shards


def write_checkpoint(config, folder, limit, seed):
    os.makedirs(folder, exist_ok=True)
    if os.listdir(folder):
        raise SystemExit(f"{folder} is not empty; shards of two checkpoints must not mix")
    tensors = tensors_of(config)
    shards = shards_of(tensors, limit)
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_shard(os.path.join(folder, name), shard, seed)
        weight_map.update((tensor, name) for tensor, _ in shard)
        print(f"{name}: {len(shard)} tensors, {sum(byte_count(shape) for _, shape in shard)} bytes", flush=True)
    if len(shards) > 1:
        index = {"metadata": {"total_size": sum(byte_count(shape) for _, shape in tensors)}, "weight_map": weight_map}
        write_json(os.path.join(folder, "model.safetensors.index.json"), index)
    write_json(os.path.join(folder, "config.json"), config)


def write_json(path, value):
    with open(path, "w", encoding="ascii") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def parse_size(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?B)?", text.upper())
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size such as 5GB or 512MiB")
    return int(float(match[1]) * UNITS.get(match[2], 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", nargs="?", choices=sorted(SHAPES))
    parser.add_argument("--out", help="folder to write")
    parser.add_argument("--shard-size", type=parse_size, default="5GB", help="(default: %(default)s; 0: one file)")
    parser.add_argument("--layers", type=int, help="only so many layers instead of all")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="list the shapes with parameters and bytes")
    options = parser.parse_args()
    if options.list:
        for name, config in SHAPES.items():
            size = sum(byte_count(shape) for _, shape in tensors_of(config))
            print(f"{name:15s} {size // 2:13,d} parameters {size:14,d} bytes")
        return
    if not options.shape or not options.out:
        parser.error("a shape and --out are needed")
    config = dict(SHAPES[options.shape])
    if options.layers is not None:
        if options.layers < 1:
            parser.error("--layers must be at least 1")
        config["n_layer" if config["model_type"] == "gpt2" else "num_hidden_layers"] = options.layers
    write_checkpoint(config, options.out, options.shard_size or float("inf"), options.seed)


if __name__ == "__main__":
    main()
