"""Makes Tests/Fixtures/bound: adapters as PEFT saves them for embeddings, heads and tied weights, and what they compute.

Made with torch 2.13.0+cpu, transformers 5.23.0 and peft 0.21.2, one thread. `tied` and `untied` are two tiny Llamas; every
other folder is an adapter of one of them (the word that its name ends with) with `expected.safetensors`: ids, and the logits of
PEFT with the adapter loaded from the folder, unmerged. `resize-` means that the base was resized from 40 to 44 tokens before
training.
"""

import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"
import peft
import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "bound"
IDS = [1, 7, 30, 12, 5, 9, 22, 3]
BOTH = ["embed_tokens", "lm_head"]
TOKENS = "trainable_token_indices"

ADAPTERS = {
    # Rows of single tokens: of both tables, of others in each, of the head alone, of the embedding alone.
    "rows-both-tied": {TOKENS: {"embed_tokens": [5, 9], "lm_head": [5, 9]}},
    "rows-mismatch-tied": {TOKENS: {"embed_tokens": [5, 9], "lm_head": [5, 12]}},
    "rows-both-untied": {TOKENS: {"embed_tokens": [5, 9], "lm_head": [5, 12]}},
    "rows-head-tied": {TOKENS: {"lm_head": [5, 9]}},
    "rows-head-untied": {TOKENS: {"lm_head": [5, 9]}},
    "rows-tied": {TOKENS: [5, 9]},
    "rows-ensured-tied": {TOKENS: [5, 9], "ensure_weight_tying": True},
    "resize-rows-tied": {TOKENS: [40, 41, 42, 43]},
    # Saved whole without being asked for, since the base was resized.
    "resize-untied": {},
    "resize-tied": {},
    "resize-factors-untied": {"target_modules": ["embed_tokens", "lm_head", "q_proj"]},
    "resize-factors-tied": {"target_modules": ["embed_tokens", "q_proj"]},
    "resize-saved-untied": {"modules_to_save": BOTH},
    "resize-saved-tied": {"modules_to_save": BOTH},
    "resize-saved-ensured-tied": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    "ensured-factors-tied": {"target_modules": ["embed_tokens", "q_proj"], "ensure_weight_tying": True},
    "ensured-factors-head-tied": {"target_modules": ["lm_head", "q_proj"], "ensure_weight_tying": True},
    "ensured-factors-untied": {"target_modules": ["embed_tokens", "q_proj"], "ensure_weight_tying": True},
    "ensured-saved-tied": {"modules_to_save": BOTH, "ensure_weight_tying": True},
    "ensured-saved-head-tied": {"modules_to_save": ["lm_head"], "ensure_weight_tying": True},
    "saved-embedding-tied": {"modules_to_save": ["embed_tokens"]},
    "saved-both-tied": {"modules_to_save": BOTH},
    "factors-both-tied": {"target_modules": ["embed_tokens", "lm_head", "q_proj"]},
    # Biases of the factors where the layers have none.
    "bias-untied": {"target_modules": ["q_proj", "v_proj", "down_proj"], "lora_bias": True},
    "bias-head-untied": {"target_modules": ["lm_head", "q_proj"], "lora_bias": True},
}


def save_base(name, **others):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=64, initializer_range=0.3, bos_token_id=1, eos_token_id=2, **others)
    kind = transformers.LlamaForSequenceClassification if "num_labels" in others else transformers.LlamaForCausalLM
    kind(config).save_pretrained(name)


def load(base, kind, rows):
    model = kind.from_pretrained(base).eval()
    if rows:
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


def save_adapter(name, base, options, kind=transformers.AutoModelForCausalLM, writer=None):
    torch.manual_seed(1)
    rows = 44 if name.startswith("resize") else None
    settings = {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "init_lora_weights": False, "task_type": "CAUSAL_LM"}
    model = peft.get_peft_model(load(base, kind, rows), peft.LoraConfig(**{**settings, **options}))
    for parameter, values in model.named_parameters():
        if values.requires_grad and ("modules_to_save" in parameter or "trainable_tokens" in parameter):
            values.data += torch.randn_like(values) * 0.3
    model.save_pretrained(name)
    os.remove(f"{name}/README.md")
    # A set in memory, whose order changes from run to run.
    path = pathlib.Path(name) / "adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "target_modules": sorted(config["target_modules"])}, indent=2))
    ids = IDS + [41] if rows else IDS
    # What writes text: of an adapter of another task, the base with the factors alone.
    loaded = peft.PeftModel.from_pretrained(load(writer or base, transformers.AutoModelForCausalLM, rows), name).eval()
    with torch.no_grad():
        logits = loaded(torch.tensor([ids])).logits[0]
    save_file({"ids": torch.tensor(ids), "logits": logits.contiguous()}, f"{name}/expected.safetensors")


def main():
    torch.set_num_threads(1)
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    # Relative paths: adapters keep the name of their base.
    os.chdir(HERE)
    save_base("tied", tie_word_embeddings=True)
    save_base("untied", tie_word_embeddings=False)
    save_base("classifier", num_labels=3, pad_token_id=0)
    for name, options in ADAPTERS.items():
        save_adapter(name, name.rsplit("-")[-1], options)
    save_adapter(
        "task-untied", "classifier", {"task_type": "SEQ_CLS"}, kind=transformers.AutoModelForSequenceClassification, writer="untied")
    shutil.rmtree("classifier")
    for folder in ("tied", "untied"):
        os.remove(f"{folder}/generation_config.json")


main()
