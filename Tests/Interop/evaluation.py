"""`qverify perplexity` and `qverify compare` against transformers, on the samples.

    python Tests/Interop/evaluation.py --bin .build/release

Needs torch, transformers, bitsandbytes and tokenizers. Both sides read the same windows; transformers computes in float32,
and everything after its logits is float64. Exit status 1 where a number differs by more than float32 explains.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
sys.path.insert(0, str(SAMPLES / "scripts"))
TEXT = SAMPLES / "text" / "heldout.txt"
CONTEXT = 256


def windows(ids, stride):
    """Begin, end and the first predicted token of each window."""
    done = begin = 0
    while done < len(ids):
        end = min(begin + CONTEXT, len(ids))
        first = max(done, begin + 1)
        if first < end:
            yield begin, end, first
        done, begin = end, begin + stride


def measured(first, second, ids, stride):
    import torch

    losses = ([], [])
    divergences, same = [], 0
    with torch.no_grad():
        for begin, end, start in windows(ids, stride):
            batch = torch.tensor([ids[begin:end]])
            rows = slice(start - begin - 1, end - begin - 1)
            logs = [model(input_ids=batch, use_cache=False).logits[0, rows].double().log_softmax(-1) for model in (first, second)]
            targets = batch[0, start - begin :, None]
            for kept, log in zip(losses, logs):
                kept += (-log.gather(1, targets)[:, 0]).tolist()
            divergences += (logs[0].exp() * (logs[0] - logs[1])).sum(-1).tolist()
            same += (logs[0].argmax(-1) == logs[1].argmax(-1)).sum().item()
    return losses, sorted(divergences), same / len(divergences)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="folder of the tools")
    options = parser.parse_args()
    try:
        import torch
        from measure import load_hugging_face
        from tokenizers import Tokenizer
    except ImportError as error:
        print(f"skipped: {error}")
        return 0
    torch.set_num_threads(1)
    folders = [SAMPLES / "llama-hf", SAMPLES / "llama-bnb4"]
    models = [load_hugging_face(str(folder)).eval() for folder in folders]
    ids = Tokenizer.from_file(str(folders[0] / "tokenizer.json")).encode(TEXT.read_text(encoding="utf-8")).ids
    failed = 0
    for stride in [256, 96]:
        losses, divergences, same = measured(*models, ids, stride)
        command = [f"{options.bin}/qverify", "compare", *map(str, folders), "--text", str(TEXT), "--stride", str(stride), "--json"]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["predictions"]
        count = len(divergences)
        expected = {
            "tokens": (ours["text"]["predicted_tokens"], count),
            "loss of A": (ours["perplexity_a"]["loss"], sum(losses[0]) / count),
            "loss of B": (ours["perplexity_b"]["loss"], sum(losses[1]) / count),
            "KL": (ours["kl_mean"], sum(divergences) / count),
            "KL, 99%": (ours["kl_percentiles"]["99"], divergences[math.ceil(0.99 * count) - 1]),
            "KL, largest": (ours["kl_percentiles"]["100"], divergences[-1]),
            "same token": (ours["same_top"], same),
        }
        for name, (own, other) in expected.items():
            # One token of ten thousand may have two that are equally likely.
            close = math.isclose(own, other, rel_tol=2e-4 if name == "same token" else 1e-4)
            failed += not close
            print(f"{'ok  ' if close else 'FAIL'} stride {stride}, {name}: {own:.7g}, transformers {other:.7g}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
