"""Files as PyTorch saves them, for Tests/Fixtures/pickle, with the tensors that torch.load gives of them.

    python make_pickle_fixtures.py pickle

Needs torch 2.13, numpy and safetensors. Times of records and ids of storages differ from run to run; what the files hold does not.
"""
import argparse
import collections
import json
import pathlib
import shutil
import sys
import zipfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

OLD_TYPES = {"f32", "f64", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "boolean"}


def tensors_of(value, prefix=""):
    """Names joined by dots -> tensors, of nested dicts."""
    if isinstance(value, torch.Tensor):
        return {prefix: value}
    found = {}
    if isinstance(value, dict):
        for key, inner in value.items():
            found.update(tensors_of(inner, f"{prefix}.{key}" if prefix else str(key)))
    return found


def various(is_old):
    """A dict of every type and every kind of strides."""
    torch.manual_seed(1)
    base, cube = torch.randn(6, 5), torch.randn(4, 4, 3)
    tied = torch.nn.Parameter(torch.randn(5, 4))
    found = collections.OrderedDict(
        f32=base, f64=base.double(), f16=base.half(), bf16=base.bfloat16(), i64=torch.arange(-3, 9),
        i32=torch.arange(5, dtype=torch.int32) - 2, i16=torch.arange(5, dtype=torch.int16) - 2, i8=torch.arange(-4, 4, dtype=torch.int8),
        u8=torch.arange(250, 256, dtype=torch.uint8), boolean=torch.tensor([True, False, True]), scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3), transposed=base.t(), row_slice=base[2:5], column_slice=base[:, 1:3], stepped=base[::2, ::3],
        expanded=base[0].expand(3, 5), permuted=cube.permute(2, 0, 1), one_of_big=cube[1], tied_a=tied, tied_b=tied,
        parameter=torch.nn.Parameter(base.clone(), requires_grad=False))
    if not is_old:
        found.update(e4m3=base.to(torch.float8_e4m3fn), e5m2=base.to(torch.float8_e5m2),
                     u16=torch.arange(65530, 65536, dtype=torch.int32).to(torch.uint16), u32=torch.arange(3).to(torch.uint32))
    return found


class Own:
    """A class of the program that saves."""

    def __init__(self, value):
        self.value = value


