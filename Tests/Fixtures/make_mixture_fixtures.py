"""Writes `mixtures/`: tiny models of every family with experts, with the logits and gradients of transformers.

    pip install torch==2.13.0 transformers==5.23.0 bitsandbytes==0.50.2 accelerate && python3 make_mixture_fixtures.py

Beside each `config.json` and `model.safetensors` lies `reference.safetensors`: `ids` [T], `logits` [T, V], the states `hidden_0` ...
[T, C] as in `transformer/`, `loss` of the ids, and its gradients as `grad.NAME`, by the names of `model.safetensors`; all in float32.
`config-4.json` is the same configuration as transformers 4 wrote it. `nf4` is the model in 4 bits as transformers and bitsandbytes
write it, with its logits; of `llama4` it has the 4-bit layers alone. `gpt_oss-mxfp4` has its experts in MXFP4; its reference is that of the dense values.
"""
import copy
import json
import os
import shutil
import tempfile

# Before torch is loaded: the same sums on every machine.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
import torch
import transformers
from make_bnb_fixtures import HERE, dequantized, quantized, randomized
from safetensors.torch import load_file, save_file

SIZES = dict(
    vocab_size=96, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
ROPE = dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0))
YARN = dict(rope_parameters=dict(
    rope_type="yarn", rope_theta=150000.0, factor=4.0, original_max_position_embeddings=16, truncate=False, beta_fast=32.0, beta_slow=1.0))
GRANITE = dict(attention_multiplier=0.3, embedding_multiplier=3.0, residual_multiplier=0.4, logits_scaling=0.5, tie_word_embeddings=True)
GPT_OSS = dict(head_dim=12, num_local_experts=4, num_experts_per_tok=2, sliding_window=5, swiglu_limit=0.8)


def models():
    yield "mixtral", transformers.MixtralForCausalLM, transformers.MixtralConfig(
        **SIZES, **ROPE, num_local_experts=4, num_experts_per_tok=2, sliding_window=5)
    yield "qwen2_moe", transformers.Qwen2MoeForCausalLM, transformers.Qwen2MoeConfig(
        **SIZES | dict(num_hidden_layers=4), **ROPE, num_experts=5, num_experts_per_tok=3, moe_intermediate_size=20,
        shared_expert_intermediate_size=28, mlp_only_layers=[3], decoder_sparse_step=2, use_sliding_window=True, sliding_window=5,
        max_window_layers=3)
    yield "qwen3_moe", transformers.Qwen3MoeForCausalLM, transformers.Qwen3MoeConfig(
        **SIZES, **ROPE, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=20, norm_topk_prob=True, head_dim=12,
        attention_bias=True)
    yield "olmoe", transformers.OlmoeForCausalLM, transformers.OlmoeConfig(
        **SIZES, **ROPE, num_experts=6, num_experts_per_tok=3, clip_qkv=1.5)
    yield "granitemoe", transformers.GraniteMoeForCausalLM, transformers.GraniteMoeConfig(
        **SIZES, **ROPE, **GRANITE, num_local_experts=4, num_experts_per_tok=2)
    yield "granitemoehybrid", transformers.GraniteMoeHybridForCausalLM, transformers.GraniteMoeHybridConfig(
        **SIZES, **ROPE, **GRANITE, num_local_experts=4, num_experts_per_tok=2, shared_intermediate_size=20,
        layer_types=["full_attention"] * 2, position_embedding_type="rope", mamba_n_heads=4, mamba_d_head=16)
    yield "gpt_oss", transformers.GptOssForCausalLM, transformers.GptOssConfig(**SIZES, **YARN, **GPT_OSS)
    yield "llama4", transformers.Llama4ForCausalLM, transformers.Llama4TextConfig(
        **SIZES | dict(num_hidden_layers=4), **ROPE, head_dim=12, num_local_experts=4, num_experts_per_tok=1, intermediate_size_mlp=28,
        interleave_moe_layer_step=2, attention_chunk_size=6, no_rope_layers=[1, 1, 1, 0], attn_temperature_tuning=True, floor_scale=4,
        attn_scale=0.3)


def config_of_4(config):
    """As transformers 4 spelled it."""
    config = {key: value for key, value in config.items() if key not in ("dtype", "layer_types")}
    rope = dict(config.pop("rope_parameters"))
    config |= dict(torch_dtype="float32", transformers_version="4.46.0", rope_theta=rope.pop("rope_theta"))
    if rope["rope_type"] != "default":
        config["rope_scaling"] = rope
    if config["model_type"] == "qwen3_moe":
        config["num_experts"] = config.pop("num_local_experts", config.get("num_experts"))
    if config["model_type"] == "granitemoehybrid":
        config["layer_types"] = ["attention"] * config["num_hidden_layers"]
    return config


