"""Writes a trained GPT-2 as a TensorFlow checkpoint in OpenAI's layout: seven files, OpenAI's names and shapes.

The bundle (index and data), the graph (.meta) and the file `checkpoint` are written by TensorFlow's own Saver; the
matrices get a leading dimension of 1, as OpenAI's convolutions have it. Afterwards everything is read back through
TensorFlow and compared with the source bit for bit.

    python write_tensorflow.py --model /tmp/samples/gpt2 --tokenizer /tmp/samples/tokenizer --out ../gpt2-tensorflow
"""
import argparse
import json
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file

tf1 = tf.compat.v1
MATRICES = ("attn/c_attn", "attn/c_proj", "mlp/c_fc", "mlp/c_proj")


def openai_variables(weights, layer_count):
    """OpenAI's variable names and arrays for the tensors of a Hugging Face GPT-2."""
    variables = {"model/wpe": weights["transformer.wpe.weight"], "model/wte": weights["transformer.wte.weight"]}
    for layer in range(layer_count):
        ours, theirs = f"model/h{layer}/", f"transformer.h.{layer}."
        for norm in ("ln_1", "ln_2"):
            variables[ours + norm + "/g"] = weights[theirs + norm + ".weight"]
            variables[ours + norm + "/b"] = weights[theirs + norm + ".bias"]
        for matrix in MATRICES:
            variables[ours + matrix + "/w"] = weights[theirs + matrix.replace("/", ".") + ".weight"][None]
            variables[ours + matrix + "/b"] = weights[theirs + matrix.replace("/", ".") + ".bias"]
    variables["model/ln_f/g"] = weights["transformer.ln_f.weight"]
    variables["model/ln_f/b"] = weights["transformer.ln_f.bias"]
    return variables


def save(variables, folder):
    """One graph of variables; the values are fed, because constants would be stored in the .meta file once more."""
    with tf.Graph().as_default(), tf1.Session() as session:
        for name, value in variables.items():
            variable = tf1.get_variable(name, shape=value.shape, dtype=tf.float32,
                                        initializer=tf1.zeros_initializer(), use_resource=False)
            session.run(variable.initializer, {variable.initializer.inputs[1]: value})
        tf1.train.Saver(save_relative_paths=True).save(session, os.path.join(folder, "model.ckpt"))


def check(variables, folder):
    reader = tf.train.load_checkpoint(os.path.join(folder, "model.ckpt"))
    if sorted(reader.get_variable_to_shape_map()) != sorted(variables):
        raise SystemExit("the checkpoint holds other names than were written")
    for name, value in variables.items():
        stored = reader.get_tensor(name)
        if stored.dtype != np.float32 or stored.shape != value.shape or stored.tobytes() != value.tobytes():
            raise SystemExit(f"{name}: not what was written")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Hugging Face folder of the trained float32 GPT-2")
    parser.add_argument("--tokenizer", required=True, help="folder with encoder.json and vocab.bpe")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    with open(os.path.join(options.model, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    weights = load_file(os.path.join(options.model, "model.safetensors"))
    variables = openai_variables(weights, config["n_layer"])
    os.makedirs(options.out, exist_ok=True)
    save(variables, options.out)
    check(variables, options.out)
    sizes = {"n_vocab": config["vocab_size"], "n_ctx": config["n_positions"], "n_embd": config["n_embd"],
             "n_head": config["n_head"], "n_layer": config["n_layer"]}
    with open(os.path.join(options.out, "hparams.json"), "w", encoding="ascii") as file:
        json.dump(sizes, file, indent=2)
        file.write("\n")
    for name in ("encoder.json", "vocab.bpe"):
        shutil.copyfile(os.path.join(options.tokenizer, name), os.path.join(options.out, name))
    for name in sorted(os.listdir(options.out)):
        print(f"{os.path.getsize(os.path.join(options.out, name)):9d}  {name}")
    print(f"{len(variables)} variables, read back equal; TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main()
