"""Writes `families/`: tiny models of the dense families, each in the ways its configuration offers, with what transformers computes.

    pip install torch==2.13.0 transformers==5.23.0 bitsandbytes==0.50.2 peft==0.21.2 accelerate && python3 make_family_fixtures.py [NAME ...]

Beside `config.json` (transformers 5), `config-4.json` (the same as transformers 4 spelled it) and `model.safetensors` lies
`reference.safetensors`: `ids` [T], `logits` [T, V], `loss` of the ids and its gradients as `grad.NAME`. Of some, `nf4` is the same in
4 bits as transformers and bitsandbytes write it, with its logits. Weights are so large that a wrong angle, norm or factor shows, windows
and contexts of pretraining shorter than the text. `adapter` is a LoRA adapter of every linear layer, as PEFT writes it, with the logits
of the model with it in `adapter-reference.safetensors`.
"""
import json
import os
import shutil
import sys

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
import peft
import torch
import transformers
from make_bnb_fixtures import HERE, dequantized, quantized
from safetensors.torch import save_file

LENGTH = 20
SIZES = dict(
    vocab_size=40, hidden_size=32, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)
EVEN = {"num_key_value_heads": None}
OLD = EVEN | {"intermediate_size": None}


def families():
    """Name: model_type, and members beside SIZES (None takes one out)."""
    longrope = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.2], long_factor=[1.5, 4.0])
    return {
        "llama-yarn": ("llama", dict(rope_parameters=YARN)),
        "llama-yarn-scales": ("llama", dict(
            head_dim=12, rope_parameters=YARN | dict(mscale=1.2, mscale_all_dim=0.7, beta_fast=4.0, beta_slow=1.0, truncate=False))),
        "llama-dynamic": ("llama", dict(
            max_position_embeddings=12, rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0))),
        "phi3": ("phi3", dict(
            sliding_window=9, original_max_position_embeddings=16, rope_parameters=longrope | dict(partial_rotary_factor=0.5))),
        "phi3-short": ("phi3", dict(
            original_max_position_embeddings=32, tie_word_embeddings=True,
            rope_parameters=longrope | dict(short_factor=[1.0, 1.2, 1.5, 2.0], long_factor=[1.5, 2.0, 3.0, 9.0]))),
        "phi": ("phi", dict(num_key_value_heads=4)),
        "phi-norms": ("phi", dict(qk_layernorm=True, rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.25))),
        "smollm3": ("smollm3", dict(num_hidden_layers=4, no_rope_layer_interval=2)),
        "smollm3-windows": ("smollm3", dict(
            no_rope_layers=[1, 0], attention_bias=True, mlp_bias=True, tie_word_embeddings=False, use_sliding_window=True, sliding_window=7)),
        "granite": ("granite", dict(
            embedding_multiplier=6.0, logits_scaling=3.0, residual_multiplier=0.5, attention_multiplier=0.2, attention_bias=True, mlp_bias=True)),
        "granite4": ("granitemoehybrid", dict(
            layer_types=["full_attention"] * 2, num_local_experts=0, num_experts_per_tok=0, shared_intermediate_size=28,
            position_embedding_type="rope", embedding_multiplier=12.0, logits_scaling=4.0, residual_multiplier=0.25,
            attention_multiplier=0.0625, tie_word_embeddings=True, mamba_n_heads=4, mamba_expand=2)),
        "ministral": ("ministral", dict(
            head_dim=12, sliding_window=6, num_hidden_layers=3, layer_types=["full_attention", "sliding_attention", "sliding_attention"])),
        "ministral3": ("ministral3", dict(head_dim=12, sliding_window=9, rope_parameters=YARN | dict(
            original_max_position_embeddings=6, mscale=1.0, mscale_all_dim=0.5, llama_4_scaling_beta=0.3))),
        "olmo": ("olmo", dict(clip_qkv=0.5, tie_word_embeddings=True)),
        "olmo2": ("olmo2", dict(attention_bias=True)),
        "olmo3": ("olmo3", dict(num_hidden_layers=4, sliding_window=8, rope_parameters={
            "full_attention": YARN | dict(rope_theta=500000.0, attention_factor=1.2),
            "sliding_attention": dict(rope_type="default", rope_theta=500000.0)})),
        "exaone4": ("exaone4", dict(num_hidden_layers=3, sliding_window=8, sliding_window_pattern=3)),
        "exaone4-full": ("exaone4", dict(sliding_window=None, layer_types=["full_attention"] * 2)),
        "glm": ("glm", dict(head_dim=12)),
        "glm4": ("glm4", dict(head_dim=16, attention_bias=False)),
        "cohere": ("cohere", dict(use_qk_norm=True)),
        "cohere-biased": ("cohere", dict(logit_scale=0.25, attention_bias=True)),
        "cohere2": ("cohere2", dict(num_hidden_layers=3, sliding_window=5, sliding_window_pattern=3)),
        "stablelm": ("stablelm", dict(use_qkv_bias=True)),
        "stablelm-parallel": ("stablelm", dict(use_parallel_residual=True)),
        "starcoder2": ("starcoder2", dict(sliding_window=9)),
        "seed_oss": ("seed_oss", dict(head_dim=12)),
        "seed_oss-biased": ("seed_oss", dict(head_dim=None, attention_out_bias=True, mlp_bias=True)),
        "arcee": ("arcee", dict(mlp_bias=True)),
        "nemotron": ("nemotron", dict(attention_bias=True)),
        "gpt_neox": ("gpt_neox", EVEN),
        "gpt_neox-sequential": ("gpt_neox", EVEN | dict(use_parallel_residual=False, rotary_pct=0.5, attention_bias=False)),
        "gptj": ("gptj", dict(
            OLD, hidden_size=None, num_hidden_layers=None, num_attention_heads=None, max_position_embeddings=None, n_embd=32, n_layer=2,
            n_head=4, n_positions=64, rotary_dim=4, n_inner=20)),
        "opt": ("opt", OLD | dict(ffn_dim=20)),
        "bloom": ("bloom", OLD | dict(n_layer=2, n_head=4, num_hidden_layers=None, num_attention_heads=None)),
        "bloom-normed": ("bloom", OLD | dict(
            n_layer=2, n_head=6, hidden_size=24, num_hidden_layers=None, num_attention_heads=None, apply_residual_connection_post_layernorm=True)),
        "falcon": ("falcon", OLD),
        "falcon-sequential": ("falcon", OLD | dict(
            hidden_size=24, num_attention_heads=6, alibi=True, multi_query=False, parallel_attn=False, bias=True)),
        "falcon-groups": ("falcon", OLD | dict(new_decoder_architecture=True, num_kv_heads=2)),
        "falcon-groups-one-norm": ("falcon", OLD | dict(
            new_decoder_architecture=True, num_kv_heads=2, bias=True, num_ln_in_parallel_attn=1, ffn_hidden_size=20)),
        "opt-sums": ("opt", OLD | dict(ffn_dim=20, do_layer_norm_before=False, word_embed_proj_dim=24)),
        "stablelm-norms": ("stablelm", dict(qk_layernorm=True, use_parallel_residual=True)),
    }


