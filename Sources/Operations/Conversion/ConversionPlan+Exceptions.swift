import Checkpoints
import Quantization
import TensorCore

/// Where a .qnf is something else than what transformers and bitsandbytes would make of the same model.
extension ConversionPlan {
    /// Something worth a line before the conversion, with what to do about it.
    package struct Remark: Sendable, Hashable {
        package let text: String
        package let hint: String?
    }

    /// Tensors that are 4-bit in this file and dense in transformers.
    package var onlyHere: [Item] {
        items.filter { $0.isFourBit && !layers.hasFourBitLayer($0.tensor) }
    }

    /// Weights of experts in one tensor of three dimensions that stay dense: their name is not known, or a block would belong to two experts.
    package var fusedExperts: [Item] {
        items.filter { item in
            guard !item.isFourBit, item.tensor.scalarType.isQuantizable else { return false }
            return Self.isFusedExperts(item.tensor.name, item.tensor.shape)
        }
    }

    /// What to say at `to-nf4` already, since `to-hf` will do otherwise or transformers will not load it.
    package var remarks: [Remark] {
        var remarks = secondLoss.map { [$0] } ?? []
        for reason in FourBitLayers.Reason.allCases {
            let found = onlyHere.filter { layers.choice(for: $0.tensor) == .onlyHere(reason) }
            if let remark = remark(on: found, because: reason) { remarks.append(remark) }
        }
        let asked = onlyHere.filter { layers.choice(for: $0.tensor) == .dense }
        if let first = asked.first {
            remarks.append(
                Remark(
                    text: "\(count(asked, "tensor", of: first)) 4-bit, for which transformers has no 4-bit layer: "
                        + "`HuggingFaceExport` will write \(asked.count == 1 ? "it" : "them") dense", hint: nil))
        }
        let fused = fusedExperts
        if let first = fused.first {
            remarks.append(
                Remark(
                    text: "\(count(fused, "tensor", of: first)) kept dense, \(share(fused)) of the bytes: "
                        + (first.tensor.isStack
                            ? "the matrix of an expert is no whole blocks of \(settings.blockSize)"
                            : "a layer's experts in one tensor of 3 dimensions are 4-bit only by names that are known"),
                    hint: nil))
        }
        if items.contains(where: { layers.hasFourBitLayer($0.tensor) && $0.isFourBit }), let obstacle = layers.loadingObstacle {
            remarks.append(
                Remark(
                    text: obstacle,
                    hint: "this .qnf serves here; for transformers, `DenseExport` writes a folder that it loads"))
        }
        return remarks
    }

    /// Weights that are quantized already lose twice.
    private var secondLoss: Remark? {
        guard checkpoint.hasPackedWeights else { return nil }
        var words: [String] = []
        for item in items {
            guard case .quantize = item.step, case .encoded(let encoded) = item.tensor.storage else { continue }
            if !words.contains(encoded.encoding.words) { words.append(encoded.encoding.words) }
        }
        guard !words.isEmpty else { return nil }
        return Remark(
            text:
                "these weights are \(words.joined(separator: " and ")); \(settings.quantType.rawValue.uppercased()) rounds them a second time",
            hint: "weights from before they were quantized lose less, where there are any")
    }

    private func remark(on found: [Item], because reason: FourBitLayers.Reason) -> Remark? {
        guard let first = found.first else { return nil }
        let why =
            switch reason {
            case .expert: "transformers 5 holds the experts of a layer as one tensor and keeps them dense"
            case .ownClass: "transformers 5 keeps the linear layers of '\(checkpoint.architecture.modelType ?? "this family")' dense"
            }
        return Remark(
            text:
                "\(count(found, reason == .expert ? "expert weight" : "weight", of: first)) 4-bit here, \(share(found)) of the bytes: \(why), "
                + "and `HuggingFaceExport` will write \(found.count == 1 ? "it" : "them") dense",
            hint: "`matchesTransformers` keeps them dense in the .qnf, too")
    }

    /// `12 expert weights like 'model.layers.0.mlp.experts.0.up_proj.weight' are`.
    private func count(_ found: [Item], _ noun: String, of first: Item) -> String {
        found.count == 1 ? "the \(noun) '\(first.tensor.name)' is" : "\(found.count) \(noun)s like '\(first.tensor.name)' are"
    }

    /// Share of the source's bytes, in percent.
    private func share(_ found: [Item]) -> String {
        let all = items.reduce(0) { $0 + $1.inputByteCount }
        let part = found.reduce(0) { $0 + $1.inputByteCount }
        let percent = all == 0 ? 0 : (1000 * Double(part) / Double(all)).rounded() / 10
        return "\(percent)%"
    }

    /// Told by its name, or, whatever it is called, by matrices that are stacked.
    ///
    /// Convolutions have kernels of a few elements, or say what they are; tables of positions are tables.
    private static func isFusedExperts(_ name: String, _ shape: Shape) -> Bool {
        let dimensions = shape.dimensions
        guard dimensions.count == 3, dimensions[0] > 1, dimensions[1] > 1, dimensions[2] > 1 else { return false }
        if name.contains("expert") || name.contains("moe.") { return true }
        let isTable = ["embed", "conv", "pos", "token"].contains { name.contains($0) }
        return !isTable && dimensions[1] >= 32 && dimensions[2] >= 32
    }
}

extension ConversionPlan.Item {
    /// 4-bit in the output.
    var isFourBit: Bool {
        switch step {
        case .quantize, .copyQuantized: true
        case .copy, .cast, .decode: false
        }
    }
}
