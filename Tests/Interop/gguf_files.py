"""Our GGUF files and the real readers: what gguf-py and llama.cpp make of them.

    python Tests/Interop/gguf_files.py --bin .build/release

Needs numpy and gguf; llama-cpp-python too for the last checks, which are skipped, with the reason, where it is not installed.
Exit status 1 where a check fails.
"""
import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k_m", "q5_k_s", "q6_k", "iq4_nl", "iq4_xs"]


def run(folder, tool, *arguments):
    command = [str(Path(folder) / tool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def stored(path):
    """Name -> float32 values of a safetensors file of F32."""
    import numpy as np

    data = Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    values = {}
    for name, info in header.items():
        if name == "__metadata__":
            continue
        start, end = info["data_offsets"]
        values[name] = np.frombuffer(data[8 + length + start:8 + length + end], "<f4").reshape(info["shape"])
    return values


def check_values(folder, work, kind):
    """gguf-py decodes every tensor to the values that we read of it; the file is a Llama, whose queries and keys it has in pairs."""
    import gguf
    import numpy as np

    path = work / f"{kind}.gguf"
    run(folder, "qconvert", "to-gguf", SAMPLES / "llama-hf", "-o", path, "--type", kind, "--quiet")
    run(folder, "qconvert", "to-safetensors", path, "-o", work / f"{kind}.safetensors", "--dtype", "f32", "--quiet")
    ours = stored(work / f"{kind}.safetensors")
    reader = gguf.GGUFReader(path)
    heads = {"attn_q": reader.fields["llama.attention.head_count"].contents(),
             "attn_k": reader.fields["llama.attention.head_count_kv"].contents()}
    names = {
        "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head", "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    compared = 0
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        module = tensor.name.removesuffix(".weight").split(".")
        if module[-1] in heads:
            count = heads[module[-1]]
            values = values.reshape(count, -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)
        name = names[module[-1]]
        if module[0] == "blk":
            name = f"model.layers.{module[1]}.{name}"
        other = ours.pop(name + ".weight")
        if values.shape != other.shape or (values.view(np.uint32) != other.view(np.uint32)).any():
            return f"{kind}: {tensor.name} has other values in gguf-py"
        compared += 1
    return f"{kind}: {list(ours)} are not in the file" if ours or not compared else None


def check_logits(folder, work):
    """llama.cpp computes what qrun computes, but for its 16-bit tables and sums."""
    import llama_cpp
    import numpy as np

    path = work / "f32.gguf"
    ids = [1, 72, 300, 41, 9, 550, 1201, 64]
    run(folder, "qrun", path, "--prompt-ids", ",".join(map(str, ids)), "--dump-logits", work / "logits.safetensors", "--exact", "--quiet")
    ours = stored(work / "logits.safetensors")["logits"]
    model = llama_cpp.Llama(str(path), n_ctx=64, logits_all=True, verbose=False)
    model.eval(ids)
    theirs = np.array(model.scores[:len(ids)])
    difference = np.abs(ours - theirs).max() / np.abs(ours).max()
    return None if difference < 2e-3 else f"logits of llama.cpp differ by {difference:.1e} of the largest"


def check_adapter(folder, work):
    """llama.cpp with an adapter of ours beside the base computes what qrun computes with the adapter that it was made of."""
    import llama_cpp
    import numpy as np

    path, adapter, source = work / "f32.gguf", work / "adapter.gguf", SAMPLES / "adapters/llama-instructions"
    run(folder, "qconvert", "to-gguf-lora", source, SAMPLES / "llama-hf", "-o", adapter, "--quiet")
    ids = [1, 72, 300, 41, 9, 550, 1201, 64]
    ours = {}
    for name, given in [("base", []), ("adapter", ["--adapter", source]), ("file", ["--adapter", adapter])]:
        run(folder, "qrun", path, "--prompt-ids", ",".join(map(str, ids)), "--dump-logits", work / f"{name}.safetensors", "--exact",
            "--quiet", *given)
        ours[name] = stored(work / f"{name}.safetensors")["logits"]
    model = llama_cpp.Llama(str(path), n_ctx=64, logits_all=True, verbose=False, lora_path=str(adapter))
    model.eval(ids)
    theirs = np.array(model.scores[:len(ids)])
    largest = np.abs(theirs).max()
    if np.abs(ours["adapter"] - ours["base"]).max() < 0.05 * largest:
        return "the adapter changes nothing, so that this checks nothing"
    for name in ("adapter", "file"):
        difference = np.abs(ours[name] - theirs).max() / largest
        if difference > 2e-3:
            return f"logits of llama.cpp differ by {difference:.1e} of the largest from those with the {name}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default=".build/release")
    folder = parser.parse_args().bin
    if importlib.util.find_spec("gguf") is None:
        print("skipped: gguf is not installed")
        return 0
    failures = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for kind in TYPES:
            failure = check_values(folder, work, kind)
            print(f"{'FAILED' if failure else 'passed'}  values of {kind}" + (f": {failure}" if failure else ""))
            failures += [failure] if failure else []
        if importlib.util.find_spec("llama_cpp") is None:
            print("skipped  logits: llama_cpp is not installed")
        else:
            for label, check in [("logits", check_logits), ("logits with an adapter", check_adapter)]:
                failure = check(folder, work)
                print(f"{'FAILED' if failure else 'passed'}  {label}" + (f": {failure}" if failure else ""))
                failures += [failure] if failure else []
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
