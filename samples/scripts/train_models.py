"""Trains the two small language models of the samples on the sample corpus, in float32 with PyTorch.

`gpt2` is a GPT-2 with 989,952 parameters, `llama` a Llama with grouped-query attention and 1,115,264. The result is
an ordinary Hugging Face folder in float32 with `training.json` beside it, which `write_tensorflow.py` and
`write_llama.py` turn into the samples. Same seed, same machine: same weights.

    python train_models.py gpt2 --text /tmp/samples/train.txt --tokenizer /tmp/samples/tokenizer --out /tmp/samples/gpt2
"""
import argparse
import json
import math
import os
import time

import torch
import transformers
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

END = "<|endoftext|>"
CONTEXT = 256


def make_model(kind, vocabulary_size):
    """An untrained model. All inner sizes are multiples of 64, so no quantization block crosses a row."""
    end = vocabulary_size - 1
    if kind == "gpt2":
        return GPT2LMHeadModel(GPT2Config(
            vocab_size=vocabulary_size, n_positions=CONTEXT, n_embd=128, n_layer=4, n_head=4,
            attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=end, eos_token_id=end))
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary_size, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, tie_word_embeddings=False,
        bos_token_id=end, eos_token_id=end, pad_token_id=end))


def read_tokens(path, tokenizer_folder):
    """The whole text as one row of ids, and the positions at which a page starts."""
    tokenizer = Tokenizer.from_file(os.path.join(tokenizer_folder, "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    with open(path, encoding="utf-8") as file:
        pages = file.read().split(END + "\n")[:-1]
    ids, starts = [], []
    for encoding in tokenizer.encode_batch(pages):
        starts.append(len(ids))
        ids += encoding.ids + [end]
    return torch.tensor(ids), torch.tensor(starts), tokenizer.get_vocab_size()


def batches(ids, starts, rows, generator):
    """Endless batches [rows, CONTEXT]: every fourth window opens at the start of a page, as a prompt does."""
    last = len(ids) - CONTEXT
    starts = starts[starts < last]
    while True:
        begin = torch.randint(0, last, (rows,), generator=generator)
        quarter = rows // 4
        begin[:quarter] = starts[torch.randint(0, len(starts), (quarter,), generator=generator)]
        yield torch.stack([ids[b:b + CONTEXT] for b in begin.tolist()])


def learning_rate(step, steps, peak, warmup=40):
    """Linear warm-up, then half a cosine down to a twentieth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))))


def train(model, source, options):
    """Runs AdamW for `options.steps` steps; returns the loss of every step."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=options.rate, betas=(0.9, 0.95))
    model.train()
    losses, began = [], time.time()
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options.steps, options.rate)
        rows = next(source)
        loss = model(input_ids=rows, labels=rows, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            print(f"step {step + 1:5d}  loss {sum(losses[-100:]) / 100:.4f}  {time.time() - began:.0f} s", flush=True)
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("gpt2", "llama"))
    parser.add_argument("--text", required=True)
    parser.add_argument("--tokenizer", required=True, help="folder with tokenizer.json")
    parser.add_argument("--out", required=True, help="folder for the trained float32 model")
    parser.add_argument("--steps", type=int, default=1200, help="(default: %(default)s)")
    parser.add_argument("--rows", type=int, default=16, help="windows of 256 tokens per step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=4e-3, help="peak learning rate (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    ids, starts, vocabulary_size = read_tokens(options.text, options.tokenizer)
    model = make_model(options.kind, vocabulary_size)
    count = sum(p.numel() for p in model.parameters())
    print(f"{options.kind}: {count} parameters, {len(ids)} tokens of text", flush=True)
    began = time.time()
    losses = train(model, batches(ids, starts, options.rows, torch.Generator().manual_seed(options.seed)), options)
    model.save_pretrained(options.out)
    record = {"kind": options.kind, "parameters": count, "text_tokens": len(ids), "seed": options.seed,
              "steps": options.steps, "tokens_per_step": options.rows * CONTEXT, "peak_rate": options.rate,
              "final_loss": sum(losses[-100:]) / len(losses[-100:]), "seconds": round(time.time() - began),
              "torch": torch.__version__, "transformers": transformers.__version__, "losses": losses}
    with open(os.path.join(options.out, "training.json"), "w", encoding="ascii") as file:
        json.dump(record, file)
    print(f"mean loss of the last 100 steps {record['final_loss']:.4f}, {record['seconds']} s")


if __name__ == "__main__":
    main()
