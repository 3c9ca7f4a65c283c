"""Writes `trained`: a tiny GPT-2 as a training with Adam leaves it, with slots of the optimizer and counters.

Needs numpy alone: the format is written out here (formats/tensorflow.md has its drawing), one data block, no compression.
"""
import os
import struct

import numpy as np

LAYERS, VOCABULARY, CONTEXT, WIDTH, HEADS = 1, 12, 8, 4, 2
TYPES = {np.dtype("float32"): 1, np.dtype("int64"): 9}
TABLE = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, wire_type, payload):
    return varint(number << 3 | wire_type) + payload


def message(number, body):
    return field(number, 2, varint(len(body)) + body)


def block(entries):
    """Entries that share nothing with each other, each a restart point."""
    out, restarts = b"", []
    for key, value in entries:
        restarts.append(len(out))
        out += varint(0) + varint(len(key)) + varint(len(value)) + key + value
    restarts = restarts or [0]
    return out + b"".join(struct.pack("<I", offset) for offset in restarts) + struct.pack("<I", len(restarts))


def write(prefix, tensors):
    data, entries = b"", {b"": bytes([8, 1, 0x1A, 2, 8, 1])}
    for name in sorted(tensors):
        array = np.asarray(tensors[name], order="C")
        content = array.tobytes()
        shape = b"".join(message(2, field(1, 0, varint(size))) for size in array.shape)
        entry = field(1, 0, varint(TYPES[array.dtype])) + message(2, shape)
        entry += (field(4, 0, varint(len(data))) if data else b"") + field(5, 0, varint(len(content)))
        entries[name.encode()] = entry + field(6, 5, struct.pack("<I", masked_crc32c(content)))
        data += content
    index = b""

    def put(contents):
        nonlocal index
        handle = varint(len(index)) + varint(len(contents))
        index += contents + b"\0" + struct.pack("<I", masked_crc32c(contents + b"\0"))
        return handle

    entries_handle = put(block(sorted(entries.items())))
    handles = put(block([])) + put(block([(b"zzzz", entries_handle)]))
    index += handles + b"\0" * (40 - len(handles)) + struct.pack("<Q", 0xDB4775248B80FB57)
    with open(prefix + ".index", "wb") as file:
        file.write(index)
    with open(prefix + ".data-00000-of-00001", "wb") as file:
        file.write(data)


os.chdir(os.path.dirname(os.path.abspath(__file__)))
os.makedirs("trained", exist_ok=True)
random = np.random.RandomState(0)
shapes = {"wte": [VOCABULARY, WIDTH], "wpe": [CONTEXT, WIDTH], "ln_f/g": [WIDTH], "ln_f/b": [WIDTH]}
for layer in range(LAYERS):
    for norm in ("ln_1", "ln_2"):
        shapes[f"h{layer}/{norm}/g"] = shapes[f"h{layer}/{norm}/b"] = [WIDTH]
    sizes = {"attn/c_attn": (1, 3), "attn/c_proj": (1, 1), "mlp/c_fc": (1, 4), "mlp/c_proj": (4, 1)}
    for name, (inputs, outputs) in sizes.items():
        shapes[f"h{layer}/{name}/w"] = [1, inputs * WIDTH, outputs * WIDTH]
        shapes[f"h{layer}/{name}/b"] = [outputs * WIDTH]
tensors = {}
for name, shape in shapes.items():
    tensors["model/" + name] = random.randn(*shape).astype("float32")
    for slot in ("Adam", "Adam_1", "ExponentialMovingAverage"):
        tensors[f"model/{name}/{slot}"] = np.zeros(shape, "float32")
tensors.update(beta1_power=np.float32(0.9), beta2_power=np.float32(0.99), global_step=np.int64(5))
write("trained/model-1000", tensors)
with open("trained/checkpoint", "w") as file:
    file.write('model_checkpoint_path: "model-1000"\n')
with open("trained/hparams.json", "w") as file:
    file.write(f'{{"n_vocab": {VOCABULARY}, "n_ctx": {CONTEXT}, "n_embd": {WIDTH}, "n_head": {HEADS}, "n_layer": {LAYERS}}}\n')
