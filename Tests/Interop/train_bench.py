"""Times LoRA steps of PyTorch, PEFT and bitsandbytes beside those of qtrain, on the same 4-bit model and batches.

    python3 train_bench.py --bin .build/release MODEL.qnf [--rounds 3] [--batch 4 --length 256] [--full MODEL_FOLDER]

Rank 16 on every linear layer, f32 arithmetic, AdamW, no dropout, no checkpointing. Rounds alternate, so that a busy machine
is busy for both; printed are medians, their ratio, and the peak memory of each. Needs torch 2.13 (CPU), transformers 5.23,
peft 0.21.2 and bitsandbytes 0.50.2. OPENBLAS_CORETYPE does not concern torch.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def torch_steps(folder, batch, length, steps, full):
    """One process: seconds of each step, and peak memory, as a line of JSON."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.dtype == torch.bfloat16:
            parameter.data = parameter.data.float()
    for module in model.modules():
        if hasattr(module, "compute_dtype"):
            module.compute_dtype = torch.float32
    if not full:
        import peft

        is_gpt2 = model.config.model_type == "gpt2"
        model = peft.get_peft_model(
            model, peft.LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear",
                                   fan_in_fan_out=is_gpt2))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.randint(3, 1000, (batch, length + 1))
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[1:], "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def qtrain_steps(binary, model, folder, batch, length, steps, full):
    """Seconds of each step from the log, and peak memory."""
    words = " ".join(f"{'abcdefghij'[n % 10]}{n}" for n in range(batch * length * steps * 2))
    text, log = os.path.join(folder, "text.txt"), os.path.join(folder, "log.jsonl")
    with open(text, "w") as file:
        file.write(words)
    out = os.path.join(folder, "full" if full else "a.lora")
    command = [
        os.path.join(binary, "qtrain"), model, "--data", text, "-o", out, "--template", "none", "--split", "1,0,0", "--batch-size",
        str(batch), "--max-length", str(length + 1), "--steps", str(steps), "--checkpointing", "off", "--log", log, "--force", "--json"]
    command += ["--full"] if full else ["--dropout", "0"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    with open(log) as file:
        entries = [json.loads(line) for line in file]
    assert all(entry["tokens"] == batch * length for entry in entries), entries[:1]
    return {"seconds": [entry["seconds"] for entry in entries][1:], "memory": report["peak_memory"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--bin", default=".build/release")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--torch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch:
        return torch_steps(options.torch, options.batch, options.length, options.steps, options.full)
    with tempfile.TemporaryDirectory() as folder:
        reference = os.path.join(folder, "reference")
        subprocess.run(
            [os.path.join(options.bin, "qconvert"), "to-hf", options.model, "-o", reference], check=True, capture_output=True)
        ours, theirs = [], []
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        for _ in range(options.rounds):
            ours.append(qtrain_steps(options.bin, options.model, folder, options.batch, options.length, options.steps, options.full))
            command = [sys.executable, __file__, "--torch", reference, options.model, "--batch", str(options.batch), "--length",
                       str(options.length), "--steps", str(options.steps)] + (["--full"] if options.full else [])
            lines = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.splitlines()
            theirs.append(json.loads(lines[-1]))
    positions = options.batch * options.length
    rates = [positions / statistics.median(s for run in runs for s in run["seconds"]) for runs in (ours, theirs)]
    peaks = [max(run["memory"] for run in runs) for runs in (ours, theirs)]
    for name, rate, peak in zip(("qtrain", "PyTorch"), rates, peaks):
        print(f"{name:8} {rate:8.1f} tokens/s  {peak / 1e9:6.2f} GB")
    print(f"ratio    {rates[0] / rates[1]:8.2f}           {peaks[0] / peaks[1]:6.2f}")


if __name__ == "__main__":
    main()
