"""Writes `experts/`: adapters that PEFT makes of the experts of models in `mixtures/`, and what comes of them.

    pip install torch==2.13.0 transformers==5.23.0 peft==0.21.2 && python3 make_expert_fixtures.py

Each folder is named for its model: the adapter, `logits.safetensors` with `ids` [T] and `logits` [T, V], and
`merged.tsv`: crc32c and name of each tensor that a merge changes.
"""
import os
import shutil

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
import peft
import torch
import transformers
from make_bnb_fixtures import HERE, crc32c
from safetensors.torch import load_file, save_file

BOTH = ["experts.gate_up_proj", "experts.down_proj"]
MODELS = {"mixtral": BOTH, "qwen3_moe": ["experts.down_proj"], "granitemoe": BOTH, "gpt_oss": BOTH, "llama4": BOTH}


def base(name):
    return transformers.AutoModelForCausalLM.from_pretrained("mixtures/" + name, dtype=torch.float32, attn_implementation="eager")


def main():
    for seed, (name, targets) in enumerate(MODELS.items()):
        torch.manual_seed(2600 + seed)
        config = peft.LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj"], target_parameters=targets, task_type="CAUSAL_LM")
        if name == "mixtral":
            # As of an adapter that was trained on gates and ups apart.
            config.rank_pattern, config.alpha_pattern = {r".*\.experts\.gate_up_proj": 3}, {r".*\.experts\.gate_up_proj": 5}
        model = peft.get_peft_model(base(name), config).eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "lora_" in parameter_name:
                    parameter.copy_(torch.randn_like(parameter) * 0.3)
        folder = "experts/" + name
        shutil.rmtree(folder, ignore_errors=True)
        model.save_pretrained(folder)
        os.remove(folder + "/README.md")
        ids = load_file(f"mixtures/{name}/reference.safetensors")["ids"]
        logits = model(ids[None]).logits[0].detach()
        save_file({"ids": ids, "logits": logits.contiguous()}, folder + "/logits.safetensors")
        before = load_file(f"mixtures/{name}/model.safetensors")
        merged = model.merge_and_unload()
        merged.save_pretrained("/tmp/merged-" + name)
        after = load_file(f"/tmp/merged-{name}/model.safetensors")
        shutil.rmtree("/tmp/merged-" + name)
        with open(folder + "/merged.tsv", "w") as file:
            for tensor in sorted(after):
                if not torch.equal(after[tensor], before[tensor]):
                    file.write(f"{crc32c(after[tensor].numpy().tobytes())}\t{tensor}\n")


def write_gradients():
    """`gradients.tsv`: model, tensor of an adapter, norm of its gradient and four of its elements; first the loss, as the tensor `-`.

    Element i of every factor is ((37 i + 11) mod 101 - 50) / 250.
    """
    lines = []
    for name in MODELS:
        config = peft.LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj"], target_parameters=BOTH, task_type="CAUSAL_LM")
        model = peft.get_peft_model(base(name), config).eval()
        factors = {key: parameter for key, parameter in model.named_parameters() if "lora_" in key}
        with torch.no_grad():
            for parameter in factors.values():
                count = torch.arange(parameter.numel(), dtype=torch.float64)
                parameter.copy_((((count * 37 + 11) % 101 - 50) / 250).reshape(parameter.shape))
        ids = load_file(f"mixtures/{name}/reference.safetensors")["ids"]
        loss = model(ids[None], labels=ids[None]).loss
        loss.backward()
        lines.append(f"{name}\t-\t{loss.item():.9g}")
        for key, parameter in sorted(factors.items()):
            values = parameter.grad.flatten()
            shown = [values.double().norm()] + [values[index] for index in (0, len(values) // 3, 2 * len(values) // 3, len(values) - 1)]
            lines.append("\t".join([name, key.replace(".default", "")] + [f"{value.item():.9g}" for value in shown]))
    with open("experts/gradients.tsv", "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    os.chdir(HERE)
    torch.set_num_threads(1)
    main()
    write_gradients()
