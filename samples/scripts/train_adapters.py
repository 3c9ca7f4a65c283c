"""Trains a LoRA adapter with PEFT that teaches a sample model to answer instructions, which it has never seen.

The questions are about opposites, plurals and animals; the facts occur in the training text of the models, the form does
not: `### Instruction:`, the question, `### Response:`, an answer of one sentence, and the end of the text. One fact in
eight is held out. Only the answers count in the loss. For a 4-bit base the weights are dequantized to float32 without a
further rounding, as the tools see them. Same seed, same machine, one thread: same bytes.

    qconvert to-hf ../gpt2-tensorflow -o /tmp/samples/gpt2-hf
    python train_adapters.py --model /tmp/samples/gpt2-hf --base gpt2-tensorflow --name gpt2-instructions --out ../adapters
    python train_adapters.py --model ../llama-bnb4 --name llama-instructions --out ../adapters
"""
import argparse
import json
import os
import random
import shutil
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer

import lexicon
from inflect import plural
from measure import load_hugging_face

END = "<|endoftext|>"
TARGETS = {"gpt2": ["c_attn", "c_proj", "c_fc"],
           "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]}
SHOWN = ("What is the opposite of hot?", "What is the plural of ball?", "What does an owl eat?", "Where does a shark live?")


def questions():
    """All pairs of question and answer, in a fixed order."""
    pairs = []
    for first, second in lexicon.OPPOSITES:
        pairs.append((f"What is the opposite of {first}?", f"The opposite of {first} is {second}."))
        pairs.append((f"What is the opposite of {second}?", f"The opposite of {second} is {first}."))
    for word in sorted(set(lexicon.TOYS + lexicon.CLOTHES + lexicon.TOOLS + lexicon.PLANTS + lexicon.VEHICLES)):
        pairs.append((f"What is the plural of {word}?", f"The plural of {word} is {plural(word)}."))
    for name, sound, home, food, *_ in lexicon.ANIMALS:
        article = "an" if name[0] in "aeiou" else "a"
        pairs.append((f"What does {article} {name} eat?", f"{article.capitalize()} {name} eats {food}."))
        pairs.append((f"Where does {article} {name} live?", f"{article.capitalize()} {name} lives {home}."))
    return pairs


def prompt(question):
    return f"### Instruction:\n{question}\n\n### Response:\n"


def batch_of(pairs, tokenizer):
    """Ids [rows, length] and labels, -100 where nothing is learnt: in the prompt and after the end."""
    end = tokenizer.token_to_id(END)
    rows = [(tokenizer.encode(prompt(q)).ids, tokenizer.encode(a).ids + [end]) for q, a in pairs]
    length = max(len(p) + len(a) for p, a in rows)
    ids = torch.tensor([p + a + [end] * (length - len(p) - len(a)) for p, a in rows])
    labels = torch.tensor([[-100] * len(p) + a + [-100] * (length - len(p) - len(a)) for p, a in rows])
    return ids, labels


@torch.no_grad()
def loss_of(model, pairs, tokenizer):
    model.eval()
    ids, labels = batch_of(pairs, tokenizer)
    return model(input_ids=ids, labels=labels).loss.item()


@torch.no_grad()
def answer(model, question, tokenizer, limit=24):
    """Greedy continuation of a prompt, up to the end of the text or `limit` tokens."""
    model.eval()
    ids = tokenizer.encode(prompt(question)).ids
    start, end = len(ids), tokenizer.token_to_id(END)
    while len(ids) < start + limit:
        ids.append(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax().item())
        if ids[-1] == end:
            break
    return {"question": question, "ids": ids[start:], "text": tokenizer.decode(ids[start:], skip_special_tokens=False)}


def train(model, pairs, tokenizer, options):
    generator = random.Random(options.seed)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=options.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / options.steps)
    model.train()
    for _ in range(options.steps):
        ids, labels = batch_of(generator.sample(pairs, options.batch), tokenizer)
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def sort_targets(path):
    """PEFT keeps the targets as a set, whose order is another in every run."""
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["target_modules"].sort()
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2, sort_keys=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="Hugging Face folder of the base")
    parser.add_argument("--base", help="name of the base in the adapter's configuration (that of its folder)")
    parser.add_argument("--tokenizer", default="../llama-hf", help="folder of tokenizer.json, which all samples share")
    parser.add_argument("--name", required=True, help="of the adapter")
    parser.add_argument("--out", required=True, help="folder that holds the adapters")
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--alpha", type=int, default=8)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)

    base = load_hugging_face(options.model).eval()
    tokenizer = Tokenizer.from_file(os.path.join(options.tokenizer, "tokenizer.json"))
    pairs = questions()
    heldout = [p for i, p in enumerate(pairs) if i % 8 == 0]
    learnt = [p for i, p in enumerate(pairs) if i % 8 != 0]
    kind = base.config.model_type
    before = {"loss": loss_of(base, heldout, tokenizer), "answers": [answer(base, q, tokenizer) for q in SHOWN]}
    model = get_peft_model(base, LoraConfig(
        task_type="CAUSAL_LM", r=options.rank, lora_alpha=options.alpha, target_modules=TARGETS[kind],
        fan_in_fan_out=kind == "gpt2"))
    model.peft_config["default"].base_model_name_or_path = options.base or os.path.basename(os.path.normpath(options.model))
    start = time.monotonic()
    train(model, learnt, tokenizer, options)
    seconds = time.monotonic() - start
    after = {"loss": loss_of(model, heldout, tokenizer), "answers": [answer(model, q, tokenizer) for q in SHOWN]}

    folder = os.path.join(options.out, options.name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    sort_targets(os.path.join(folder, "adapter_config.json"))
    path = os.path.join(options.out, "expected.json")
    document = json.load(open(path, encoding="utf-8")) if os.path.exists(path) else {"schema": 1, "adapters": {}}
    document["versions"] = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
    document["prompt"] = prompt("{question}")
    document["adapters"][options.name] = {"heldout_questions": len(heldout), "base": before, "adapter": after}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, indent=1)
        file.write("\n")
    print(f"{options.name}: {seconds:.0f} s, {model.num_parameters(only_trainable=True)} parameters, "
          f"loss of held-out answers {before['loss']:.3f} -> {after['loss']:.3f}")
    for one, other in zip(before["answers"], after["answers"]):
        print(f"  {one['question']}\n    base    {one['text']!r}\n    adapter {other['text']!r}")


if __name__ == "__main__":
    main()
