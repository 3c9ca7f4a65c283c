package import ByteIO
import JSONText
import TensorCore

/// Stored tensors that are not what their names and types suggest: codes of a quantization that is not read, another program's
/// layout, a model saved with an adapter inside.
///
/// Recognised by tensors first and by config.json second, so that packed integers are never taken for numbers, whatever a
/// configuration says or leaves out. To be looked at, such tensors are as good as any; computing with them is refused by name.
package struct ForeignWeights: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// Codes that other tensors explain.
        case packed
        /// Packed integers that nothing explains.
        case unexplained
        /// Float8 weights without scales: cut off, or plain numbers after all.
        case unscaledFloat8
        /// Names and orders of another program.
        case layout
        /// Only config.json says that the weights are quantized.
        case stated
    }

    package let kind: Kind
    /// `GPTQ`, `Mistral's own layout`.
    package let name: String
    /// The tensor that shows it, or `config.json`.
    package let place: String
    package let message: String
    package let hint: String

    package func refusal(path: String) -> FileError { FileError(path, at: place, message, hint: hint) }

    /// What is said where the tensors are only looked at.
    package var remark: String { "\(place) \(message); tensors are shown as they are stored" }
}

extension ForeignWeights {
    /// What the tensors of a model and the files beside them show; nil where its weights can be computed with.
    ///
    /// - Parameter tensors: those of the weights.
    static func recognize(
        _ found: LogicalTensors, _ tensors: [LogicalTensor], _ quantization: StatedQuantization
    ) -> ForeignWeights? {
        let packed = found.refusal ?? PackedEncoding.find(tensors)
        if let shown = wholeAdapter(tensors) ?? packed ?? layout(tensors) ?? unexplained(tensors) { return shown }
        // Of weights that were MXFP4, config.json may say so still when they are something else.
        let wasMXFP4 = quantization.methodOfConfig == MXFP4Layout.method && tensors.contains { ExpertStacks.isStack($0.name) }
        return wasMXFP4 || tensors.contains(where: \.isEncoded) ? nil : stated(quantization)
    }

    /// A model saved while PEFT's layers were in it: base and factors under names of their own.
    private static func wholeAdapter(_ tensors: [LogicalTensor]) -> ForeignWeights? {
        guard let base = tensors.first(where: { $0.name.contains(".base_layer.") }),
            tensors.contains(where: { $0.name.contains(".lora_A.") || $0.name.contains(".lora_embedding_A.") })
        else { return nil }
        return ForeignWeights(
            kind: .layout, name: "a PEFT model saved whole", place: tensorPlace(base.name),
            message: "belongs to a PEFT model that was saved whole, base weights and LoRA factors in one file",
            hint: "in Python, save what 'merge_and_unload()' returns, or save base and adapter apart")
    }

    /// The layouts of Meta's and Mistral's own files, which call the embedding `tok_embeddings`; transformers has classes with the
    /// same words for their layers, but none with that one.
    private static func layout(_ tensors: [LogicalTensor]) -> ForeignWeights? {
        guard let query = tensors.first(where: { isLayer($0.name, ending: "attention.wq.weight") }),
            tensors.contains(where: { isLayer($0.name, ending: "feed_forward.w1.weight") || $0.name.contains(".feed_forward.experts.") }),
            !tensors.contains(where: { $0.name.hasSuffix("embed_tokens.weight") })
        else { return nil }
        return ForeignWeights(
            kind: .layout, name: "the layout of Meta's and Mistral's own files", place: tensorPlace(query.name),
            message: "is named as in Meta's and Mistral's own files (consolidated), where queries and keys lie in another order",
            hint: "put the params.json of the model beside it, or take its Hugging Face files (model*.safetensors)")
    }

    /// `layers.3.` and the ending, with nothing in front.
    private static func isLayer(_ name: String, ending: String) -> Bool {
        guard name.hasPrefix("layers."), name.hasSuffix("." + ending) else { return false }
        return Int(name.dropFirst("layers.".count).dropLast(ending.count + 1)) != nil
    }

    /// Integers and float8 codes where a matrix of numbers should be.
    private static func unexplained(_ tensors: [LogicalTensor]) -> ForeignWeights? {
        let codes = tensors.filter { tensor in
            guard tensor.quantized == nil, PackedEncoding.isCode(tensor.scalarType), tensor.name.hasSuffix(".weight") else { return false }
            return LinearLayers.role(of: tensor.name, shape: tensor.shape) != .other
        }
        if let words = codes.first(where: { !PackedEncoding.float8.contains($0.scalarType) }) {
            return ForeignWeights(
                kind: .unexplained, name: "packed integers", place: tensorPlace(words.name),
                message: "is \(words.scalarType.rawValue), but a weight is made of floating-point numbers: it holds codes of a "
                    + "quantization, and no tensor that explains them is beside it",
                hint: "fetch the checkpoint again, whole, or start from the dense model")
        }
        guard let float8 = codes.first else { return nil }
        return ForeignWeights(
            kind: .unscaledFloat8, name: "float8 without scales", place: tensorPlace(float8.name),
            message: "is \(float8.scalarType.rawValue), but its scales are missing ('\(float8.name)_scale_inv' or '\(float8.name)_scale')",
            hint: "fetch the checkpoint again, whole; if the weights were cast to float8 without scales, say so with `takingPlainFloat8`")
    }

