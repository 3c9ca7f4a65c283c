"""Makes Tests/Fixtures/merge/flips.safetensors: what moving 4-bit codes towards a delta gives, by float64 numpy.

Made with numpy 2.4 and safetensors 0.7. Three layers: `even`, whose rows of 72 do not fill blocks of 64; `odd`, 33 inputs, of which
one is dead and one is loud, with a row whose delta is zero; `fp4`. Of each: `moments` of inputs, `heldout` inputs, `codes` and
`scales` of each element, `delta`, and for every mu the `flipped` codes and (`sums`) |D X|^2, <change X, D X>, |(change - D) X|^2.
"""

import pathlib

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
NF4 = np.array(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
     -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
     0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], np.float32)
FP4 = np.array([0, 0.0052083333, 0.6666667, 1, 0.33333333, 0.5, 0.16666667, 0.25], np.float32)
FP4 = np.concatenate([FP4, -FP4])
FP4[8] = 0


def neighbours(book):
    """For each code the next greater and the next smaller one; itself at the ends, the first of equal ones."""
    order = sorted(set(book.tolist()))
    first = {value: book.tolist().index(value) for value in order}
    places = [order.index(value) for value in book.tolist()]
    greater = [first[order[p + 1]] if p + 1 < len(order) else c for c, p in enumerate(places)]
    smaller = [first[order[p - 1]] if p > 0 else c for c, p in enumerate(places)]
    return np.array(greater), np.array(smaller)


def flipped(book, codes, scales, delta, moments, mu):
    greater, smaller = neighbours(book)
    values, codes, scales = book.astype(np.float64), codes.astype(np.int64), scales.astype(np.float64)
    metric = moments.astype(np.float64)
    metric[np.diag_indices(len(metric))] += 0.01 * np.diag(metric).mean()
    least = np.inf
    for row in range(len(codes)):
        d = delta[row].astype(np.float64)
        if not d.any():
            continue
        u = metric @ d / np.sqrt(d @ metric @ d)
        curvature = np.diag(metric) + mu * u * u
        g = -(metric @ d) + mu * -(d @ u) * u
        while True:
            up = (values[greater[codes[row]]] - values[codes[row]]) * scales[row]
            down = (values[smaller[codes[row]]] - values[codes[row]]) * scales[row]
            falls = np.minimum(up * (2 * g + up * curvature), down * (2 * g + down * curvature))
            column = np.argmin(falls)
            ranked = np.sort(falls)
            least = min(least, abs(ranked[0] - ranked[1]) / abs(ranked[0]) if ranked[0] else np.inf)
            if falls[column] >= 0:
                break
            rises = up[column] * (2 * g[column] + up[column] * curvature[column]) == falls[column]
            step = up[column] if rises else down[column]
            codes[row, column] = (greater if rises else smaller)[codes[row, column]]
            g = g + step * metric[:, column] + mu * step * u[column] * u
    print(f"mu {mu}: {least:.1e} between the best steps and the next, at least")
    return codes


def layer(seed, book, rows, columns, tokens, tensors, name):
    random = np.random.default_rng(seed)
    mix = random.standard_normal((columns, columns)) * np.exp(-np.arange(columns) / 12)[None, :] + 0.3 * np.eye(columns)
    inputs = (random.standard_normal((tokens + 24, columns)) @ mix.T).astype(np.float32)
    inputs[:, 5] *= 20
    if name == "odd":
        inputs[:, 7] = 0
    moments = (inputs[:tokens].T.astype(np.float64) @ inputs[:tokens] / tokens).astype(np.float32)
    heldout = inputs[tokens:]
    weight = random.standard_normal((rows, columns)).astype(np.float32) * np.float32(0.05)
    flat = np.concatenate([weight.reshape(-1), np.zeros(-weight.size % 64, np.float32)]).reshape(-1, 64)
    absmax = np.abs(flat).max(1)
    if name == "odd":
        absmax[2] *= -1  # as double quantization restores a small one at worst
    scales = np.repeat(absmax, 64)[: weight.size].reshape(weight.shape)
    codes = np.abs(weight[:, :, None] / scales[:, :, None] - book).argmin(2)
    b, a = random.standard_normal((rows, 4)), random.standard_normal((4, columns))
    delta = b @ a
    delta = (delta * 0.02 * np.linalg.norm(weight) / np.linalg.norm(delta)).astype(np.float32)
    if name == "odd":
        delta[3] = 0
    tensors |= {f"{name}.moments": moments, f"{name}.heldout": heldout, f"{name}.scales": scales.astype(np.float32),
                f"{name}.codes": codes.astype(np.uint8), f"{name}.delta": delta}
    for mu in [0, 10, 100]:
        result = flipped(book, codes, scales, delta, moments, mu)
        change = (book.astype(np.float64)[result] - book.astype(np.float64)[codes]) * scales.astype(np.float64)
        d, x = delta.astype(np.float64), heldout.astype(np.float64).T
        sums = [np.sum((d @ x) ** 2), np.sum((change @ x) * (d @ x)), np.sum(((change - d) @ x) ** 2)]
        tensors[f"{name}.flipped.{mu}"] = result.astype(np.uint8)
        tensors[f"{name}.sums.{mu}"] = np.array(sums)
        print(name, mu, "flipped", np.mean(result != codes), "survival", sums[1] / sums[0], "error", np.sqrt(sums[2] / sums[0]))


def main():
    tensors = {}
    layer(1, NF4, 20, 72, 300, tensors, "even")
    layer(2, NF4, 19, 33, 200, tensors, "odd")
    layer(3, FP4, 18, 64, 200, tensors, "fp4")
    save_file(tensors, HERE / "merge" / "flips.safetensors")


main()
