"""What quantizing and merging cost, by the tools alone: bits, KL divergence and perplexity with standard errors, as tables.

    python Tests/Interop/quality.py --bin .build/release [--model FOLDER --text FILE [--adapter FILE] [--calibrate FILE ...]]

Without --model the sample Llama is measured on a half of its held-out text, calibrated on the other, and its adapter merged on records
of its own kind but the hundred that it is measured on. Every form of the model is
made anew in a temporary folder, and read beside the model by `qverify compare`: GGUF types by their own blocks, as llama-quantize makes
them, with rows that are no multiple of a block in the type that takes their place. Bits are those of a weight in the linear layers;
a GGUF file has its embedding in 8 bits or 6, too, where a .qnf keeps it. Exit status 1 where a limit is not kept.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
LINEAR = re.compile(r"(layers|h|blk)\.\d+\..*(proj|attn|c_fc|fc|lin|ffn)[^.]*(\.weight)?$")


def tool(options, name, *arguments):
    run = subprocess.run([Path(options.bin) / name, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode not in (0, 1):
        sys.exit(f"{name} {' '.join(map(str, arguments))}\n{run.stderr}")
    return json.loads(run.stdout) if "--json" in arguments else run.stdout


def bits(options, path):
    """Of a weight in the matrices of the layers."""
    rows = tool(options, "qinspect", "layers", path, "--json")["tensors"]
    rows = [r for r in rows if LINEAR.search(r["name"]) and len(r["shape"]) > 1]
    sizes = [r["bytes"] * 8 / r["bits_per_weight"] for r in rows]
    return sum(r["bytes"] * 8 for r in rows) / sum(sizes)


def compared(options, path, *more):
    limits = ["--context", options.context] if options.context else []
    return tool(options, "qverify", "compare", options.model, path, "--text", options.text, *limits, *more, "--json", "--quiet")["predictions"]


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def quantized(options, folder):
    """A table of forms of the model; returns divergences by their names."""
    text = [word for path in options.calibrate for word in ("--calibrate", path)]
    imatrix = folder / "imatrix.gguf"
    nf4 = {
        "NF4, nearest codes": [],
        "NF4, `--calibrate`, 4,096 tokens": [*text, "--tokens", 4096],
        "NF4, `--calibrate`": [*text, "--write-imatrix", imatrix],
        "NF4, `--imatrix`": ["--imatrix", imatrix],
        "NF4, `--calibrate --budget 4.4`": [*text, "--budget", 4.4],
    }
    types = {
        "Q4_0": ["q4_0"], "Q4_K_M": ["q4_k_m"], "IQ4_XS, imatrix": ["iq4_xs", "--imatrix", imatrix],
        "Q4_K_M, imatrix": ["q4_k_m", "--imatrix", imatrix],
    }
    row("", "bits", "KL divergence", "of NF4's", "perplexity")
    row("---", "---:", "---", "---:", "---")
    found = {}
    for name, arguments in [*nf4.items(), *types.items()]:
        path = folder / ("model.qnf" if name in nf4 else "model.gguf")
        if name in nf4:
            tool(options, "qconvert", "to-nf4", options.model, "-o", path, "--force", "--quiet", *arguments)
        else:
            tool(options, "qconvert", "to-gguf", options.model, "-o", path, "--force", "--quiet", "--type", *arguments)
        result = compared(options, path)
        if not found:
            before = result["perplexity_a"]
            row("before", "", "", "", f"{before['perplexity']:.2f} ± {before['perplexity_error']:.2f}")
        found[name] = result["kl_mean"]
        after = result["perplexity_b"]
        row(
            name, f"{bits(options, path):.2f}", f"{result['kl_mean']:.4f} ± {result['kl_error']:.4f}",
            f"{result['kl_mean'] / found['NF4, nearest codes']:.2f}", f"{after['perplexity']:.2f} ± {after['perplexity_error']:.2f}")
    return found


def merged(options, folder):
    """A table of merges of an adapter at several strengths; returns (effect, least effect, KL by that of not merging) of flips."""
    base = folder / "base.qnf"
    tool(options, "qconvert", "to-nf4", options.model, "-o", base, "--force", "--quiet")
    text = [word for path in options.records or options.calibrate for word in ("--calibrate", path)]
    print()
    row("strength", "D / W", "method", "effect (least)", "KL divergence", "of not merging", "gain kept")
    row("---:", "---:", "---", "---", "---", "---:", "---:")
    found = []
    for strength in options.strengths:
        for method, arguments in (("requantize", []), ("flips", text)):
            path = folder / "merged.qnf"
            document = tool(
                options, "qmerge", base, f"{options.adapter}@{strength}", "-o", path, "--force", "--quiet", "--method", method,
                "--text", options.measured_records or options.text, "--json", *arguments)
            total, told = document["total"], document["predictions"]
            share = told["kl_mean"] / told["kl_mean_without"]
            effect = total.get("activation_survival")
            if effect is not None:
                found.append((effect, total["least_activation_survival"], share))
            kept = told["loss_gain_kept"]
            row(
                strength, f"{100 * total['delta_ratio']:.2f} %", method,
                "" if effect is None else f"{effect:.3f} ({total['least_activation_survival']:.2f})",
                f"{told['kl_mean']:.5f} ± {told['kl_error']:.5f}", f"{share:.2f}", "" if kept is None else f"{kept:.2f}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the tools")
    parser.add_argument("--model", help="unquantized model (default: the sample Llama)")
    parser.add_argument("--text", help="text to measure on, of which nothing is in the one for calibration")
    parser.add_argument("--calibrate", action="append", help="text to calibrate on (default: default)")
    parser.add_argument("--context", type=int, help="tokens of a window (default: the model's)")
    parser.add_argument("--adapter", help="adapter to merge")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.2, 0.05, 0.02], help="weights of the adapter")
    options = parser.parse_args()
    options.records = options.measured_records = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.model is None and options.adapter is None:
            records = json.loads((SAMPLES / "instructions.json").read_text())
            options.measured_records, kept = folder / "measured.json", folder / "records.json"
            options.measured_records.write_text(json.dumps(records[-100:]))
            kept.write_text(json.dumps(records[:-100]))
            options.records = [kept, "default"]
        if options.model is None:
            halves = (SAMPLES / "text" / "heldout.txt").read_text()
            (folder / "some.txt").write_text(halves[:20000])
            (folder / "other.txt").write_text(halves[20000:])
            options.model, options.text = SAMPLES / "llama-hf", options.text or folder / "other.txt"
            options.calibrate = options.calibrate or [folder / "some.txt"]
            options.adapter = options.adapter or SAMPLES / "adapters" / "llama-instructions"
        if options.text is None:
            parser.error("--text is needed with --model")
        options.calibrate = options.calibrate or ["default"]
        divergences = quantized(options, folder)
        plain = divergences["NF4, nearest codes"]
        failures = [
            f"{name}: {divergences[name] / plain:.2f} of the nearest codes' divergence, more than {limit}"
            for name, limit in (("NF4, `--calibrate`", options_limit(options)), ("NF4, `--calibrate`, 4,096 tokens", options_limit(options)))
            if divergences[name] > limit * plain
        ]
        if options.adapter:
            for effect, least, share in merged(options, folder):
                failures += [f"flips: {effect:.3f} of the effect at the mean"] * (effect < 0.95)
                failures += [f"flips: {least:.3f} of the effect in one weight"] * (least < 0.8)
                failures += [f"flips: {share:.2f} of the divergence of not merging"] * (share > 0.15)
    for failure in failures:
        print(f"NOT OK: {failure}")
    return 1 if failures else 0


def options_limit(options):
    """Of the sample, whose layers have 128 inputs, less can be won."""
    return 0.65 if str(options.model).startswith(str(SAMPLES)) else 0.5


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    sys.exit(main())
