"""Times llama.cpp on models of given shapes with random weights: what our own figures stand beside.

    python llama_cpp_bench.py [--shape tinyllama ...] [--type Q4_0 IQ4_NL ...] [--threads 2] [--json]

Needs the packages llama-cpp-python and gguf. Models are written to a temporary folder and removed. As its own quantizer
does, 4-bit models get an output head of type Q6_K; blocks are random bytes with plausible scales, since only time counts.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import gguf
import llama_cpp
import numpy as np

SHAPES = {
    "tinyllama": dict(arch="llama", width=2048, inner=5632, layers=22, heads=32, kv_heads=4, vocab=32000),
    "mistral-7b": dict(arch="llama", width=4096, inner=14336, layers=32, heads=32, kv_heads=8, vocab=32000),
    "gpt2-124m": dict(arch="gpt2", width=768, inner=3072, layers=12, heads=12, kv_heads=12, vocab=50257),
    "gpt2-355m": dict(arch="gpt2", width=1024, inner=4096, layers=24, heads=16, kv_heads=16, vocab=50257),
}
# Elements and bytes of a block, and where its float16 scales are.
BLOCKS = {"Q4_0": (32, 18, [0]), "IQ4_NL": (32, 18, [0]), "Q8_0": (32, 34, [0]), "Q6_K": (256, 210, [208]), "F16": (1, 2, [0])}
HEAD_TYPES = {"Q4_0": "Q6_K", "IQ4_NL": "Q6_K"}


def random_blocks(random, type_name, rows, columns):
    elements, byte_count, scale_places = BLOCKS[type_name]
    if type_name == "F16":
        return (random.standard_normal((rows, columns), dtype=np.float32) * 0.02).astype(np.float16)
    data = random.integers(0, 256, (rows, columns // elements, byte_count), dtype=np.uint8)
    for place in scale_places:
        # About 0.002: 4-bit codes times this are weights of ordinary size.
        data[:, :, place : place + 2] = np.frombuffer(np.float16(0.002).tobytes(), np.uint8)
    return data.reshape(rows, -1)


class ModelWriter:
    def __init__(self, path, shape, type_name):
        self.random = np.random.default_rng(1)
        self.shape, self.type_name = shape, type_name
        self.writer = gguf.GGUFWriter(path, shape["arch"])

    def matrix(self, name, rows, columns, type_name=None):
        type_name = type_name or self.type_name
        # Rows that are no whole number of blocks fall back as in llama.cpp's quantizer.
        if columns % BLOCKS[type_name][0]:
            type_name = "Q8_0"
        data = random_blocks(self.random, type_name, rows, columns)
        self.writer.add_tensor(name + ".weight", data, raw_dtype=gguf.GGMLQuantizationType[type_name])

    def vector(self, name, count, value=1.0):
        self.writer.add_tensor(name, np.full(count, value, np.float32))

    def norm(self, name):
        self.vector(name + ".weight", self.shape["width"])
        if self.shape["arch"] == "gpt2":
            self.vector(name + ".bias", self.shape["width"], 0.0)

    def write(self):
        s, w = self.shape, self.writer
        w.add_context_length(2048)
        w.add_embedding_length(s["width"])
        w.add_block_count(s["layers"])
        w.add_feed_forward_length(s["inner"])
        w.add_head_count(s["heads"])
        w.add_head_count_kv(s["kv_heads"])
        w.add_vocab_size(s["vocab"])
        w.add_tokenizer_model("none")
        head_type = HEAD_TYPES.get(self.type_name, self.type_name)
        self.matrix("token_embd", s["vocab"], s["width"])
        self.matrix("output", s["vocab"], s["width"], head_type)
        self.norm("output_norm")
        if s["arch"] == "gpt2":
            w.add_layer_norm_eps(1e-5)
            self.writer.add_tensor("position_embd.weight", np.zeros((2048, s["width"]), np.float32))
        else:
            w.add_layer_norm_rms_eps(1e-5)
            w.add_rope_dimension_count(s["width"] // s["heads"])
        for layer in range(s["layers"]):
            self.layer(f"blk.{layer}.")
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()

    def layer(self, prefix):
        s = self.shape
        width, kv = s["width"], s["width"] // s["heads"] * s["kv_heads"]
        self.norm(prefix + "attn_norm")
        self.norm(prefix + "ffn_norm")
        if s["arch"] == "gpt2":
            sizes = {"attn_qkv": (3 * width, width), "attn_output": (width, width),
                     "ffn_up": (s["inner"], width), "ffn_down": (width, s["inner"])}
        else:
            sizes = {"attn_q": (width, width), "attn_k": (kv, width), "attn_v": (kv, width), "attn_output": (width, width),
                     "ffn_gate": (s["inner"], width), "ffn_up": (s["inner"], width), "ffn_down": (width, s["inner"])}
        for name, (rows, columns) in sizes.items():
            self.matrix(prefix + name, rows, columns)
            if s["arch"] == "gpt2":
                self.vector(prefix + name + ".bias", rows, 0.0)


class Model:
    def __init__(self, path, threads, prompt_length):
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp does not open {path}")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = 1024, prompt_length, prompt_length
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)

    def seconds(self, tokens):
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        start = time.perf_counter()
        if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(array, len(tokens))):
            sys.exit("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - start

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def close(self):
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)


def measure(shape_name, type_name, threads, folder):
    shape = SHAPES[shape_name]
    path = os.path.join(folder, f"{shape_name}-{type_name}.gguf")
    ModelWriter(path, shape, type_name).write()
    model = Model(path, threads, 512)
    prompt = [(7919 * i) % shape["vocab"] for i in range(512)]
    prefill = []
    for _ in range(4):
        model.clear()
        prefill.append(model.seconds(prompt))
    model.clear()
    model.seconds(prompt[:16])
    decode = [model.seconds([(104729 * i) % shape["vocab"]]) for i in range(64)]
    model.close()
    byte_count = os.path.getsize(path)
    os.remove(path)
    return {"shape": shape_name, "type": type_name, "threads": threads, "bytes": byte_count,
            "decode": 1 / statistics.median(decode), "prefill": 512 / statistics.median(prefill[1:])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["tinyllama", "gpt2-355m", "gpt2-124m"])
    parser.add_argument("--type", nargs="+", choices=["Q4_0", "IQ4_NL", "Q8_0", "F16"], default=["Q4_0", "IQ4_NL"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, None)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in options.shape:
            for type_name in options.type:
                results.append(measure(shape, type_name, options.threads, folder))
                if not options.json:
                    r = results[-1]
                    print(f"{shape} {type_name}: decode {r['decode']:.1f} tokens/s, prefill of 512 {r['prefill']:.1f} tokens/s, "
                          f"{r['bytes'] / 1e6:.0f} MB, {threads_text(r['threads'])}", flush=True)
    if options.json:
        print(json.dumps({"schema": 1, "results": results}, indent=2))


def threads_text(count):
    return "1 thread" if count == 1 else f"{count} threads"


if __name__ == "__main__":
    main()
