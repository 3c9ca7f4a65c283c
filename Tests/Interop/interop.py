"""Our files and the real libraries: what they read of ours, and what we read of theirs, compared bit for bit.

    python Tests/Interop/interop.py --bin .build/release

Needs numpy; each check also names the libraries it needs (torch, transformers, peft, bitsandbytes, safetensors, tensorflow,
with the versions in samples/scripts/requirements.txt) and is skipped, with the reason, where they are not installed.
Exit status 1 where a check fails.
"""
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# torch sums the mean of the constants in an order that depends on the vector width and the number of threads; this is
# the one that .qnf files are written in (formats/bitsandbytes-4bit.md).
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CHECKS = []


def check(*libraries):
    """Registers a check that needs these libraries."""
    return lambda function: CHECKS.append((function, libraries)) or function


class Failed(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failed(message)


class Tools:
    """The binaries, and a folder for what they write."""

    def __init__(self, folder, work):
        self.folder, self.work = Path(folder), Path(work)

    def run(self, tool, *arguments):
        command = [str(self.folder / tool), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        expect(done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def quantized(self, sample):
        path = self.work / f"{sample}.qnf"
        if not path.exists():
            self.run("qconvert", "to-nf4", SAMPLES / sample, "-o", path)
        return path

    def exported(self, source, name, *options):
        path = self.work / name
        if not path.exists():
            self.run("qconvert", "to-hf", source, "-o", path, *options)
        return path


def bits(tensor):
    """The bytes of a torch tensor, whatever its type."""
    import torch

    return tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def logits(folder):
    """Logits of fixed ids, in float32."""
    from transformers import AutoModelForCausalLM

    return logits_of(AutoModelForCausalLM.from_pretrained(folder, device_map={"": "cpu"}, attn_implementation="eager"))


def logits_of(model):
    import torch

    torch.set_num_threads(1)
    model.eval()
    for module in model.modules():
        # In eval mode bitsandbytes repacks weights on CPUs with AVX512-BF16 and computes something else.
        if type(module).__name__ == "Linear4bit":
            module.train()
    ids = (torch.arange(96).reshape(2, 48) * 37) % model.config.get_text_config().vocab_size
    with torch.no_grad():
        return model(input_ids=ids).logits.float()


def same_tensors(ours, theirs):
    expect(set(ours) == set(theirs), f"names differ: {sorted(set(ours) ^ set(theirs))[:5]}")
    wrong = [n for n in theirs if ours[n].shape != theirs[n].shape or bits(ours[n]) != bits(theirs[n])]
    expect(not wrong, f"{len(wrong)} of {len(theirs)} tensors differ, the first is {wrong[:1]}")
    return len(theirs)


@check("safetensors", "torch")
def safetensors_opens_a_qnf(tools):
    from safetensors import safe_open

    with safe_open(tools.quantized("llama-hf"), framework="pt") as file:
        names = list(file.keys())
        expect(file.metadata()["qnf.version"] == "1", "metadata")
        config = bytes(file.get_tensor("qnf.file/config.json").numpy())
    expect(config == (SAMPLES / "llama-hf/config.json").read_bytes(), "config.json came out changed")
    return f"{len(names)} tensors"


@check("transformers", "bitsandbytes", "torch", "safetensors")
def our_conversion_is_that_of_transformers(tools):
    """transformers quantizes the model now, on this machine; our folder of the same model holds the same bytes."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    torch.set_num_threads(1)
    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16)
    counts = []
    for sample, source in [("llama-hf", SAMPLES / "llama-hf"),
                           ("gpt2-tensorflow", tools.exported(SAMPLES / "gpt2-tensorflow", "gpt2-dense"))]:
        model = AutoModelForCausalLM.from_pretrained(source, quantization_config=settings, device_map={"": "cpu"}, dtype="auto")
        theirs = tools.work / f"theirs-{sample}"
        model.save_pretrained(theirs)
        ours = tools.exported(tools.quantized(sample), f"{sample}-4bit")
        counts.append(same_tensors(load_file(ours / "model.safetensors"), load_file(theirs / "model.safetensors")))
        a, b = (json.loads((f / "config.json").read_text())["quantization_config"] for f in (ours, theirs))
        del a["bnb_4bit_compute_dtype"], b["bnb_4bit_compute_dtype"]
        expect(a == b, f"quantization_config differs: {a} and {b}")
    return f"{' + '.join(map(str, counts))} tensors equal, quantization_config too"


@check("transformers", "bitsandbytes", "torch")
def transformers_loads_what_we_export(tools):
    """Equal logits: exported folder, folder with a link to the .qnf, and the checkpoint transformers wrote."""
    qnf = tools.quantized("llama-hf")
    ours = tools.exported(qnf, "llama-hf-4bit")
    link = tools.work / "llama-link"
    link.mkdir()
    (link / "model.safetensors").symlink_to(qnf)
    (link / "config.json").write_bytes((ours / "config.json").read_bytes())
    theirs = logits(SAMPLES / "llama-bnb4")
    for folder in (ours, link):
        difference = (logits(folder) - theirs).abs().max().item()
        expect(difference == 0, f"logits of {folder.name} differ by {difference}")
    dense = tools.exported(qnf, "llama-dense", "--dequantize", "--dtype", "f32")
    loss = (logits(dense) - theirs).abs().max().item() / theirs.abs().max().item()
    expect(loss < 0.02, f"dense f32 and 4-bit in bf16 differ by {loss}")
    return f"difference 0.0 to transformers' own; dense f32 against bf16 arithmetic {loss:.1e} relative"


SMALL = dict(
    vocab_size=96, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
    max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)
MIXTURE = dict(SMALL, moe_intermediate_size=64, num_experts=4, num_experts_per_tok=2)
# One family of each kind: class, configuration, options of to-nf4 that leave layers dense.
FAMILIES = [
    ("LlamaForCausalLM", dict(SMALL), ["--keep", "layers.1.*down_proj"]),
    ("GPTNeoXForCausalLM", dict(SMALL), ["--keep", "layers.0.*dense_h_to_4h"]),
    ("OPTForCausalLM", dict(
        vocab_size=96, hidden_size=64, ffn_dim=64, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64,
        word_embed_proj_dim=32), []),
    ("FalconForCausalLM", dict(vocab_size=96, hidden_size=64, num_hidden_layers=2, num_attention_heads=2), []),
    ("MixtralForCausalLM", dict(SMALL, num_local_experts=4, num_experts_per_tok=2), []),
    ("Qwen2MoeForCausalLM", dict(MIXTURE, shared_expert_intermediate_size=64), []),
    ("Qwen3MoeForCausalLM", dict(MIXTURE, head_dim=32), []),
    ("OlmoeForCausalLM", dict(MIXTURE), []),
    ("GraniteMoeForCausalLM", dict(SMALL, num_local_experts=4, num_experts_per_tok=2), []),
    ("JetMoeForCausalLM", dict(
        vocab_size=96, hidden_size=64, num_hidden_layers=2, num_key_value_heads=2, kv_channels=32, intermediate_size=64,
        max_position_embeddings=64, num_local_experts=4, num_experts_per_tok=2, pad_token_id=0), []),
    ("GptOssForCausalLM", dict(SMALL, num_local_experts=4, head_dim=32), []),
    ("DeepseekV3ForCausalLM", dict(
        SMALL, moe_intermediate_size=64, n_routed_experts=4, n_group=2, topk_group=1, num_experts_per_tok=2, first_k_dense_replace=1,
        kv_lora_rank=32, q_lora_rank=32, qk_rope_head_dim=16, qk_nope_head_dim=16, v_head_dim=32), []),
    ("DistilBertForSequenceClassification", dict(
        vocab_size=96, dim=64, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64), []),
    ("DistilBertForSequenceClassification", dict(
        vocab_size=96, dim=64, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64), ["--keep", "^classifier"]),
    ("BertForTokenClassification", {k: v for k, v in SMALL.items() if k != "num_key_value_heads"}, []),
    ("LlamaForSequenceClassification", dict(SMALL), []),
]


@check("transformers", "bitsandbytes", "torch", "safetensors")
def folders_of_all_kinds_of_families_load(tools):
    """Exported folders load in transformers; where nothing is kept on request, they are what transformers makes, byte for byte."""
    import torch
    import transformers
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    settings = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32)
    equal = worst = 0
    for number, (name, options, kept) in enumerate(FAMILIES):
        model_class = getattr(transformers, name)
        torch.manual_seed(number)
        config = model_class.config_class(**options)
        dense, qnf = tools.work / f"family-{number}", tools.work / f"family-{number}.qnf"
        model_class(config).to(torch.float32).save_pretrained(dense)
        theirs = tools.work / f"family-{number}-theirs"
        twin = model_class.from_pretrained(dense, quantization_config=settings, device_map={"": "cpu"}, dtype=torch.float32)
        twin.save_pretrained(theirs)
        expected = logits_of(twin)
        for matching in ([], ["--match-transformers"]):
            path = tools.work / f"family-{number}-ours-{len(matching)}"
            tools.run("qconvert", "to-nf4", dense, "-o", qnf, "--force", *kept, *matching)
            tools.run("qconvert", "to-hf", qnf, "-o", path)
            ours, other = load_file(path / "model.safetensors"), load_file(theirs / "model.safetensors")
            if matching and not kept:
                equal += same_tensors(ours, other)
            found = logits_of(model_class.from_pretrained(path, device_map={"": "cpu"}, dtype=torch.float32))
            difference = (found - expected).abs().max().item() / expected.abs().max().item()
            # Experts that were 4-bit on the way, or layers that stayed dense, are other numbers; what is all the same is equal.
            limit = 0 if ours.keys() == other.keys() and all(bits(ours[n]) == bits(other[n]) for n in other) else 0.5
            expect(difference <= limit, f"{name} {kept}: logits differ by {difference} of the largest")
            worst = max(worst, difference)
    return f"{len(FAMILIES)} models, {equal} tensors equal, logits within {worst:.1e}"


@check("transformers", "bitsandbytes", "torch", "safetensors")
def folders_of_given_models_load(tools):
    """The same of models that QNF_ARCHITECTURES names: folders NAME/full, each with its twin NAME/bnb4-f32."""
    import torch
    import transformers
    from safetensors.torch import load_file

    root = os.environ.get("QNF_ARCHITECTURES")
    if not root:
        return "none given"
    count, worst, not_loading = 0, 0, []
    for twin in sorted(Path(root).glob("*/bnb4-f32")):
        name = twin.parent.name
        theirs = load_file(twin / "model.safetensors")
        model_class = getattr(transformers, json.loads((twin.parent / "full/config.json").read_text())["architectures"][0])
        for matching in (["--match-transformers"], []):
            qnf, path = tools.work / "given.qnf", tools.work / f"given-{name}-{len(matching)}"
            tools.run("qconvert", "to-nf4", twin.parent / "full", "-o", qnf, "--force", *matching)
            tools.run("qconvert", "to-hf", qnf, "-o", path)
            if matching:
                same_tensors(load_file(path / "model.safetensors"), theirs)
            if name == "llama4":
                not_loading.append(name)
                continue
            load = lambda folder: logits_of(model_class.from_pretrained(folder, device_map={"": "cpu"}, attn_implementation="eager"))
            expected = load(twin)
            difference = (load(path) - expected).abs().max().item() / expected.abs().max().item()
            expect(difference <= (0 if matching else 0.5), f"{name} {matching}: logits differ by {difference} of the largest")
            worst = max(worst, difference)
        count += 1
    return f"{count} models equal to their twins, logits within {worst:.1e}; transformers loads no twin of {sorted(set(not_loading))}"


@check("bitsandbytes", "torch", "safetensors")
def bitsandbytes_dequantizes_to_our_bits(tools):
    import bitsandbytes.functional as functional
    from safetensors.torch import load_file

    for sample, dtype in [("llama-hf", "bf16"), ("gpt2-tensorflow", "f32")]:
        qnf = tools.quantized(sample)
        path = tools.work / f"{sample}.safetensors"
        tools.run("qconvert", "to-safetensors", qnf, "-o", path, "--dtype", dtype)
        stored, dense = load_file(qnf), load_file(path)
        weights = [n[: -len(".absmax")] for n in stored if n.endswith(".absmax") and "nested" not in n]
        for name in weights:
            parts = {n[len(name) + 1:]: t for n, t in stored.items() if n.startswith(name + ".")}
            state = functional.QuantState.from_dict(parts, device="cpu")
            theirs = functional.dequantize_4bit(stored[name], state)
            # A GPT-2 weight lies as [in, out] in the model and as [out, in] in its 4-bit form.
            ours = dense[name].t() if sample.startswith("gpt2") else dense[name]
            expect(theirs.shape == ours.shape and bits(theirs) == bits(ours), f"{sample}: {name} differs")
    return f"{len(weights)} weights of each sample"


@check("tensorflow", "torch", "safetensors")
def tensorflow_reads_the_values_that_we_read(tools):
    import numpy
    import tensorflow
    from safetensors.numpy import load_file

    ours = load_file(tools.exported(SAMPLES / "gpt2-tensorflow", "gpt2-dense") / "model.safetensors")
    reader = tensorflow.train.load_checkpoint(str(SAMPLES / "gpt2-tensorflow"))
    renamed = {"ln_1/g": "ln_1.weight", "ln_1/b": "ln_1.bias", "ln_2/g": "ln_2.weight", "ln_2/b": "ln_2.bias"}
    count = 0
    for variable in reader.get_variable_to_shape_map():
        value = reader.get_tensor(variable)
        parts = variable.removeprefix("model/").split("/")
        if parts[0].startswith("h"):
            tail = "/".join(parts[1:])
            name = renamed.get(tail) or tail.replace("/w", ".weight").replace("/b", ".bias").replace("/", ".")
            name = f"transformer.h.{parts[0][1:]}.{name}"
        else:
            name = "transformer." + {"wte": "wte.weight", "wpe": "wpe.weight"}.get(parts[0], "ln_f." + {"g": "weight", "b": "bias"}.get(parts[-1], ""))
        expect(name in ours, f"{variable} should be {name}, which is not there")
        expect(numpy.array_equal(value.reshape(ours[name].shape), ours[name]), f"{variable} differs")
        count += 1
    expect(count == len(ours), f"{count} variables, but {len(ours)} tensors")
    return f"{count} variables"


def adapted(base, folder):
    """Logits in float32 of a dense base with the adapter in a folder."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(model, folder).eval()
    ids = (torch.arange(96).reshape(2, 48) * 37) % model.config.vocab_size
    with torch.no_grad():
        return model(input_ids=ids, use_cache=False).logits


# What changes the arithmetic, or the set of tensors, in a way of its own.
ADAPTERS = {
    "rslora": dict(use_rslora=True, target_modules=["q_proj", "v_proj"]),
    "dora": dict(use_dora=True, target_modules=["q_proj", "down_proj"]),
    "patterns": dict(target_modules=["q_proj", "k_proj"], rank_pattern={"k_proj": 2, r"layers\.1\..*": 6},
                     alpha_pattern={"^model.layers.0.self_attn.q_proj": 3}),
    "bias": dict(lora_bias=True, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True),
    "biases": dict(bias="all", target_modules=["c_fc"], fan_in_fan_out=True),
    "embedding": dict(target_modules=["embed_tokens", "q_proj", "lm_head"]),
    "saved": dict(target_modules=["q_proj"], modules_to_save=["lm_head", "norm"]),
    "tokens": dict(target_modules=["q_proj"], trainable_token_indices=[3, 1, 7]),
    "gaussian": dict(target_modules="all-linear", init_lora_weights="gaussian", exclude_modules=["o_proj"]),
}


def written_by_peft(tools, name, settings):
    """Base, and folder of an adapter with random weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    is_gpt2 = settings.get("fan_in_fan_out", False)
    base = tools.exported(SAMPLES / "gpt2-tensorflow", "gpt2-dense") if is_gpt2 else SAMPLES / "llama-hf"
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **settings))
    generator = torch.Generator().manual_seed(5)
    for _, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    folder = tools.work / f"peft-{name}"
    model.save_pretrained(folder)
    deltas = {n.removeprefix("base_model.model."): m.get_delta_weight("default").norm().item()
              for n, m in model.named_modules() if hasattr(m, "get_delta_weight") and not settings.get("use_dora")}
    return base, folder, deltas


@check("peft", "transformers", "torch")
def peft_loads_the_adapters_that_we_write(tools):
    """There and back through a .lora: equal logits, and the scaling and delta of every module are PEFT's."""
    cases = [(n, SAMPLES / "llama-hf" if n.startswith("llama") else tools.exported(SAMPLES / "gpt2-tensorflow", "gpt2-dense"),
              SAMPLES / "adapters" / n, {}) for n in ("llama-instructions", "gpt2-instructions")]
    cases += [(name, *written_by_peft(tools, name, settings)) for name, settings in ADAPTERS.items()]
    count = 0
    for name, base, theirs, deltas in cases:
        file, ours = tools.work / f"{name}.lora", tools.work / f"ours-{name}"
        tools.run("qconvert", "to-lora", theirs, "-o", file)
        tools.run("qconvert", "to-peft", file, "-o", ours)
        difference = (adapted(base, ours) - adapted(base, theirs)).abs().max().item()
        expect(difference == 0, f"logits with {name} differ by {difference}")
        modules = json.loads(tools.run("qinspect", "adapter", file, "--json"))["modules"]
        shown = {m["name"]: m["norm_delta"] for m in modules if "norm_delta" in m}
        for module, norm in deltas.items():
            found = shown[module]
            expect(abs(found - norm) <= 1e-5 * norm, f"{name}: {module}: delta {found}, in PEFT {norm}")
            count += 1
    return f"{len(cases)} adapters, difference 0.0; {count} deltas"


@check("peft", "transformers", "torch", "safetensors")
def our_dense_merges_are_those_of_peft(tools):
    """Every tensor within rounding of merge_and_unload, and the logits within rounding of the adapter beside its base."""
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    worst = spread = 0
    for name, settings in ADAPTERS.items():
        base, adapter, _ = written_by_peft(tools, name, settings)
        ours = tools.work / f"merged-{name}"
        tools.run("qmerge", base, adapter, "--to", "f32", "-o", ours)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        theirs = PeftModel.from_pretrained(model, adapter).merge_and_unload().state_dict()
        for tensor, value in load_file(ours / "model.safetensors").items():
            expect(tensor in theirs, f"{name}: {tensor} is not there in PEFT's merge")
            difference = (value - theirs[tensor]).norm().item() / max(theirs[tensor].norm().item(), 1e-30)
            expect(difference <= 1e-6, f"{name}: {tensor} differs by {difference} of its norm")
            worst = max(worst, difference)
        wanted = adapted(base, adapter)
        difference = (logits(ours) - wanted).abs().max().item() / wanted.abs().max().item()
        expect(difference <= 1e-5, f"logits of {name} differ by {difference} of the largest")
        spread = max(spread, difference)
    return f"{len(ADAPTERS)} adapters, tensors within {worst:.1e}, logits within {spread:.1e}"


@check("peft", "transformers", "bitsandbytes", "torch", "safetensors")
def our_4_bit_merge_is_that_of_peft(tools):
    """PEFT merges into Linear4bit layers, we into the .qnf of the same model: codes and constants, byte for byte."""
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    adapter, path = SAMPLES / "adapters/llama-instructions", tools.work / "llama-merged.qnf"
    tools.run("qmerge", tools.quantized("llama-hf"), adapter, "-o", path)
    ours = load_file(path)
    model = AutoModelForCausalLM.from_pretrained(SAMPLES / "llama-bnb4", device_map={"": "cpu"})
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    layers = differing = total = 0
    for name, module in merged.named_modules():
        if type(module).__name__ != "Linear4bit":
            continue
        state = module.weight.quant_state
        pairs = [(module.weight, ours[f"{name}.weight"]), (state.absmax, ours[f"{name}.weight.absmax"]),
                 (state.state2.absmax, ours[f"{name}.weight.nested_absmax"])]
        for theirs, mine in pairs:
            a, b = bits(theirs), bits(mine)
            expect(len(a) == len(b), f"{name}: {len(a)} and {len(b)} bytes")
            differing += sum(x != y for x, y in zip(a, b))
            total += len(a)
        layers += 1
    # A sum of products may be rounded otherwise, and lie on the other side of a threshold once in a long time.
    expect(layers == 28 and differing <= total * 1e-5, f"{differing} of {total} bytes in {layers} layers differ")
    back = tools.work / "llama-unmerged.qnf"
    tools.run("qmerge", "--unmerge", path, "-o", back)
    expect(back.read_bytes() == tools.quantized("llama-hf").read_bytes(), "unmerging does not give the base")
    return f"{layers} layers, {differing} of {total:,} bytes differ; unmerged byte for byte"


def text_loss(model, ids):
    """Mean loss of all tokens but the first."""
    import torch

    ids = torch.tensor([ids])
    with torch.no_grad():
        return model.eval()(input_ids=ids, labels=ids, use_cache=False).loss.item()


@check("torch", "transformers", "peft", "tokenizers")
def transformers_and_peft_follow_what_qtrain_trains(tools):
    """A text's loss, by qtrain and by the libraries: with an adapter that was trained, and of a model that was tuned whole."""
    import torch
    from peft import PeftModel
    from tokenizers import ByteLevelBPETokenizer, Tokenizer
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    text = (SAMPLES / "text/heldout.txt").read_text(encoding="utf-8")[:500]
    file = tools.work / "short.txt"
    file.write_text(text, encoding="utf-8")
    data = ["--data", SAMPLES / "instructions.json", "--steps", 20, "--lr", "3e-3", "--quiet"]
    seen = ["--data", file, "--template", "none", "--train-on", "all", "--split", "0,1,0", "--json"]
    adapter, folder = tools.work / "trained.lora", tools.work / "trained"
    tools.run("qtrain", SAMPLES / "llama-hf", *data, "-o", adapter, "--targets", "q_proj,down_proj", "--rslora")
    tools.run("qconvert", "to-peft", adapter, "-o", folder)
    tuned = tools.work / "tuned"
    tools.run("qtrain", SAMPLES / "gpt2-tensorflow", *data, "-o", tuned, "--full")
    base = AutoModelForCausalLM.from_pretrained(SAMPLES / "llama-hf", dtype=torch.float32, attn_implementation="eager")
    whole = AutoModelForCausalLM.from_pretrained(tuned, dtype=torch.float32, attn_implementation="eager")
    gpt2 = SAMPLES / "gpt2-tensorflow"
    llama_ids = Tokenizer.from_file(str(SAMPLES / "llama-hf/tokenizer.json")).encode(text, add_special_tokens=False).ids
    llama_ids.append(base.config.eos_token_id)
    gpt2_ids = ByteLevelBPETokenizer(str(gpt2 / "encoder.json"), str(gpt2 / "vocab.bpe")).encode(text).ids + [whole.config.eos_token_id]
    before = text_loss(base, llama_ids)
    runs = [
        (PeftModel.from_pretrained(base, folder), llama_ids, [SAMPLES / "llama-hf", "--adapter", adapter]),
        (whole, gpt2_ids, [tuned]),
    ]
    found = []
    for model, ids, words in runs:
        theirs = text_loss(model, ids)
        report = json.loads(tools.run("qtrain", "evaluate", *words, *seen))
        expect(report["learned_tokens"] == len(ids) - 1, f"{report['learned_tokens']} tokens, but theirs are {len(ids) - 1}")
        expect(abs(report["loss"] - theirs) <= 1e-4, f"{words[0].name}: loss {report['loss']}, theirs {theirs}")
        found.append(theirs)
    expect(abs(found[0] - before) > 1e-2, f"the adapter changes nothing: {before}, {found[0]}")
    return f"losses {found[0]:.5f} with the adapter, {found[1]:.5f} of the tuned model"


@check("torch", "transformers", "peft", "safetensors")
def an_adapter_changes_hands_and_comes_back(tools):
    """Trained by qtrain, then by PEFT and torch, then by qtrain again: at each hand-over both find the same loss of the same text."""
    import torch
    from peft import PeftModel
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(7)
    llama = SAMPLES / "llama-hf"
    text = (SAMPLES / "text/heldout.txt").read_text(encoding="utf-8")[:500]
    file = tools.work / "handed.txt"
    file.write_text(text, encoding="utf-8")
    base = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32, attn_implementation="eager")
    ids = Tokenizer.from_file(str(llama / "tokenizer.json")).encode(text, add_special_tokens=False).ids + [base.config.eos_token_id]

    def ours(adapter):
        seen = ["--data", file, "--template", "none", "--train-on", "all", "--split", "0,1,0", "--json"]
        return json.loads(tools.run("qtrain", "evaluate", llama, "--adapter", adapter, *seen))["loss"]

    def same(adapter, theirs, step):
        found = ours(adapter)
        expect(abs(found - theirs) <= 1e-4, f"{step}: our loss is {found}, theirs {theirs}")
        losses.append(theirs)

    def trained(output, *words, steps=10, rate="2e-3"):
        data = ["--data", SAMPLES / "instructions.json", "--steps", steps, "--lr", rate, "--targets", "q_proj,down_proj"]
        tools.run("qtrain", llama, *data, "-o", output, "--quiet", *words)

    losses = []
    first, handed = tools.work / "first.lora", tools.work / "handed"
    trained(first)
    tools.run("qconvert", "to-peft", first, "-o", handed)
    model = PeftModel.from_pretrained(base, handed, is_trainable=True)
    same(first, text_loss(model, ids), "from qtrain to PEFT")
    # The factors, and nothing else, go on where they were.
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    model.train()
    batch = torch.tensor([ids])
    for _ in range(5):
        optimizer.zero_grad()
        model(input_ids=batch, labels=batch, use_cache=False).loss.backward()
        optimizer.step()
    back = tools.work / "back"
    model.save_pretrained(back)
    theirs = text_loss(model, ids)
    same(back, theirs, "from PEFT to qtrain")
    # A learning rate of nothing: what qtrain begins with is what PEFT saved.
    again, still = tools.work / "again.lora", tools.work / "still.lora"
    trained(still, "--init-from", back, steps=1, rate="0")
    same(still, theirs, "begun by qtrain with what PEFT saved")
    trained(again, "--init-from", back)
    tools.run("qconvert", "to-peft", again, "-o", tools.work / "third")
    fresh = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32, attn_implementation="eager")
    same(again, text_loss(PeftModel.from_pretrained(fresh, tools.work / "third"), ids), "and once more to PEFT")
    expect(len({round(loss, 3) for loss in losses}) >= 3, f"training changes nothing: {losses}")
    return "losses " + ", ".join(f"{loss:.5f}" for loss in losses)


QUESTIONS = ["What is the capital of France?", "And of Italy?", "Which of the two is larger? Answer in one sentence."]


@check("torch", "transformers")
def a_conversation_is_that_of_transformers(tools):
    """SmolLM2-135M-Instruct, whose folder QNF_SMOLLM2 names: the ids of every turn, and greedy answers in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    root = os.environ.get("QNF_SMOLLM2")
    if not root:
        return "none given: QNF_SMOLLM2 names no folder of SmolLM2-135M-Instruct"
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(root)
    model = AutoModelForCausalLM.from_pretrained(root, dtype=torch.float32).eval()
    command = [str(tools.folder / "qrun"), "chat", root, "--exact", "--temperature", "0", "--max-tokens", "40", "--context", "1024"]
    done = subprocess.run(command, input="\n".join(QUESTIONS) + "\n", capture_output=True, text=True)
    expect(done.returncode == 0, f"qrun chat ended with {done.returncode}: {done.stderr}")
    messages, said, count = [], "", 0
    for question in QUESTIONS:
        messages.append({"role": "user", "content": question})
        talk = tools.work / "talk.json"
        talk.write_text(json.dumps(messages))
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        shown = json.loads(tools.run("qinspect", "template", root, "--messages", talk, "--json"))
        expect([token["id"] for token in shown["tokens"]] == ids, f"the ids before the answer to '{question}' differ")
        with torch.no_grad():
            answer = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=40)[0, len(ids):]
        messages.append({"role": "assistant", "content": tokenizer.decode(answer, skip_special_tokens=True)})
        said += messages[-1]["content"] + "\n"
        count += len(ids)
    expect(done.stdout == said, f"qrun chat says {done.stdout!r}, transformers {said!r}")
    return f"{len(QUESTIONS)} turns, {count} ids before answers, {len(said)} characters of answers"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=".build/release", help="folder of the binaries")
    arguments = parser.parse_args()
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as work:
        tools = Tools(arguments.bin, work)
        for function, libraries in CHECKS:
            title = function.__name__.replace("_", " ")
            missing = [name for name in libraries if importlib.util.find_spec(name) is None]
            if missing:
                skipped += 1
                print(f"skip  {title}: {', '.join(missing)} not installed")
                continue
            try:
                print(f"ok    {title}: {function(tools)}", flush=True)
                passed += 1
            except Failed as failure:
                failed += 1
                print(f"FAIL  {title}: {failure}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
