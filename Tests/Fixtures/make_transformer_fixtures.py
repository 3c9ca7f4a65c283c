"""Writes `transformer/`: tiny models of every family that can be run, with the logits and hidden states of transformers.

    pip install torch==2.13.0 transformers==5.23.0 bitsandbytes==0.50.2 peft==0.21.2 accelerate && python3 make_transformer_fixtures.py

Beside each `config.json` and `model.safetensors` lies `reference.safetensors`: `ids` [T], `logits` [T, V], and `hidden_0` ...
[T, C], the states before the first layer, after each layer, and (the last one) after the final norm; all in float32.
`transformer/nf4-llama` and `nf4-gpt2` hold the reference alone, of the models in `checkpoints/*/nf4-f32`, and
`tensorflow-gpt2` of `tensorflow/openai`; `adapted` has the logits of models with the adapters in `adapters`. The references of
`gpt2-*`, which differ in how a GPT-2 may be configured, and of `gemma*` have `loss` of the ids, and its gradients as `grad.NAME`.
"""
import json
import os

# Before torch is loaded: the same sums on every machine.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
import numpy
import peft
import torch
import transformers
from make_bnb_fixtures import HERE, dequantized, quantized, randomized, remove
from safetensors.torch import load_file, save_file

LLAMA = dict(
    vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)


def rope(theta, **scaling):
    return {"rope_parameters": {"rope_theta": theta, "rope_type": "default", **scaling}}


def models():
    yield "gpt2", transformers.GPT2LMHeadModel, transformers.GPT2Config(
        vocab_size=101, n_positions=32, n_embd=24, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=0)
    yield "llama-biased", transformers.LlamaForCausalLM, transformers.LlamaConfig(
        **LLAMA, **rope(10000.0, rope_type="linear", factor=2.0), attention_bias=True, mlp_bias=True)
    scaling = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
    yield "llama3", transformers.LlamaForCausalLM, transformers.LlamaConfig(
        **LLAMA, **rope(500000.0, **scaling), tie_word_embeddings=True, head_dim=12)
    yield "mistral", transformers.MistralForCausalLM, transformers.MistralConfig(**LLAMA, **rope(10000.0), sliding_window=5)
    yield "qwen2", transformers.Qwen2ForCausalLM, transformers.Qwen2Config(**LLAMA, **rope(1000000.0), tie_word_embeddings=True)
    yield "qwen3", transformers.Qwen3ForCausalLM, transformers.Qwen3Config(**LLAMA, **rope(1000000.0), head_dim=24)


def write_reference(model, path, states=True):
    ids = torch.randint(0, model.config.vocab_size, (20,), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        result = model(ids[None], output_hidden_states=True)
    tensors = {f"hidden_{index}": hidden[0] for index, hidden in enumerate(result.hidden_states) if states}
    tensors |= {"ids": ids, "logits": result.logits[0]}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def write_dense():
    for seed, (name, model_class, config) in enumerate(models()):
        model = randomized(model_class, config, 2000 + seed)
        model.save_pretrained("transformer/" + name)
        os.remove(f"transformer/{name}/generation_config.json")
        write_reference(model, f"transformer/{name}/reference.safetensors")


def write_gpt2_variants():
    """Weights so large that activations and scores are not nearly linear: a wrong one shows."""
    variants = {
        "gelu": dict(activation_function="gelu"),
        "gelu-fast": dict(activation_function="gelu_fast", scale_attn_by_inverse_layer_idx=True),
        "relu": dict(activation_function="relu", scale_attn_weights=False),
        "silu": dict(activation_function="silu", scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True),
    }
    for seed, (name, options) in enumerate(variants.items()):
        folder = "transformer/gpt2-" + name
        config = transformers.GPT2Config(
            vocab_size=61, n_positions=32, n_embd=12, n_layer=3, n_head=3, n_inner=20, bos_token_id=0, eos_token_id=0,
            attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, **options)
        model = randomized(transformers.GPT2LMHeadModel, config, 2100 + seed)
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "c_fc" in parameter_name or "c_attn" in parameter_name:
                    parameter.mul_(6)
        model.save_pretrained(folder)
        os.remove(folder + "/generation_config.json")
        write_reference(model, folder + "/reference.safetensors")
        add_gradients(model, folder + "/reference.safetensors")


def add_gradients(model, path):
    tensors = load_file(path)
    loss = model(tensors["ids"][None], labels=tensors["ids"][None]).loss
    loss.backward()
    tensors["loss"] = loss.detach()
    tensors |= {"grad." + parameter_name: parameter.grad for parameter_name, parameter in model.named_parameters()}
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)


def gemmas():
    """Windows shorter than the text, caps that bend most scores and logits, and a factor of scores that is not the width of a head."""
    sizes = LLAMA | dict(head_dim=12)
    later = sizes | dict(query_pre_attn_scalar=20, sliding_window=5)
    yield "gemma", transformers.GemmaForCausalLM, transformers.GemmaConfig(**sizes, **rope(10000.0))
    yield "gemma2", transformers.Gemma2ForCausalLM, transformers.Gemma2Config(
        **later | dict(num_hidden_layers=3), **rope(10000.0), attn_logit_softcapping=2.0, final_logit_softcapping=3.0)
    rotations = {"full_attention": dict(rope_type="linear", rope_theta=1000000.0, factor=8.0),
                 "sliding_attention": dict(rope_type="default", rope_theta=10000.0)}
    yield "gemma3", transformers.Gemma3ForCausalLM, transformers.Gemma3TextConfig(
        **later | dict(num_hidden_layers=4), rope_parameters=rotations, sliding_window_pattern=3)