FOUR_BIT = ["opt-sums", "phi3", "glm4", "gpt_neox", "bloom", "opt", "cohere", "gptj", "granite4", "falcon"]


ADAPTED = {
    "phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    "bloom": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
    "falcon-groups": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
}


def older(config):
    """The members as transformers 4 wrote them: base, share and scaling of rotations beside each other."""
    config = {key: value for key, value in config.items() if key != "dtype"}
    config |= {"transformers_version": "4.46.0", "torch_dtype": "float32"}
    rope = config.pop("rope_parameters", None)
    if rope is None:
        return config
    rope = dict(rope.get("full_attention", rope))
    is_neox = config["model_type"] == "gpt_neox"
    for key, older_key in [("rope_theta", "rotary_emb_base" if is_neox else "rope_theta"),
                           ("partial_rotary_factor", "rotary_pct" if is_neox else "partial_rotary_factor")]:
        value = rope.pop(key, None)
        if value is not None and not (key == "partial_rotary_factor" and value == 1):
            config[older_key] = value
    kind = rope.pop("rope_type", "default")
    rope.pop("type", None)
    if kind != "default":
        config["rope_scaling"] = {"rope_type": kind} | rope
    return config


def stored_name(model_type, key, back=False):
    """What files call a parameter; with `back` what memory calls it."""
    names = ("lm_head.", "embed_out.") if model_type == "gpt_neox" else ("", "")
    return key.replace(*reversed(names) if back else names) if key.startswith(names[back]) and names[0] else key