def gradients_as_stored(model):
    """Names and shapes of the file, which transformers knows when it saves: of a model whose weights are the gradients."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter, source in zip(other.parameters(), model.parameters()):
            parameter.copy_(torch.zeros_like(source) if source.grad is None else source.grad)
    with tempfile.TemporaryDirectory() as folder:
        other.save_pretrained(folder)
        return load_file(folder + "/model.safetensors")


def write_reference(model, path, gradients=True, states=True):
    ids = torch.randint(0, model.config.vocab_size, (20,), generator=torch.Generator().manual_seed(5))
    result = model(ids[None], labels=ids[None], output_hidden_states=True)
    tensors = {f"hidden_{index}": hidden[0].detach() for index, hidden in enumerate(result.hidden_states) if states}
    tensors |= {"ids": ids, "logits": result.logits[0].detach()}
    if gradients:
        result.loss.backward()
        tensors["loss"] = result.loss.detach()
        tensors |= {"grad." + name: gradient for name, gradient in gradients_as_stored(model).items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def write_config(folder):
    with open(folder + "/config.json") as file:
        config = json.load(file)
    with open(folder + "/config-4.json", "w") as file:
        json.dump(config_of_4(config), file, indent=2)
        file.write("\n")


def made(name, model_class, config, seed):
    model = randomized(model_class, config, seed)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.mul_(3)
    model.config._attn_implementation = "eager"
    return model.eval()


def write_models():
    for seed, (name, model_class, config) in enumerate(models()):
        folder = "mixtures/" + name
        model = made(name, model_class, config, 2400 + seed)
        model.save_pretrained(folder)
        write_reference(model, folder + "/reference.safetensors")
        write_config(folder)
        if name in ("mixtral", "qwen2_moe", "granitemoe", "llama4"):
            quantized(folder, folder + "/nf4", torch.float32)
            write_reference(twin(folder, model_class), folder + "/nf4/reference.safetensors", gradients=False, states=name != "llama4")
        if name == "llama4":
            keep_quantized(folder + "/nf4/model.safetensors")
        for path in (folder, folder + "/nf4"):
            if os.path.exists(path + "/generation_config.json"):
                os.remove(path + "/generation_config.json")


def keep_quantized(path):
    """Without what the model itself has."""
    tensors = load_file(path)
    weights = {name.removesuffix(".absmax") for name in tensors if name.endswith(".absmax")}
    kept = {name: tensor for name, tensor in tensors.items() if any((name + ".").startswith(weight + ".") for weight in weights)}
    save_file(kept, path, {"format": "pt"})


def twin(folder, model_class):
    """The dense model that the 4-bit one stands for."""
    with tempfile.TemporaryDirectory() as dense:
        shutil.copy(folder + "/config.json", dense)
        save_file(dequantized(folder + "/nf4", lambda name: False), dense + "/model.safetensors", {"format": "pt"})
        return model_class.from_pretrained(dense, attn_implementation="eager", dtype=torch.float32).eval()


VALUES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])


def write_mxfp4():
    """Codes and scales are drawn; the reference is of the values that they stand for."""
    folder = "mixtures/gpt_oss-mxfp4"
    config = transformers.GptOssConfig(**SIZES | dict(intermediate_size=32), **YARN, **GPT_OSS)
    model = made("gpt_oss-mxfp4", transformers.GptOssForCausalLM, config, 2500)
    random = torch.Generator().manual_seed(7)
    packed = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
                continue
            experts, inputs, outputs = parameter.shape
            blocks = torch.randint(0, 256, (experts, outputs, inputs // 32, 16), generator=random, dtype=torch.uint8)
            scales = torch.randint(121, 125, (experts, outputs, inputs // 32), generator=random, dtype=torch.uint8)
            values = torch.stack([VALUES[(blocks & 15).long()], VALUES[(blocks >> 4).long()]], -1).flatten(-2)
            values = values * torch.exp2(scales.float() - 127)[..., None]
            parameter.copy_(values.flatten(-2).transpose(1, 2))
            packed[name + "_blocks"], packed[name + "_scales"] = blocks, scales
    os.makedirs(folder, exist_ok=True)
    dense = {name: parameter.detach() for name, parameter in model.named_parameters() if name + "_blocks" not in packed}
    save_file({name: tensor.contiguous() for name, tensor in (dense | packed).items()}, folder + "/model.safetensors", {"format": "pt"})
    model.config.architectures = ["GptOssForCausalLM"]
    stated = json.loads(model.config.to_json_string())
    stated["quantization_config"] = dict(
        quant_method="mxfp4",
        modules_to_not_convert=["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"])
    with open(folder + "/config.json", "w") as file:
        json.dump(stated, file, indent=2)
        file.write("\n")
    write_reference(model, folder + "/reference.safetensors", gradients=False)


def write_router_loss():
    """`router-loss.tsv`: model, tensor, norm of the gradient and four of its elements, with half of the loss of the routers added to
    that of the text; first that loss itself, as the tensor `-`."""
    lines = []
    for name in ("mixtral", "qwen2_moe", "qwen3_moe"):
        model = transformers.AutoModelForCausalLM.from_pretrained("mixtures/" + name, dtype=torch.float32, attn_implementation="eager")
        ids = load_file(f"mixtures/{name}/reference.safetensors")["ids"]
        # The last token is only predicted: no router sees it.
        result = model(ids[None, :-1], output_router_logits=True)
        (torch.nn.functional.cross_entropy(result.logits[0], ids[1:]) + 0.5 * result.aux_loss).backward()
        lines.append(f"{name}\t-\t{result.aux_loss.item()!r}")
        for tensor, gradient in sorted(gradients_as_stored(model).items()):
            values = gradient.flatten()
            shown = [values[index].item() for index in (0, len(values) // 3, 2 * len(values) // 3, len(values) - 1)]
            lines.append("\t".join([name, tensor, repr(gradient.double().norm().item())] + [repr(value) for value in shown]))
    with open("mixtures/router-loss.tsv", "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    os.chdir(HERE)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    write_models()
    write_mxfp4()
    write_router_loss()
