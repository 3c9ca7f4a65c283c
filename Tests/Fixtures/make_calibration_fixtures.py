"""Makes Tests/Fixtures/calibration/layers.safetensors: small linear layers with the calibrated codes that numpy chooses for them.

Made with numpy and bitsandbytes 0.50.2, which quantizes the constants themselves. Everything is float64 but what the format has
in float32. Inputs are multiples of 1/16 and their number is a power of two, so that their second moment is exact, in whatever
order and precision it is summed: codes have to agree to the byte. NAME.inputs holds 16 x as I8.
"""

import pathlib

import bitsandbytes.functional as bnb
import numpy as np
import torch
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
CODE = bnb.get_4bit_type("nf4", device="cpu").numpy()
THRESHOLDS = ((CODE[:-1] + CODE[1:]) / np.float32(2)).astype(np.float32)
FACTORS = np.array([.70, .74, .78, .81, .84, .87, .90, .92, .94, .96, .98, 1, 1.02, 1.05], np.float32)
DAMPING = 0.02


def codes_of(values):
    return np.searchsorted(THRESHOLDS, values, side="left")


def in_blocks(elements, size):
    flat = elements.reshape(-1)
    return np.concatenate([flat, np.zeros(-flat.size % size, flat.dtype)]).reshape(-1, size)


def chosen_scales(weight, importance, size):
    """Of the multiples of a block's absmax the one with the least weighted error."""
    blocks = in_blocks(weight, size)
    importances = in_blocks(np.broadcast_to(importance, weight.shape), size)
    absmax = np.abs(blocks).max(1)
    scales, least = absmax.copy(), np.full(len(blocks), np.inf)
    for factor in FACTORS:
        scale = absmax * factor
        restored = CODE[codes_of(blocks / np.maximum(scale, np.float32(1e-30))[:, None])] * scale[:, None]
        cost = (importances * (blocks - restored) ** 2).sum(1)
        scales, least = np.where(cost < least, scale, scales), np.minimum(cost, least)
    return scales


def restored_scales(scales, is_double):
    if not is_double:
        return scales
    constants = torch.from_numpy(scales)
    offset = constants.mean()
    codes, state = bnb.quantize_blockwise(constants - offset, blocksize=256)
    return (bnb.dequantize_blockwise(codes, state) + offset).numpy()


def feedback(weight, moment, scales):
    """Columns by falling importance; each pays back what those before it got wrong."""
    columns = weight.shape[1]
    order = np.argsort(-np.diag(moment), kind="stable")
    damped = moment + DAMPING * np.diag(moment).mean() * np.eye(columns)
    factor = np.linalg.cholesky(damped[np.ix_(order, order)][::-1, ::-1])[::-1, ::-1]
    passing = factor / np.diag(factor)
    ordered, scale = weight.astype(np.float64)[:, order], scales.astype(np.float64)[:, order]
    errors, codes = np.zeros(weight.shape), np.zeros(weight.shape, np.uint8)
    for j in range(columns):
        target = ordered[:, j] + errors[:, :j] @ passing[:j, j]
        codes[:, order[j]] = codes_of((target / scale[:, j]).astype(np.float32))
        errors[:, j] = ordered[:, j] - CODE[codes[:, order[j]]].astype(np.float64) * scale[:, j]
    return codes


def packed(codes):
    flat = codes.reshape(-1)
    # Code 7 is 0.
    pairs = np.concatenate([flat, np.full(flat.size % 2, 7, np.uint8)]).reshape(-1, 2)
    return pairs[:, 0] << 4 | pairs[:, 1]


def layer(outputs, columns, tokens, size, is_double, seed):
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((columns, columns)) * np.exp(-np.arange(columns) / 12) + 0.3 * np.eye(columns)
    inputs = random.standard_normal((tokens, columns)) @ mixing.T
    inputs *= 30 / np.abs(inputs).max()
    inputs[:, 3] = np.clip(inputs[:, 3] * 9, -127, 127)
    inputs[:, columns // 2] = 0
    inputs = np.clip(np.round(inputs * 4), -127, 127).astype(np.int8)
    weight = (random.standard_normal((outputs, columns)) * 0.05).astype(np.float32)
    x = inputs.astype(np.float64) / 16
    moment = x.T @ x / tokens
    importance = np.diag(moment) + DAMPING * np.diag(moment).mean()
    scales = chosen_scales(weight, importance, size)
    per_element = np.repeat(restored_scales(scales, is_double), size)[: weight.size].reshape(weight.shape)
    codes = feedback(weight, moment, per_element)
    return {"weight": weight, "inputs": inputs, "scales": scales, "codes": packed(codes)}


def main():
    torch.set_num_threads(1)
    tensors = {}
    for name, arguments in {
        "whole": (40, 192, 256, 64, True, 1),
        "crossing": (33, 70, 128, 64, True, 2),
        "plain-constants": (7, 129, 64, 64, False, 3),
        "long-blocks": (24, 96, 64, 256, True, 4),
    }.items():
        tensors.update({f"{name}.{part}": value for part, value in layer(*arguments).items()})
    save_file(tensors, HERE / "calibration" / "layers.safetensors")


if __name__ == "__main__":
    main()
