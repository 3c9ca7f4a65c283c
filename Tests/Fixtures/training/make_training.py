"""Training traces of PyTorch and PEFT on the checkpoints beside this folder: 20 steps each.

    python3 make_training.py            writes NAME.safetensors and NAME.json here

Needs torch 2.13 (CPU), transformers 5.23, peft 0.21.2, bitsandbytes 0.50.2 and safetensors. One thread, no dropout.

lora-*    LoRA, r = 8, alpha = 16, on every linear layer of the NF4 base, dequantized to float32
          of phi3 and gpt_neox on the dense models in ../families, whose matrices hold several projections each, and of gemma3 on
          that in ../transformer
full-*    every weight of the dense GPT-2
each with input_ids, labels, init.* (of adapters) and final.* of what is trained, grad.* of the first step; the json has settings,
losses, gradient norms before clipping and learning rates.
"""
import json
import math
import os
import warnings

import numpy as np
import peft
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

transformers.logging.set_verbosity_error()
warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINTS = os.path.join(HERE, "..", "checkpoints")
LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GPT2 = ["c_attn", "c_proj", "c_fc"]
FAMILIES = {
    "gemma3": LLAMA,
    "phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    "gpt_neox": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
}


def without_dropout(path):
    config = AutoConfig.from_pretrained(path)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    for name in ("attn_pdrop", "embd_pdrop", "resid_pdrop", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    return config


def dense(weight):
    """By the formula: the AVX-512 code of bitsandbytes 0.50 takes wrong constants where a row is no multiple of a block."""
    state = weight.quant_state
    absmax = state.absmax
    if state.nested:
        nested = state.state2
        absmax = nested.code[absmax.long()] * nested.absmax.repeat_interleave(nested.blocksize)[: absmax.numel()] + state.offset
    packed = weight.data.flatten()
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()[: state.shape.numel()].long()
    return (state.code[codes] * absmax.repeat_interleave(state.blocksize)[: codes.numel()]).reshape(state.shape)


def dequantized(path):
    """The NF4 checkpoint as a float32 model: Linear and Conv1D weights filled in from the 4-bit ones."""
    packed = AutoModelForCausalLM.from_pretrained(path, device_map={"": "cpu"})
    config = without_dropout(path)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    state = {}
    for name, value in packed.state_dict().items():
        if value.dtype == torch.uint8 or ".weight." in name:
            continue
        state[name] = value.float()
    for name, module in packed.named_modules():
        if hasattr(module, "weight") and hasattr(module.weight, "quant_state") and module.weight.quant_state is not None:
            weight = dense(module.weight)
            target = dict(model.named_modules())[name]
            state[name + ".weight"] = weight.T.contiguous() if type(target).__name__ == "Conv1D" else weight
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name == "lm_head.weight" for name in missing), (missing, unexpected)
    model.tie_weights()
    return model


def trainable(kind, full, seed, random_b):
    if full:
        path = os.path.join(CHECKPOINTS, kind, "dense-f32")
        config = without_dropout(path)
        model = AutoModelForCausalLM.from_pretrained(path, config=config, attn_implementation="eager", dtype=torch.float32)
        return model.train()
    if kind in FAMILIES:
        model = AutoModelForCausalLM.from_pretrained(
            os.path.join(HERE, "..", "transformer" if kind == "gemma3" else "families", kind), attn_implementation="eager", dtype=torch.float32)
    else:
        model = dequantized(os.path.join(CHECKPOINTS, kind, "nf4-f32"))
    is_gpt2 = kind == "gpt2"
    settings = peft.LoraConfig(
        task_type="CAUSAL_LM", r=8, lora_alpha=16, lora_dropout=0.0, target_modules=FAMILIES.get(kind) or (GPT2 if is_gpt2 else LLAMA),
        fan_in_fan_out=is_gpt2)
    model = peft.get_peft_model(model, settings, autocast_adapter_dtype=False).train()
    generator = torch.Generator().manual_seed(seed)
    for name, value in sorted(model.named_parameters()):
        if "lora_A" in name:
            value.data = (torch.rand(value.shape, generator=generator) * 2 - 1) / value.shape[1] ** 0.5
        elif "lora_B" in name:
            value.data = torch.randn(value.shape, generator=generator) * 0.05 if random_b else torch.zeros(value.shape)
    return model


def run(tag, kind, seed, full=False, random_b=False, mask=False, clip=None, decay=0.01, shape=None, steps=20, lr=1e-3):
    model = trainable(kind, full, seed, random_b)
    parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
    ids = torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).integers(3, model.config.vocab_size, (4, 16)).astype(np.int64))
    labels = ids.clone()
    if mask:
        labels[:, :5] = -100
        labels[3, 10:] = -100
    out = {} if full else {"init." + name.replace(".default", ""): value.data.clone() for name, value in parameters.items()}
    optimizer = torch.optim.AdamW(
        [parameters[name] for name in sorted(parameters)], lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=decay, foreach=False)
    trace = {"loss": [], "grad_norm": [], "lr": []}
    for step in range(steps):
        rate = lr * (shape(step) if shape else 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        trace["loss"].append(loss.item())
        trace["lr"].append(rate)
        trace["grad_norm"].append(torch.sqrt(sum((p.grad.double() ** 2).sum() for p in parameters.values())).item())
        if step == 0:
            for name, value in parameters.items():
                out["grad." + name.replace(".default", "")] = value.grad.clone()
        if clip:
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), clip, foreach=False)
        optimizer.step()
    for name, value in parameters.items():
        out["final." + name.replace(".default", "")] = value.data.clone()
    out["input_ids"], out["labels"] = ids, labels
    save_file({name: value.contiguous() for name, value in out.items()}, os.path.join(HERE, tag + ".safetensors"))
    document = {"lr": lr, "weight_decay": decay, "clip": clip, "warmup": 4 if shape else 0, "steps": steps, "trace": trace}
    with open(os.path.join(HERE, tag + ".json"), "w") as file:
        json.dump(document, file, indent=1)
    os.chmod(os.path.join(HERE, tag + ".safetensors"), 0o644)
    print(tag, trace["loss"][0], trace["loss"][-1], trace["grad_norm"][0])


def cosine(step):
    return (step + 1) / 4 if step < 4 else 0.5 * (1 + math.cos(math.pi * (step - 4) / 16))


if __name__ == "__main__":
    for kind, seed in (("llama", 11), ("gpt2", 21)):
        run(f"lora-{kind}-zero", kind, seed)
        run(f"lora-{kind}-random", kind, seed + 1, random_b=True)
        run(f"lora-{kind}-masked", kind, seed + 2, random_b=True, mask=True, clip=0.3, decay=0.0, shape=cosine)
    for kind, seed in (("phi3", 41), ("gpt_neox", 51), ("gemma3", 61)):
        run(f"lora-{kind}-random", kind, seed, random_b=True)
    run("full-gpt2", "gpt2", 31, full=True, decay=0.01, clip=1.0, shape=cosine)
