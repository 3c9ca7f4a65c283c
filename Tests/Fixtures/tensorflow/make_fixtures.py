"""Writes the bundles of this folder with TensorFlow itself, and what TensorFlow reads back from them.

    pip install tensorflow-cpu==2.21.0 && python3 make_fixtures.py

`openai`, `sharded3` and `bf16` hold the variables of one tiny GPT-2 under OpenAI's names. Each folder gets an
`expected.tsv`: a line per tensor with its TensorFlow type, its shape, the crc32c of its bytes as numpy holds them after
TensorFlow has read them (`-` for strings), and its name.
"""
import os
import shutil

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
# Relative, so that no `checkpoint` file names a folder of the machine that ran this.
os.chdir(os.path.dirname(os.path.abspath(__file__)))
HERE = "."
LAYERS, VOCABULARY, CONTEXT, WIDTH = 2, 300, 64, 48

CRC_TABLE = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    CRC_TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def write_expected(folder, prefix):
    reader = tf.train.load_checkpoint(f"{folder}/{prefix}")
    types, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    with open(f"{folder}/expected.tsv", "w") as out:
        for name in sorted(types, key=lambda name: name.encode()):
            if types[name] in (tf.string, tf.variant):
                crc = "-"
            else:
                crc = f"{crc32c(np.ascontiguousarray(reader.get_tensor(name)).tobytes()):08x}"
            out.write(f"{types[name].name}\t{shapes[name]}\t{crc}\t{name}\n")


def gpt2_variables():
    generator = np.random.Generator(np.random.PCG64(42))

    def normal(*shape):
        return (generator.standard_normal(shape) * 0.08).astype(np.float32)

    variables = {"model/wpe": normal(CONTEXT, WIDTH), "model/wte": normal(VOCABULARY, WIDTH)}
    for layer in range(LAYERS):
        path = f"model/h{layer}/"
        for norm in ("ln_1", "ln_2"):
            variables[path + norm + "/g"] = 1 + normal(WIDTH)
            variables[path + norm + "/b"] = normal(WIDTH)
        projections = (("attn/c_attn", WIDTH, 3 * WIDTH), ("attn/c_proj", WIDTH, WIDTH),
                       ("mlp/c_fc", WIDTH, 4 * WIDTH), ("mlp/c_proj", 4 * WIDTH, WIDTH))
        for name, rows, columns in projections:
            variables[path + name + "/w"] = normal(1, rows, columns)
            variables[path + name + "/b"] = normal(columns)
    variables["model/ln_f/g"] = 1 + normal(WIDTH)
    variables["model/ln_f/b"] = normal(WIDTH)
    return variables


def ramp(*shape):
    return (np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape) - 5) / 8


def initializer(values):
    def initialize(shape, dtype=None, partition_info=None):
        offsets = partition_info.var_offset if partition_info is not None else [0] * values.ndim
        part = values[tuple(slice(at, at + count) for at, count in zip(offsets, shape))]
        return tf.cast(tf.constant(part), dtype)
    return initialize


def save_graph(name, variables, dtype=tf.float32, shards=1, partitioners={}, optimizer=None, version=None):
    """A TensorFlow 1 graph with these variables, saved by `tf.train.Saver`."""
    folder = f"{HERE}/{name}"
    os.makedirs(folder)
    with tf.Graph().as_default():
        made = []
        for number, (key, values) in enumerate(variables.items()):
            with tf1.device(f"/cpu:{number % shards}"):
                made.append(tf1.get_variable(key, shape=values.shape, dtype=dtype, initializer=initializer(values),
                                             partitioner=partitioners.get(key), use_resource=False))
        if optimizer:
            step = tf1.train.get_or_create_global_step()
            optimizer.minimize(sum(tf.reduce_sum(value * value) for value in made), global_step=step)
        saver = tf1.train.Saver(sharded=shards > 1, **({"write_version": version} if version else {}))
        with tf1.Session(config=tf1.ConfigProto(device_count={"CPU": shards})) as session:
            session.run(tf1.global_variables_initializer())
            saver.save(session, f"{folder}/model.ckpt", write_meta_graph=False)
    if version != tf1.train.SaverDef.V1:
        write_expected(folder, "model.ckpt")


def save_slices(name, pieces):
    """Slices handed to the SaveV2 operation as they are: (tensor name, shape and slice, values)."""
    folder = f"{HERE}/{name}"
    os.makedirs(folder)
    tf.raw_ops.SaveV2(prefix=f"{folder}/model.ckpt", tensor_names=[piece[0] for piece in pieces],
                      shape_and_slices=[piece[1] for piece in pieces], tensors=[tf.constant(piece[2]) for piece in pieces])
    write_expected(folder, "model.ckpt")


