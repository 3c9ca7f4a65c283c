#!/usr/bin/env python3
"""Makes layouts/nanogpt: a checkpoint as nanoGPT's train.py saves it, without biases, and the logits of the same GPT-2 in transformers.

    python3 make_layout_fixtures.py

Needs torch and transformers. The other folders of layouts/ hold a Mistral, a Llama in two pieces, a GPT-2 of llm.c and a Llama of llama2.c, each
made from a model of transformers with random weights, whose logits and some of whose tensors lie beside it.
"""
import pathlib

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "layouts"
SIZES = dict(n_layer=2, n_head=2, n_embd=16, block_size=12, bias=False, vocab_size=40, dropout=0.0)


def main():
    torch.manual_seed(20)
    width = SIZES["n_embd"]

    def matrix(rows, columns):
        return torch.randn(rows, columns) * 0.15

    own = {"transformer.wte.weight": matrix(SIZES["vocab_size"], width), "transformer.wpe.weight": matrix(SIZES["block_size"], width)}
    for layer in range(SIZES["n_layer"]):
        prefix = f"transformer.h.{layer}."
        own[prefix + "ln_1.weight"] = 1 + torch.randn(width) * 0.1
        own[prefix + "attn.c_attn.weight"] = matrix(3 * width, width)
        own[prefix + "attn.c_proj.weight"] = matrix(width, width)
        own[prefix + "ln_2.weight"] = 1 + torch.randn(width) * 0.1
        own[prefix + "mlp.c_fc.weight"] = matrix(4 * width, width)
        own[prefix + "mlp.c_proj.weight"] = matrix(width, 4 * width)
    own["transformer.ln_f.weight"] = 1 + torch.randn(width) * 0.1
    own["lm_head.weight"] = own["transformer.wte.weight"]

    config = transformers.GPT2Config(n_embd=width, n_head=SIZES["n_head"], n_layer=SIZES["n_layer"], n_positions=SIZES["block_size"],
                                     vocab_size=SIZES["vocab_size"], activation_function="gelu")
    model = transformers.GPT2LMHeadModel(config).eval()
    state = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    for name, value in own.items():
        state[name] = value.T.contiguous() if ".c_" in name else value
    model.load_state_dict(state)
    ids = torch.tensor([3, 39, 0, 17, 17, 5, 21, 8, 30, 2])
    with torch.no_grad():
        logits = model(ids[None]).logits[0]

    folder = HERE / "nanogpt"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model": {"_orig_mod." + name: value for name, value in own.items()}, "model_args": SIZES, "iter_num": 7,
                "best_val_loss": torch.tensor(1.25), "config": {"out_dir": "out", "dtype": "bfloat16"}}, folder / "ckpt.pt")
    turned = "transformer.h.1.attn.c_attn.weight"
    save_file({"ids": ids, "logits": logits, turned: state[turned]}, HERE / "nanogpt.expected.safetensors")


if __name__ == "__main__":
    main()