def rewritten(source, target, change, compression=zipfile.ZIP_STORED):
    """An archive with other records: `change(name, bytes)` gives a pair, or None to leave one out."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w", compression) as output:
        for name in archive.namelist():
            changed = change(name, archive.read(name))
            if changed:
                output.writestr(*changed)


def turned_around(source, target):
    """As a big-endian machine writes it."""
    keys = {}
    # Storages are numbered in the order in which they are saved.
    seen = {}
    for tensor in torch.load(source).values():
        seen.setdefault(tensor.untyped_storage().data_ptr() or id(tensor), tensor.element_size())
    for number, width in enumerate(seen.values()):
        keys[str(number)] = width

    def change(name, data):
        if name.endswith("/byteorder"):
            return name, b"big"
        if "/data/" in name:
            width = keys[name.rsplit("/", 1)[1]]
            data = np.frombuffer(data, np.uint8).reshape(-1, width)[:, ::-1].tobytes()
        return name, data

    rewritten(source, target, change)


def as_downloaded(fixtures, folder):
    """A model in two shards and an adapter, as transformers and PEFT wrote them, of the fixtures in safetensors files."""
    model, adapter = folder / "mistral", folder / "adapter"
    for target, source, name in [(model, "transformer/mistral", "config.json"), (adapter, "adapters/llama-plain", "adapter_config.json")]:
        target.mkdir(exist_ok=True)
        shutil.copyfile(fixtures / source / name, target / name)
    torch.save(load_file(fixtures / "adapters/llama-plain/adapter_model.safetensors"), adapter / "adapter_model.bin")
    tensors = load_file(fixtures / "transformer/mistral/model.safetensors")
    places = {name: f"pytorch_model-0000{1 + (number > len(tensors) / 2)}-of-00002.bin" for number, name in enumerate(tensors)}
    for shard in sorted(set(places.values())):
        torch.save({name: tensors[name] for name in tensors if places[name] == shard}, model / shard)
    index = {"metadata": {"total_size": sum(t.numel() * t.element_size() for t in tensors.values())}, "weight_map": places}
    (model / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(exist_ok=True)

    def save(name, value, keeps=False, **options):
        torch.save(value, folder / name, **options)
        if keeps:
            expected = tensors_of(torch.load(folder / name, weights_only=False))
            save_file({k: v.detach().contiguous().clone() for k, v in expected.items()}, folder / f"{name}.expected.safetensors")

    new, old = various(False), various(True)
    save("zip.bin", new, keeps=True)
    for protocol in (4, 5):
        save(f"zip-protocol{protocol}.bin", new, pickle_protocol=protocol)
    save("legacy.bin", old, keeps=True, _use_new_zipfile_serialization=False)
    save("legacy-protocol4.bin", old, _use_new_zipfile_serialization=False, pickle_protocol=4)
    torch.serialization.set_crc32_options(False)
    save("zip-no-crc.bin", new)
    torch.serialization.set_crc32_options(True)
    save("zip-old-types.bin", old)
    turned_around(folder / "zip-old-types.bin", folder / "zip-big-endian.bin")
    hidden = ("/byteorder", "/.format_version", "/.storage_alignment", "serialization_id")
    rewritten(folder / "zip-old-types.bin", folder / "zip-other-prefix-no-byteorder.bin",
              lambda name, data: None if name.endswith(hidden) else ("pytorch_model/" + name.split("/", 1)[1], data))

    model = torch.nn.Sequential(torch.nn.Embedding(11, 6), torch.nn.Linear(6, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 11, bias=False))
    model[3].weight = model[0].weight
    state = model.state_dict()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.tensor([1, 2, 3])).sum().backward()
    optimizer.step()
    save("module-state-dict.bin", state, keeps=True)
    compiled = {"_orig_mod." + name: value for name, value in state.items()}
    save("compiled.bin", compiled, keeps=True)
    save("nanogpt-ckpt.pt", {"model": compiled, "optimizer": optimizer.state_dict(), "model_args": {"n_layer": 1, "bias": False}, "iter_num": 7,
                             "best_val_loss": torch.tensor(1.25), "config": {"out_dir": "out"}}, keeps=True)
    save("lightning.ckpt", {
        "epoch": 1, "global_step": 20, "pytorch-lightning_version": "2.5.0", "state_dict": {"model." + k: v for k, v in state.items()},
        "callbacks": {"best": {"path": pathlib.PurePosixPath("a/b"), "score": torch.tensor(0.5)}}, "optimizer_states": [optimizer.state_dict()],
        "hyper_parameters": {"lr": np.float64(0.001), "args": argparse.Namespace(x=1), "own": Own(torch.zeros(2)), "when": np.arange(3)}}, keeps=True)
    save("whole-module.pt", model)
    save("adapter-empty.bin", {})
    save("adapter-zero3.bin", {f"base_model.model.model.layers.0.self_attn.q_proj.lora_{x}.weight": torch.zeros(0) for x in "AB"})
    save("refuse-quantized-tensor.bin", {"weight": torch.quantize_per_tensor(torch.randn(3, 3), 0.1, 0, torch.qint8)})
    save("refuse-sparse-tensor.bin", {"weight": torch.eye(3).to_sparse()})
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(folder / "refuse-torchscript.pt"))
    plain = folder / "module-state-dict.bin"
    rewritten(plain, folder / "refuse-outside-storage.bin", lambda name, data: (name, data[:-4] if name.endswith("/data/0") else data))
    rewritten(plain, folder / "refuse-compressed.bin", lambda name, data: (name, data), zipfile.ZIP_DEFLATED)
    as_downloaded(pathlib.Path(__file__).parent, folder)
    # {"a": eval("6*7"), "b": 1}
    (folder / "runs-nothing.bin").write_bytes(b"\x80\x02}(X\x01\0\0\0acbuiltins\neval\nX\x03\0\0\0006*7\x85RX\x01\0\0\0bK\x01u.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
