"""Writes `checkpoints/`: tiny models, and what transformers and bitsandbytes make of them on a CPU.

    pip install torch==2.13.0 transformers==5.23.0 bitsandbytes==0.50.2 accelerate && python3 make_bnb_fixtures.py

Models have random weights. Beside each dense folder lie folders of the same weights in 4 bits as `save_pretrained` writes
them, and `dequantized.tsv`: name, type, shape and crc32c of every tensor of the float32 model that the 4-bit one stands for.
`make_linear_layers.py` adds `linear-layers.tsv.gz`.
"""
import json
import os
import shutil
import warnings

# The mean of the constants depends on the width of torch's vectors and on its threads: this is the order we document.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
import bitsandbytes
import numpy
import torch
import transformers
from safetensors.torch import load_file, save_file

transformers.logging.set_verbosity_error()
warnings.filterwarnings("ignore")
torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))

CRC_TABLE = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    CRC_TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 255]
    return f"{crc ^ 0xFFFFFFFF:08x}"


def checksums(tensors, path):
    """A line a tensor: type, shape, crc32c, name."""
    names = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.uint8: "U8"}
    with open(path, "w") as file:
        for name, tensor in sorted(tensors.items()):
            data = tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
            file.write(f"{names[tensor.dtype]}\t{list(tensor.shape)}\t{crc32c(data)}\t{name}\n")


def randomized(model_class, config, seed):
    """A model whose norms and biases are not trivial and whose weights are large enough to show errors."""
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = model_class(config).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            else:
                parameter.copy_(torch.randn_like(parameter) * 0.08)
    return model


def quantized(source, target, dtype, **options):
    """What loading `source` in 4 bits and saving it again gives."""
    settings = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype, **options}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source, quantization_config=transformers.BitsAndBytesConfig(load_in_4bit=True, **settings), device_map={"": "cpu"},
        dtype=dtype, attn_implementation="eager")
    model.save_pretrained(target)


def dequantized(folder, transposed):
    """The dense float32 tensors that a 4-bit folder stands for.

    By hand: the AVX-512 kernel of bitsandbytes 0.50.2 takes the wrong constants where rows are no multiples of a block.
    """
    stored = load_file(folder + "/model.safetensors")
    result = {}
    for name, tensor in stored.items():
        state_name = name + ".quant_state.bitsandbytes__nf4"
        if state_name in stored:
            state = json.loads(bytes(stored[state_name].numpy()))
            nested = stored[name + ".nested_absmax"].repeat_interleave(256)[: stored[name + ".absmax"].numel()]
            absmax = stored[name + ".nested_quant_map"][stored[name + ".absmax"].long()] * nested + state["nested_offset"]
            codes = torch.stack([tensor.flatten() >> 4, tensor.flatten() & 15], 1).flatten().long()
            values = stored[name + ".quant_map"][codes] * absmax.repeat_interleave(state["blocksize"])[: codes.numel()]
            values = values.reshape(state["shape"])
            result[name] = values.T.contiguous() if transposed(name) else values
        elif not any(part in name for part in (".absmax", ".quant_map", ".nested_", ".quant_state.")):
            result[name] = tensor
    return result


def remove(*folders):
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def make_llama():
    config = transformers.LlamaConfig(
        vocab_size=256, hidden_size=64, intermediate_size=112, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False, rms_norm_eps=1e-5)
    randomized(transformers.LlamaForCausalLM, config, 1000).save_pretrained("llama/dense-f32", max_shard_size="60KB")
    narrow = transformers.LlamaForCausalLM.from_pretrained("llama/dense-f32", dtype=torch.bfloat16)
    narrow.save_pretrained("llama/dense-bf16")
    quantized("llama/dense-f32", "llama/nf4-f32", torch.float32)
    quantized("llama/dense-bf16", "llama/nf4-bf16", torch.bfloat16)
    quantized("llama/dense-bf16", "llama/fp4-plain-bf16", torch.bfloat16, bnb_4bit_quant_type="fp4", bnb_4bit_use_double_quant=False)
    checksums(dequantized("llama/nf4-f32", lambda name: False), "llama/dequantized.tsv")


