import ByteIO
import SafetensorsFormat
import TensorCore

/// Tensors of random weights to measure on, written once.
enum RandomTensors {
    typealias List = [(name: String, dimensions: [Int])]

    /// Tensors of a Llama of a size, with as many tokens as Llama 2 has. TinyLlama-1.1B's shapes take 2.2 GB as bf16.
    static func llama(layers: Int, width: Int, keyValueWidth: Int, inner: Int) -> List {
        var tensors: List = [("model.embed_tokens.weight", [32000, width]), ("lm_head.weight", [32000, width])]
        for layer in 0..<layers {
            let prefix = "model.layers.\(layer)."
            tensors += [
                (prefix + "self_attn.q_proj.weight", [width, width]), (prefix + "self_attn.k_proj.weight", [keyValueWidth, width]),
                (prefix + "self_attn.v_proj.weight", [keyValueWidth, width]), (prefix + "self_attn.o_proj.weight", [width, width]),
                (prefix + "mlp.gate_proj.weight", [inner, width]), (prefix + "mlp.up_proj.weight", [inner, width]),
                (prefix + "mlp.down_proj.weight", [width, inner]), (prefix + "input_layernorm.weight", [width]),
                (prefix + "post_attention_layernorm.weight", [width]),
            ]
        }
        return tensors + [("model.norm.weight", [width])]
    }

    /// Tensors of a GPT-2 of a size, named as OpenAI's models are on Hugging Face.
    static func gpt2(layers: Int, width: Int) -> List {
        var tensors: List = [("transformer.wte.weight", [50257, width]), ("transformer.wpe.weight", [1024, width])]
        for layer in 0..<layers {
            let prefix = "transformer.h.\(layer)."
            let linear = [
                ("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width), ("mlp.c_fc", width, 4 * width),
                ("mlp.c_proj", 4 * width, width),
            ]
            for (name, inputs, outputs) in linear {
                tensors += [(prefix + name + ".weight", [inputs, outputs]), (prefix + name + ".bias", [outputs])]
            }
            for norm in ["ln_1", "ln_2"] { tensors += [(prefix + norm + ".weight", [width]), (prefix + norm + ".bias", [width])] }
        }
        return tensors + [("transformer.ln_f.weight", [width]), ("transformer.ln_f.bias", [width])]
    }

    /// 100,000 matrices of 8 x 64.
    static func manySmall() -> List {
        (0..<100_000).map { ("model.layers.\($0 / 10).part\($0 % 10).proj.weight", [8, 64]) }
    }

    /// Writes a bf16 safetensors file of such tensors, unless it is there already.
    static func write(_ tensors: List, to path: String) throws {
        guard FilePath.kind(of: path) != .file else { return }
        let plan = tensors.compactMap { tensor in
            Shape(tensor.dimensions).flatMap { TensorInfo(name: tensor.name, scalarType: .bf16, shape: $0) }
        }
        let output = try AtomicOutput(destination: path, replaces: false)
        let file = try output.file()
        let writer = try SafetensorsWriter(file: file, plan: plan, metadata: [("format", "pt")])
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        // One tensor's worth of noise is drawn and written shifted from tensor to tensor: random enough to be quantized.
        let noise = (0..<1 << 20).map { _ in Self.normal(&state) }
        for (index, info) in plan.enumerated() {
            var offset = 0
            while offset < info.byteCount {
                let count = min(noise.count * 2 - 2 * (index % 512), info.byteCount - offset)
                try noise.withUnsafeBytes { bytes in
                    let start = 2 * (index % 512)
                    try writer.write(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]), tensor: index, atByteOffset: offset)
                }
                offset += count
            }
        }
        try writer.finish { _ in [("format", "pt")] }
        try output.commit([file])
    }

    /// A bf16 of about normal distribution with deviation 0.02: the sum of twelve uniform numbers.
    private static func normal(_ state: inout UInt64) -> UInt16 {
        var sum: Float = 0
        for _ in 0..<12 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            sum += Float(state >> 40) * 0x1p-24
        }
        return UInt16(truncatingIfNeeded: ((sum - 6) * 0.02).bitPattern >> 16)
    }
}