def save_types():
    whole = np.array([0, 1, 2, 3, 100, 127])
    signed = np.array([-128, -3, -1, 0, 1, 127])
    real = np.array([[0.0, 1.0, -2.0], [0.5, 0.25, 448.0]])
    tensors = {
        "bool": tf.constant([True, False, True]), "string": tf.constant(["Zürich", "", "a" * 200]),
        "string_scalar": tf.constant("x"), "empty": tf.zeros([0, 3]), "empty_f16": tf.zeros([2, 0, 4], tf.float16),
        "scalar": tf.constant(2.5), "scalar_i64": tf.constant(-7, tf.int64),
        "complex64": tf.constant([1 + 2j, -0.5j], tf.complex64), "complex128": tf.constant([1 + 2j], tf.complex128),
        "qint8": tf.quantization.quantize(tf.constant(real, tf.float32), -2.0, 2.0, tf.qint8).output,
        "quint8": tf.quantization.quantize(tf.constant(real, tf.float32), -2.0, 2.0, tf.quint8).output,
        "int4": tf.cast(tf.constant([-8, 7, 1], tf.int8), tf.dtypes.experimental.int4),
        "uint4": tf.cast(tf.constant([15, 7, 1], tf.uint8), tf.dtypes.experimental.uint4),
    }
    for kind in ("float16", "bfloat16", "float32", "float64", "float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz",
                 "float8_e4m3b11fnuz", "float8_e5m2fnuz"):
        dtype = tf.as_dtype(kind)
        tensors[kind] = tf.constant(real.astype(dtype.as_numpy_dtype))
    for bits in (8, 16, 32, 64):
        tensors[f"int{bits}"] = tf.constant(signed.astype(f"int{bits}"))
        tensors[f"uint{bits}"] = tf.constant(whole.astype(f"uint{bits}"))
    folder = f"{HERE}/types"
    os.makedirs(folder)
    names = sorted(tensors)
    tf.raw_ops.SaveV2(prefix=f"{folder}/model.ckpt", tensor_names=names, shape_and_slices=[""] * len(names),
                      tensors=[tensors[name] for name in names])
    write_expected(folder, "model.ckpt")


def save_blocks():
    """Enough names for an index of two data blocks (TensorFlow closes one at 256 KiB)."""
    folder = f"{HERE}/blocks"
    os.makedirs(folder)
    names = [f"{number * 2654435761 % 2**32:08x}/{'unit' * (number % 5 * 12)}{number:04d}" for number in range(2200)]
    tf.raw_ops.SaveV2(prefix=f"{folder}/model.ckpt", tensor_names=names, shape_and_slices=[""] * len(names),
                      tensors=[tf.constant(number % 251, tf.uint8) for number in range(len(names))])


class Layer(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(ramp(3, 4), name="kernel")
        self.bias = tf.Variable(ramp(4), name="bias")


def save_objects():
    layer = Layer()
    os.makedirs(f"{HERE}/objects")
    tf.train.Checkpoint(layer=layer, steps=tf.Variable(12, dtype=tf.int64)).save(f"{HERE}/objects/ckpt")
    write_expected(f"{HERE}/objects", "ckpt-1")
    tf.saved_model.save(layer, f"{HERE}/savedmodel")
    # Only the variables are read; the graph beside them would change with every run.
    shutil.rmtree(f"{HERE}/savedmodel/assets", ignore_errors=True)
    os.remove(f"{HERE}/savedmodel/fingerprint.pb")
    os.remove(f"{HERE}/savedmodel/saved_model.pb")
    write_expected(f"{HERE}/savedmodel/variables", "variables")


for entry in os.listdir(HERE):
    if os.path.isdir(f"{HERE}/{entry}"):
        shutil.rmtree(f"{HERE}/{entry}")
gpt2 = gpt2_variables()
save_objects()
save_types()
save_blocks()
save_slices("grid", [
    ("grid", "6 4 0,4:0,3", ramp(4, 3)), ("grid", "6 4 0,4:3,1", ramp(4, 1) - 9),
    ("grid", "6 4 4,2:0,3", ramp(2, 3) + 9), ("grid", "6 4 4,2:3,1", ramp(2, 1) * 3),
    ("rows", "300 2 0,130:-", ramp(130, 2)), ("rows", "300 2 130,170:-", ramp(170, 2) - 7),
    ("plain", "", ramp(2, 2)), ("naïve ÿ", "2 3 -:0,1", ramp(2, 1)), ("naïve ÿ", "2 3 -:1,2", ramp(2, 2)),
    ("bricks", "2 4 0,1:0,3", ramp(1, 3)), ("bricks", "2 4 0,1:3,1", ramp(1, 1)), ("bricks", "2 4 1,1:-", ramp(1, 4)),
])
save_graph("openai", gpt2)
save_graph("sharded3", gpt2, shards=3)
save_graph("bf16", gpt2, dtype=tf.bfloat16)
save_graph("f16", {"model/w": ramp(1, 5, 7), "model/b": ramp(7)}, dtype=tf.float16)
save_graph("partitioned", {"model/wte": ramp(43, 8), "model/c_attn/w": ramp(1, 6, 21), "model/ln/g": ramp(8)}, shards=2,
           partitioners={"model/wte": tf1.fixed_size_partitioner(7, axis=0),
                         "model/c_attn/w": tf1.fixed_size_partitioner(3, axis=2)})
save_graph("slots", {"w": ramp(3, 5), "b": ramp(5)}, optimizer=tf1.train.AdamOptimizer())
save_graph("v1", {"model/w": ramp(2, 3), "model/b": ramp(3)}, version=tf1.train.SaverDef.V1)
