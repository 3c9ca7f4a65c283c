"""Measures the samples with transformers in float32: perplexity on the held-out text, and greedy continuations.

Perplexity is exp of the mean negative log likelihood per token. The text is encoded whole, without special tokens,
and cut into consecutive windows of 256 tokens, the last one shorter; in every window each token but the first is
predicted from those before it. The logarithms are taken in float64 of float32 logits. The 4-bit sample is measured
with its weights dequantized to float32 without a further rounding, which is what a float32 forward pass sees.
Two baselines stand beside them: the frequencies of single tokens and of token pairs in the training text.

    python measure.py --samples .. --text /tmp/samples/train.txt --out ../expected.json
"""
import argparse
import json
import math
import os
import re

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

END = "<|endoftext|>"
CONTEXT = 256
PROMPTS = ("Once upon a time there was", "The opposite of hot is", "An owl is an animal.", "Dear Zoë,\n",
           "Shopping list:\n-", "The cat chased the mouse.", "Mia had 5 apples. She found 3 apples more.",
           "One mouse, two")


def load_tensorflow(folder):
    """The TensorFlow sample as a transformers model, read by TensorFlow."""
    import tensorflow as tf
    with open(os.path.join(folder, "hparams.json"), encoding="ascii") as file:
        sizes = json.load(file)
    end = sizes["n_vocab"] - 1
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=sizes["n_vocab"], n_positions=sizes["n_ctx"], n_embd=sizes["n_embd"], n_layer=sizes["n_layer"],
        n_head=sizes["n_head"], bos_token_id=end, eos_token_id=end, attn_implementation="eager"))
    reader = tf.train.load_checkpoint(os.path.join(folder, "model.ckpt"))
    state = {}
    for name in reader.get_variable_to_shape_map():
        parts = name.split("/")[1:]
        last = {"g": "weight", "w": "weight", "b": "bias"}.get(parts[-1])
        if parts[0][1:].isdigit():
            parts[:1] = ["h", parts[0][1:]]
        value = torch.from_numpy(reader.get_tensor(name))
        state["transformer." + ".".join(parts[:-1] + [last] if last else parts + ["weight"])] = (
            value[0] if name.endswith("/w") else value)
    state["lm_head.weight"] = state["transformer.wte.weight"]
    model.load_state_dict(state, strict=True)
    return model


def load_hugging_face(folder):
    """The model in float32; 4-bit layers become ordinary ones with the dequantized weight."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if not getattr(model.config, "quantization_config", None):
        return model
    import bitsandbytes
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, bitsandbytes.nn.Linear4bit)}
    for name, layer in layers.items():
        state = layer.weight.quant_state
        state.dtype = torch.float32
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=False)
        plain.weight = torch.nn.Parameter(bitsandbytes.functional.dequantize_4bit(layer.weight.data, state))
        if plain.weight.dtype != torch.float32:
            raise SystemExit(f"{folder}: {name} was rounded to {plain.weight.dtype}")
        model.set_submodule(name, plain)
    # A quantized checkpoint keeps its embeddings in their own type, and transformers' own float() refuses it.
    return torch.nn.Module.float(model)


def load(folder):
    tensorflow = os.path.exists(os.path.join(folder, "model.ckpt.index"))
    return (load_tensorflow if tensorflow else load_hugging_face)(folder).eval()


@torch.no_grad()
def perplexity(model, ids):
    total, scored = 0.0, 0
    for begin in range(0, len(ids), CONTEXT):
        window = torch.tensor([ids[begin:begin + CONTEXT]])
        if window.shape[1] < 2:
            continue
        logs = model(input_ids=window, use_cache=False).logits[0, :-1].float().double().log_softmax(-1)
        total -= logs.gather(1, window[0, 1:, None]).sum().item()
        scored += window.shape[1] - 1
    return total / scored, scored


@torch.no_grad()
def greedy(model, ids, count, end):
    """The most likely continuation, and the smallest lead the chosen token had: near 0 it may fall otherwise."""
    ids, made, lead = list(ids), [], math.inf
    while len(made) < count and len(ids) < CONTEXT:
        top = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
        lead = min(lead, (top.values[0] - top.values[1]).item())
        made.append(top.indices[0].item())
        ids.append(made[-1])
        if made[-1] == end:
            break
    return made, lead


def baselines(tokenizer, text_path, ids):
    """Negative log likelihood per token of a unigram and of a bigram model of the training text, add-one smoothed."""
    size = tokenizer.get_vocab_size()
    with open(text_path, encoding="utf-8") as file:
        pages = file.read().split(END + "\n")[:-1]
    pairs = torch.ones(size, size, dtype=torch.float64)
    singles = torch.ones(size, dtype=torch.float64)
    for encoding in tokenizer.encode_batch(pages):
        page = torch.tensor(encoding.ids)
        singles += torch.bincount(page, minlength=size)
        pairs.view(-1).index_add_(0, page[:-1] * size + page[1:], torch.ones(len(page) - 1, dtype=torch.float64))
    row = torch.tensor(ids)
    unigram = -(singles / singles.sum()).log()[row[1:]].mean().item()
    bigram = -(pairs / pairs.sum(1, keepdim=True)).log()[row[:-1], row[1:]].mean().item()
    return {"unigram": rounded(unigram), "bigram": rounded(bigram)}


def rounded(loss):
    return {"loss": round(loss, 5), "perplexity": round(math.exp(loss), 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True, help="the samples folder")
    parser.add_argument("--text", required=True, help="training text, for the baselines")
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--tokens", type=int, default=60, help="length of a continuation (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(os.path.join(options.samples, "llama-hf", "tokenizer.json"))
    with open(os.path.join(options.samples, "text", "heldout.txt"), encoding="utf-8") as file:
        text = file.read()
    ids = tokenizer.encode(text).ids
    result = {"schema": 1, "text": {"file": "text/heldout.txt", "bytes": len(text.encode()), "tokens": len(ids)},
              "window": CONTEXT, "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
              "baselines": baselines(tokenizer, options.text, ids), "models": {}}
    for name in ("gpt2-tensorflow", "llama-hf", "llama-bnb4"):
        model = load(os.path.join(options.samples, name))
        loss, scored = perplexity(model, ids)
        entry = {**rounded(loss), "scored_tokens": scored, "greedy": []}
        for prompt in PROMPTS:
            start = tokenizer.encode(prompt).ids
            made, lead = greedy(model, start, options.tokens, tokenizer.token_to_id(END))
            entry["greedy"].append({"prompt": prompt, "ids": start, "continuation_ids": made,
                                    "continuation": tokenizer.decode(made, skip_special_tokens=False),
                                    "smallest_lead": round(lead, 6)})
        result["models"][name] = entry
        print(f"{name}: perplexity {entry['perplexity']}")
    print({name: value["perplexity"] for name, value in result["baselines"].items()})
    report = json.dumps(result, indent=1, ensure_ascii=False)
    report = re.sub(r"\[[\d,\s]+\]", lambda match: " ".join(match[0].split()), report)      # ids on one line
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(report + "\n")


if __name__ == "__main__":
    main()
