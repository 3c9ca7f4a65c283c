"""Times llama.cpp on a GGUF file: what our own figures stand beside.

    python llama_cpp_bench.py MODEL.gguf [--threads 2] [--read 512] [--depth 16] [--write 64] [--json]

Needs the package llama-cpp-python. `--read` tokens are read at once, the second time counts; `--write` tokens are written one by one behind
`--depth` others, the median of a token's time counts. Attention is flash attention, where llama.cpp would choose it.
"""

import argparse
import json
import statistics
import sys
import time

import llama_cpp


class Model:
    def __init__(self, path, threads, length, batch):
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp does not open {path}")
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = length, batch, min(batch, 512)
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


def measure(options):
    longest = max(options.read, options.depth)
    model = Model(options.model, options.threads, longest + options.write + 64, longest)
    prompt = [(7919 * i) % model.vocabulary for i in range(longest)]
    # The first touches every weight. Of a long text a short one does.
    model.seconds(prompt[: min(options.read, 512)])
    model.clear()
    read = options.read / model.seconds(prompt[: options.read])
    if options.depth != options.read:
        model.clear()
        model.seconds(prompt[: options.depth])
    written = [model.seconds([(104729 * i) % model.vocabulary]) for i in range(options.write)]
    return {"schema": 1, "threads": options.threads, "read_per_second": read, "written_per_second": 1 / statistics.median(written)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--read", type=int, default=512)
    parser.add_argument("--depth", type=int, default=16)
    parser.add_argument("--write", type=int, default=64)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a line")
    options = parser.parse_args()
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, None)
    result = measure(options)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print(f"{result['written_per_second']:.1f} tokens/s written behind {options.depth}, {options.read} read at {result['read_per_second']:.1f}")


if __name__ == "__main__":
    main()
