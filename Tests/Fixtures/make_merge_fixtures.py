"""Makes Tests/Fixtures/merge: what PEFT's own merges of Tests/Fixtures/adapters give.

Made with torch 2.13.0+cpu, transformers 5.23.0, peft 0.21.2 and bitsandbytes 0.50.2, one thread. `merged.tsv` has, of every
tensor that a merge changes: adapter, base, type, shape, crc32c of the bytes, name. Embeddings of bfloat16 bases are left out:
PEFT rounds their delta before it adds it, and only theirs; we round once. DoRA, whose row lengths are sums in another
order than ours, is kept as numbers (`ADAPTER.safetensors`).

bitsandbytes 0.50.2 reads the constants of rows that are no multiple of the block size wrongly on machines with AVX-512: the
4-bit cases must be made on one without, or `--four-bit FOLDER` names what was made there (CASE-on-nf4-f32.safetensors).
"""

import argparse
import pathlib

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

from make_bnb_fixtures import crc32c

HERE = pathlib.Path(__file__).parent
NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.uint8: "U8"}
DORA = ["gpt2-dora", "llama-dora"]


def tensors_of(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def merged(adapter, base):
    """The tensors that merging changes, under the base's names."""
    model = transformers.AutoModelForCausalLM.from_pretrained(HERE / "checkpoints" / base, dtype="auto")
    before = tensors_of(model)
    after = tensors_of(peft.PeftModel.from_pretrained(model, HERE / "adapters" / adapter).merge_and_unload())
    # What shares its memory with a changed tensor changes with it; whether it does is not the adapter's doing.
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    return {name: tensor for name, tensor in after.items() if name not in tied and not torch.equal(tensor, before[name])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--four-bit", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = []

    def add(adapter, base, tensors):
        for name in sorted(tensors):
            if base.endswith("bf16") and name.endswith(("embed_tokens.weight", "wte.weight")):
                continue
            tensor = tensors[name].contiguous()
            data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
            lines.append(f"{adapter}\t{base}\t{NAMES[tensor.dtype]}\t{list(tensor.shape)}\t{crc32c(data)}\t{name}\n")

    for folder in sorted((HERE / "adapters").iterdir()):
        if not folder.is_dir():
            continue
        family = folder.name.split("-")[0]
        for base in [f"{family}/dense-f32", f"{family}/dense-bf16"]:
            tensors = merged(folder.name, base)
            if folder.name in DORA:
                if base.endswith("f32"):
                    save_file(tensors, HERE / "merge" / f"{folder.name}.safetensors")
            else:
                add(folder.name, base, tensors)
    for path in sorted(arguments.four_bit.glob("*-on-nf4-f32.safetensors")):
        adapter = path.name.removesuffix("-on-nf4-f32.safetensors")
        add(adapter, f"{adapter.split('-')[0]}/nf4-f32", load_file(path))
    (HERE / "merge" / "merged.tsv").write_text("".join(lines))


main()