def make_gpt2():
    config = transformers.GPT2Config(
        vocab_size=211, n_positions=64, n_embd=48, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    randomized(transformers.GPT2LMHeadModel, config, 1002).save_pretrained("gpt2/dense-f32")
    narrow = transformers.GPT2LMHeadModel.from_pretrained("gpt2/dense-f32", dtype=torch.bfloat16)
    narrow.save_pretrained("gpt2/dense-bf16")
    quantized("gpt2/dense-f32", "gpt2/nf4-f32", torch.float32)
    quantized("gpt2/dense-bf16", "gpt2/nf4-bf16", torch.bfloat16)
    checksums(dequantized("gpt2/nf4-f32", lambda name: ".c_" in name), "gpt2/dequantized.tsv")


def make_gpt2_tensorflow():
    """The Hugging Face twin of `tensorflow/openai`, in 4 bits, and the files that make the bundle OpenAI's."""
    layers, width, heads, vocabulary, context = 2, 48, 4, 300, 64
    generator = numpy.random.Generator(numpy.random.PCG64(42))

    def draw(*shape):
        return torch.from_numpy((generator.standard_normal(shape) * 0.08).astype(numpy.float32))

    # In the order in which `tensorflow/make_fixtures.py` draws them.
    state = {"transformer.wpe.weight": draw(context, width), "transformer.wte.weight": draw(vocabulary, width)}
    for layer in range(layers):
        base = f"transformer.h.{layer}."
        for norm in ("ln_1", "ln_2"):
            state[base + norm + ".weight"] = 1 + draw(width)
            state[base + norm + ".bias"] = draw(width)
        for name, inputs, outputs in (
            ("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width), ("mlp.c_fc", width, 4 * width), ("mlp.c_proj", 4 * width, width),
        ):
            state[base + name + ".weight"] = draw(1, inputs, outputs)[0]
            state[base + name + ".bias"] = draw(outputs)
    state["transformer.ln_f.weight"] = 1 + draw(width)
    state["transformer.ln_f.bias"] = draw(width)
    config = transformers.GPT2Config(
        vocab_size=vocabulary, n_positions=context, n_embd=width, n_layer=layers, n_head=heads, bos_token_id=vocabulary - 1,
        eos_token_id=vocabulary - 1)
    model = transformers.GPT2LMHeadModel(config).float().eval()
    missing = model.load_state_dict(state, strict=False)
    assert missing.missing_keys in ([], ["lm_head.weight"]) and not missing.unexpected_keys, missing
    model.save_pretrained("twin")
    quantized("twin", "gpt2-tensorflow/nf4-f32", torch.float32)
    checksums(load_file("twin/model.safetensors"), "gpt2-tensorflow/dense.tsv")
    remove("twin")
    parameters = {"n_vocab": vocabulary, "n_ctx": context, "n_embd": width, "n_head": heads, "n_layer": layers}
    json.dump(parameters, open("gpt2-tensorflow/hparams.json", "w"))
    json.dump({"<|endoftext|>": vocabulary - 1, "a": 0}, open("gpt2-tensorflow/encoder.json", "w"))
    open("gpt2-tensorflow/vocab.bpe", "w").write("#version: 0.2\na b\n")


def make_variants():
    """One small model in the less common ways of storing it."""
    config = transformers.LlamaConfig(
        vocab_size=32, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        head_dim=32, max_position_embeddings=32, tie_word_embeddings=False)
    randomized(transformers.LlamaForCausalLM, config, 7).to(torch.bfloat16).save_pretrained("variants/dense-bf16")
    source, dtype = "variants/dense-bf16", torch.bfloat16
    quantized(source, "variants/storage-bf16", dtype, bnb_4bit_quant_storage=torch.bfloat16)
    quantized(source, "variants/storage-f32", dtype, bnb_4bit_quant_storage=torch.float32)
    quantized(source, "variants/skipped", dtype, llm_int8_skip_modules=["lm_head", "down_proj"], bnb_4bit_compute_dtype=torch.float16)
    # transformers knows no block size but 64; bitsandbytes itself does, and a quant state says which.
    tensors = {}
    for name, tensor in load_file(source + "/model.safetensors").items():
        if name.endswith("_proj.weight"):
            codes, state = bitsandbytes.functional.quantize_4bit(tensor, blocksize=128, compress_statistics=True, quant_type="nf4")
            tensors[name] = codes
            tensors |= {f"{name}.{key}": value for key, value in state.as_dict(packed=True).items()}
        else:
            tensors[name] = tensor
    os.makedirs("variants/block128")
    save_file(tensors, "variants/block128/model.safetensors", metadata={"format": "pt"})
    shutil.copy("variants/storage-bf16/config.json", "variants/block128/config.json")


if __name__ == "__main__":
    remove(HERE + "/checkpoints")
    os.makedirs(HERE + "/checkpoints")
    os.chdir(HERE + "/checkpoints")
    make_llama()
    make_gpt2()
    make_gpt2_tensorflow()
    make_variants()
    for folder, _, files in os.walk("."):
        for file in files:
            os.chmod(os.path.join(folder, file), 0o644)
