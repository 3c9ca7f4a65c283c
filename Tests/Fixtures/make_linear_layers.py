"""Asks every model class of transformers which of its weights bitsandbytes makes 4-bit.

    python Tests/Fixtures/make_linear_layers.py

Needs torch (CPU), transformers and bitsandbytes, with the versions in samples/scripts/requirements.txt; other versions know other
models. Writes `checkpoints/linear-layers.tsv.gz`: a line a model class, followed by a line a matrix of it.

    class              model types, the model's own first
    quantize or keep   class of the module   bias, where it has one   name that it is stored under

Models are made of their default configurations, with fewer layers, and without memory for weights. One whose configuration
does not make a model, or which needs more libraries, is left out and named. Matrices of one family whose names end alike and
that are treated alike are listed once.
"""
import gzip
import io
import os
import re
import signal
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import CONFIG_MAPPING, PretrainedConfig  # noqa: E402
from transformers.core_model_loading import revert_weight_conversion  # noqa: E402
from transformers.models.auto import modeling_auto  # noqa: E402
from transformers.pytorch_utils import Conv1D  # noqa: E402
from transformers.quantizers.base import HfQuantizer  # noqa: E402
from transformers.quantizers.quantizers_utils import should_convert_module  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = ["num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers", "num_encoder_layers",
          "num_decoder_layers", "depth"]
LISTS = ["layer_types", "mlp_layer_types", "layers_block_type", "block_types"]
# What a default configuration lacks.
MORE = {
    "ministral": dict(head_dim=128), "hunyuan_v1_dense": dict(head_dim=128), "nemotron": dict(num_key_value_heads=8),
    "hunyuan_v1_moe": dict(head_dim=128, num_experts=4, moe_topk=2, num_shared_expert=1, use_mixed_mlp_moe=True),
    "dots1": dict(n_routed_experts=8, num_experts_per_tok=2, first_k_dense_replace=1, n_shared_experts=1),
    "lfm2_moe": dict(layer_types=["conv", "conv", "full_attention", "full_attention"], num_hidden_layers=4),
    "reformer": dict(is_decoder=True), "wav2vec2-bert": dict(vocab_size=32), "esm": dict(vocab_size=33),
}


def classes():
    """Every class that an Auto class knows: type of its configuration, name."""
    found = {}
    names = sorted(n for n in dir(modeling_auto) if n.startswith("MODEL") and n.endswith("MAPPING_NAMES"))
    for mapping in names:
        for model_type, value in getattr(modeling_auto, mapping).items():
            for name in value if isinstance(value, (tuple, list)) else [value]:
                found.setdefault(name, model_type)
    return sorted((model_type, name) for name, model_type in found.items())


def shrink(config, limit=4, depth=0):
    for key in COUNTS:
        value = getattr(config, key, None)
        if type(value) is int and value > limit:
            setattr(config, key, limit)
    for key in LISTS:
        value = getattr(config, key, None)
        if isinstance(value, list) and len(value) > limit:
            setattr(config, key, value[:limit])
    if depth < 4:
        for value in list(vars(config).values()):
            if isinstance(value, PretrainedConfig):
                shrink(value, limit, depth + 1)


def build(model_type, name):
    model_class = getattr(transformers, name)
    failure = None
    for is_small in (True, False):
        config = CONFIG_MAPPING[model_type](**MORE.get(model_type, {}))
        expected = getattr(model_class, "config_class", None)
        if expected and not isinstance(config, expected):
            config = expected(**MORE.get(expected.model_type, {}))
        try:
            if is_small:
                shrink(config)
            with torch.device("meta"):
                return model_class(config)
        except TimeoutError:
            raise
        except Exception as error:
            failure = error
    raise failure


def model_types(config, found=None):
    found = found if found is not None else []
    own = getattr(config, "model_type", None)
    if own and own not in found:
        found.append(own)
    for value in vars(config).values():
        if isinstance(value, PretrainedConfig):
            model_types(value, found)
    return found


def rows(model):
    """(name as stored, action, class of the module, has a bias) of every matrix."""
    skipped = HfQuantizer.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
    modules = dict(model.named_modules())
    tied = set(model.all_tied_weights_keys)
    # The choice travels through renaming, cutting and joining as the type of an empty tensor.
    state, kinds = {}, {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name in tied:
            continue
        owner, _, last = name.rpartition(".")
        module = modules[owner]
        is_linear = last == "weight" and (isinstance(module, Conv1D) or type(module) is torch.nn.Linear)
        is_quantized = is_linear and should_convert_module(owner, skipped)
        state[name] = torch.empty(parameter.shape, dtype=torch.float64 if is_quantized else torch.float32, device="meta")
        kinds[id(state[name])] = type(module).__name__
    stored = revert_weight_conversion(model, dict(state))
    for name, tensor in stored.items():
        if tensor.ndim == 2 and tensor.numel() and (name.endswith(".weight") or name.endswith(".in_proj_weight")):
            has_bias = name.removesuffix("weight") + "bias" in stored
            action = "quantize" if tensor.dtype == torch.float64 else "keep"
            yield name, action, kinds.get(id(tensor), "-"), "bias" if has_bias else "-"


def main():
    def stop(*_):
        raise TimeoutError("takes more than a minute")

    signal.signal(signal.SIGALRM, stop)
    seen = set()
    path = HERE + "/checkpoints/linear-layers.tsv.gz"
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed, io.TextIOWrapper(packed) as file:
        for model_type, name in classes():
            try:
                signal.alarm(60)
                model = build(model_type, name)
                found, types = list(rows(model)), model_types(model.config)
            except Exception as error:
                print(f"left out: {name}: {type(error).__name__}: {str(error).strip().splitlines()[:1]}", file=sys.stderr)
                continue
            finally:
                signal.alarm(0)
            lines = []
            for tensor, action, kind, bias in found:
                alike = re.sub(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)", "*", tensor)
                key = (types[0], ".".join(alike.split(".")[-4:]), action, bias)
                if key not in seen:
                    seen.add(key)
                    lines.append(f"{action}\t{kind}\t{bias}\t{tensor}\n")
            if lines:
                file.write(f"{name}\t{','.join(types)}\n" + "".join(lines))


if __name__ == "__main__":
    main()