def write_gemmas():
    """With gradients of the loss, and `nf4`: the same in 4 bits as transformers and bitsandbytes write it, with its logits."""
    for seed, (name, model_class, config) in enumerate(gemmas()):
        folder = "transformer/" + name
        model = randomized(model_class, config, 2200 + seed)
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if parameter.ndim == 2:
                    parameter.mul_(3)
        model.save_pretrained(folder)
        os.remove(folder + "/generation_config.json")
        write_reference(model, folder + "/reference.safetensors")
        add_gradients(model, folder + "/reference.safetensors")
        quantized(folder, folder + "/nf4", torch.float32)
        twin = model_class(config).float().eval()
        missing, unexpected = twin.load_state_dict(dequantized(folder + "/nf4", lambda tensor: False), strict=False)
        assert set(missing) <= {"lm_head.weight"} and not unexpected
        twin.tie_weights()
        write_reference(twin, folder + "/nf4/reference.safetensors", states=False)


def write_quantized(name, model_class):
    os.makedirs(f"transformer/nf4-{name}", exist_ok=True)
    write_reference(load_quantized(name, model_class), f"transformer/nf4-{name}/reference.safetensors")


def load_quantized(name, model_class):
    """The float32 model that the 4-bit one stands for: `dequantized` says why not by loading the 4-bit model."""
    config = transformers.AutoConfig.from_pretrained(f"checkpoints/{name}/dense-f32")
    config._attn_implementation = "eager"
    model = model_class(config).float().eval()
    missing, unexpected = model.load_state_dict(dequantized(f"checkpoints/{name}/nf4-f32", lambda tensor: ".c_" in tensor), strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected
    model.tie_weights()
    return model


def write_adapted():
    """Of the models in `checkpoints/*/dense-f32` (and one 4-bit one) with the adapters in `adapters`."""
    classes = {"llama": transformers.LlamaForCausalLM, "gpt2": transformers.GPT2LMHeadModel}
    os.makedirs("transformer/adapted")
    for name in sorted(os.listdir("adapters")):
        if not os.path.isdir("adapters/" + name):
            continue
        family = name.split("-")[0]
        base = classes[family].from_pretrained(f"checkpoints/{family}/dense-f32", dtype=torch.float32, attn_implementation="eager")
        model = peft.PeftModel.from_pretrained(base, "adapters/" + name).eval()
        write_reference(model, f"transformer/adapted/{name}.safetensors", states=False)
    for family, model_class in classes.items():
        model = peft.PeftModel.from_pretrained(load_quantized(family, model_class), f"adapters/{family}-plain").eval()
        write_reference(model, f"transformer/adapted/nf4-{family}-plain.safetensors", states=False)


def write_tensorflow():
    """Of the weights in `tensorflow/openai`, read from its data file: float32 variables in the order of their names."""
    shape = json.load(open("checkpoints/gpt2-tensorflow/hparams.json"))
    config = transformers.GPT2Config(
        vocab_size=shape["n_vocab"], n_positions=shape["n_ctx"], n_embd=shape["n_embd"], n_layer=shape["n_layer"],
        n_head=shape["n_head"])
    config._attn_implementation = "eager"
    model = transformers.GPT2LMHeadModel(config).float().eval()
    variables = {}
    for name, parameter in model.transformer.named_parameters():
        *modules, last = name.removeprefix("h.").split(".")
        path = ("h" if name.startswith("h.") else "") + "/".join(modules)
        suffix = "" if path in ("wte", "wpe") else "/b" if last == "bias" else "/g" if "ln_" in path else "/w"
        variables["model/" + path + suffix] = parameter
    data = numpy.fromfile("tensorflow/openai/model.ckpt.data-00000-of-00001", dtype="<f4")
    assert data.size == sum(parameter.numel() for parameter in variables.values())
    offset = 0
    with torch.no_grad():
        for _, parameter in sorted(variables.items()):
            parameter.copy_(torch.from_numpy(data[offset:offset + parameter.numel()].reshape(parameter.shape)))
            offset += parameter.numel()
    os.makedirs("transformer/tensorflow-gpt2")
    write_reference(model, "transformer/tensorflow-gpt2/reference.safetensors")


if __name__ == "__main__":
    os.chdir(HERE)
    remove("transformer")
    os.makedirs("transformer")
    write_dense()
    write_gpt2_variants()
    write_gemmas()
    write_quantized("llama", transformers.LlamaForCausalLM)
    write_quantized("gpt2", transformers.GPT2LMHeadModel)
    write_adapted()
    write_tensorflow()
    for folder, _, files in os.walk("transformer"):
        for file in files:
            os.chmod(os.path.join(folder, file), 0o644)