    /// What config.json says the weights are quantized with, where no tensor shows it.
    static func stated(_ quantization: StatedQuantization) -> ForeignWeights? {
        guard let method = quantization.methodOfConfig, method != StatedQuantization.bitsandbytes else { return nil }
        return ForeignWeights(
            kind: .stated, name: method, place: "config.json",
            message: "says that the weights are quantized with '\(JSONError.excerpt(method))', but no tensor shows it",
            hint: "start from the dense model; if these weights are dense, take what says so out of config.json")
    }

    static func tensorPlace(_ name: String) -> String { "tensor '\(name)'" }
}

/// How a quantization that is recognised, but not read, stores the weight of a module P.
///
/// One row a format; a reader of one becomes a layout of its own and takes its row with it.
private struct PackedEncoding {
    let name: String
    /// What follows P in the name of the codes.
    let codes: String
    let types: Set<ScalarType>
    /// What follows P in the names of those that explain them: one of these is there.
    let companions: [String]

    private static let words: Set<ScalarType> = [.i32, .u32]
    static let float8: Set<ScalarType> = [.f8e4m3, .f8e5m2, .f8e4m3fnuz, .f8e5m2fnuz]
    private static let bytes: Set<ScalarType> = [.u8, .i8]

    /// Sources: the formats' own libraries. The first row that fits names the format.
    private static let rows: [PackedEncoding] = [
        // In words of 32 bits they are read (`GPTQLayout`).
        .init(name: "GPTQ in other words", codes: ".qweight", types: [.u32, .i64, .u64, .i16, .u16], companions: [".qzeros", ".scales"]),
        .init(name: "FP-Quant", codes: ".qweight", types: bytes, companions: [".scales"]),
        // Matrices of E4M3 and E5M2 are read (`FP8Layout`); stacks of experts have a scale beside the name of the weight.
        .init(
            name: "FP8", codes: ".weight", types: float8,
            companions: [".weight_scale_inv", ".weight_scale", ".scale", ".qscale_weight", ".scale_weight", ".scales"]),
        .init(name: "FP8 of experts", codes: "_proj", types: float8, companions: ["_proj_scale_inv", "_proj_scale", "_proj_weight_scale"]),
        .init(
            name: "8-bit integers with scales", codes: ".weight", types: bytes, companions: [".weight_scale", ".weight_scales", ".scales"]),
        // Of whole families of names; those of experts are read (`MXFP4Layout`).
        .init(name: "MXFP4", codes: "_blocks", types: bytes, companions: ["_scales"]),
        .init(name: "AQLM", codes: ".codes", types: bytes.union([.i16]), companions: [".codebooks", ".scales"]),
        .init(name: "VPTQ", codes: ".indices", types: words.union([.i16, .u16]), companions: [".centroids", ".centroids.weight"]),
        .init(name: "QuIP#", codes: ".Qidxs", types: words.union([.i16, .i64]), companions: [".SU", ".SV", ".Wscale"]),
        .init(name: "EXL2", codes: ".q_weight", types: words, companions: [".q_scale", ".q_scale_max", ".q_groups"]),
        .init(name: "EXL3", codes: ".trellis", types: [.i16, .u16], companions: [".suh", ".svh", ".su", ".sv"]),
        .init(name: "quanto", codes: ".weight._data", types: bytes.union(float8), companions: [".weight._scale"]),
        .init(name: "Marlin", codes: ".B", types: words, companions: [".s"]),
    ]

    /// Types that a matrix of numbers never has.
    static func isCode(_ type: ScalarType) -> Bool {
        switch type {
        case .u8, .i8, .i16, .u16, .i32, .u32, .i64, .u64, .f4, .f6e2m3, .f6e3m2, .f8e8m0: true
        default: float8.contains(type)
        }
    }

    static func find(_ tensors: [LogicalTensor]) -> ForeignWeights? {
        let codes = tensors.filter { $0.quantized == nil && isCode($0.scalarType) }
        // Most checkpoints have none, and a header may list 100,000 names.
        guard !codes.isEmpty else { return nil }
        let names = Set(tensors.lazy.filter { $0.quantized == nil }.map { ByteKey($0.name) })
        for tensor in codes {
            for row in rows where row.types.contains(tensor.scalarType) && tensor.name.hasSuffix(row.codes) {
                let module = tensor.name.dropLast(row.codes.count)
                guard let companion = row.companions.first(where: { names.contains(ByteKey(module + $0)) }) else { continue }
                return ForeignWeights(
                    kind: .packed, name: row.name, place: ForeignWeights.tensorPlace(tensor.name),
                    message:
                        "holds codes of \(row.name) (\(tensor.scalarType.rawValue), with '\(module + companion)' beside it), which are not read",
                    hint: "start from the dense model, or dequantize this one with the program that made it")
            }
        }
        return nil
    }
}