def logits(model, ids):
    with torch.no_grad():
        return model(ids[None], use_cache=False).logits[0].contiguous()


def write(name, model_type, members, seed):
    folder = "families/" + name
    shutil.rmtree(folder, ignore_errors=True)
    members = {key: value for key, value in (SIZES | members).items() if value is not None or key in ("sliding_window", "head_dim") and key in members}
    # The eager attention of Falcon adds its biases twice in 5.23; the other, which is the default, once.
    attention = "sdpa" if members.get("alibi") else "eager"
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(model_type, **members)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).float().eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim == 1 or "norm" in key:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            else:
                parameter.copy_(torch.randn_like(parameter) * (0.3 if "embed" in key or "wte" in key else 0.2))
    model.save_pretrained(folder)
    if os.path.exists(folder + "/generation_config.json"):
        os.remove(folder + "/generation_config.json")
    config = json.load(open(folder + "/config.json"))
    ids = torch.randint(3, config["vocab_size"], (LENGTH,), generator=torch.Generator().manual_seed(seed))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32).eval()
    loss = model(ids[None], labels=ids[None], use_cache=False).loss
    loss.backward()
    tensors = {"ids": ids, "logits": logits(model, ids), "loss": loss.detach()}
    tensors |= {"grad." + stored_name(model_type, key): parameter.grad.contiguous() for key, parameter in model.named_parameters()}
    save_file(tensors, folder + "/reference.safetensors")
    with open(folder + "/config-4.json", "w") as file:
        json.dump(older(config), file, indent=1)
    check_older(folder, attention, ids, tensors["logits"])
    if name in FOUR_BIT:
        quantized(folder, folder + "/nf4", torch.float32)
        twin = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32).eval()
        stored = {stored_name(model_type, key, back=True): value for key, value in dequantized(folder + "/nf4", lambda key: False).items()}
        missing, unexpected = twin.load_state_dict(stored, strict=False)
        assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
        twin.tie_weights()
        save_file({"ids": ids, "logits": logits(twin, ids)}, folder + "/nf4/reference.safetensors")
    print(name, "largest logit", float(tensors["logits"].abs().max()), "loss", float(loss), flush=True)


def check_older(folder, attention, ids, expected):
    """Both spellings are the same model to transformers."""
    copy = folder + "-4"
    os.makedirs(copy, exist_ok=True)
    shutil.copy(folder + "/config-4.json", copy + "/config.json")
    shutil.copy(folder + "/model.safetensors", copy)
    model = transformers.AutoModelForCausalLM.from_pretrained(copy, attn_implementation=attention, dtype=torch.float32).eval()
    assert (logits(model, ids) - expected).abs().max() == 0, folder
    shutil.rmtree(copy)


def adapt(name, modules, seed):
    """Of matrices that hold several projections each: PEFT has one pair of factors for each of them."""
    folder = "families/" + name
    shutil.rmtree(folder + "/adapter", ignore_errors=True)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=6, target_modules=modules)).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder + "/adapter")
    os.remove(folder + "/adapter/README.md")
    ids = torch.randint(3, model.config.vocab_size, (LENGTH,), generator=torch.Generator().manual_seed(seed))
    save_file({"ids": ids, "logits": logits(model, ids)}, folder + "/adapter-reference.safetensors")


if __name__ == "__main__":
    os.chdir(HERE)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    os.makedirs("families", exist_ok=True)
    wanted = sys.argv[1:]
    for index, (name, (model_type, members)) in enumerate(families().items()):
        if not wanted or name in wanted:
            write(name, model_type, members, 4000 + index)
    for index, (name, modules) in enumerate(ADAPTED.items()):
        if not wanted or name in wanted:
            adapt(name, modules, 5000 + index)
    for folder, _, files in os.walk("families"):
        for file in files:
            os.chmod(os.path.join(folder, file), 0o644)
