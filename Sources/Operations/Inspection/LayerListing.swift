package import Checkpoints
import Quantization
package import Streaming
package import TensorCore

/// The tensors of a checkpoint as a person looks at them: logical tensors, in natural order, grouped by layer.
package struct LayerListing: Sendable {
    package struct Row: Sendable, Hashable {
        package let name: String
        /// Name of the layer it belongs to (`model.layers.0`), or nil outside of numbered layers.
        package let layer: String?
        package let shape: Shape
        /// `BF16`, or of a 4-bit weight `NF4/64+DQ`: type, block size, double quantization.
        package let typeName: String
        package let byteCount: Int

        /// Bits an element takes, constants included; nil of an empty tensor.
        package var bitsPerElement: Double? {
            shape.elementCount == 0 ? nil : 8 * Double(byteCount) / Double(shape.elementCount)
        }

        /// What it is in its layer, alike in all of them: `self_attn.q_proj`; see `LayerListing.kind`.
        package var kind: String { LayerListing.kind(of: name, inLayer: layer) }

        /// The name without that of its layer.
        package var shortName: String { layer.map { String(name.dropFirst($0.count + 1)) } ?? name }
    }

    package let rows: [Row]
    /// Beside quantized weights, what means nothing once these are dense.
    package let leftovers: [Row]
    /// Entries that are no tensors of numbers.
    package let unreadable: [UnreadableTensor]

    /// - Parameter pattern: only tensors whose names match.
    package init(_ checkpoint: some NamedTensors, matching pattern: NamePattern?) {
        func list(_ tensors: [LogicalTensor]) -> [Row] {
            tensors.filter { pattern?.matches($0.name) ?? true }
                .sorted { NaturalOrder.precedes($0.name, $1.name) }
                .map { Self.row(of: $0, in: checkpoint) }
        }
        rows = list(checkpoint.tensors)
        leftovers = list(checkpoint.leftovers)
        unreadable = checkpoint.source.unreadableTensors.filter { pattern?.matches($0.name) ?? true }
    }

    package var elementCount: Int { rows.reduce(0) { $0 + $1.shape.elementCount } }
    package var byteCount: Int { rows.reduce(0) { $0 + $1.byteCount } }

    static func row(of tensor: LogicalTensor, in checkpoint: some NamedTensors) -> Row {
        Row(
            name: tensor.name, layer: layer(of: tensor.name), shape: tensor.shape, typeName: tensor.typeName,
            byteCount: tensor.storedByteCount(in: checkpoint.source))
    }

    /// Everything up to the first number among the parts of the name: `transformer.h.3`.
    package static func layer(of name: String) -> String? {
        let bytes = name.utf8
        // TensorFlow numbers its layers without a separator: `model/h3/attn/c_attn/w`.
        let hasSlashes = bytes.contains(UInt8(ascii: "/"))
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "/") }) {
            let part = bytes[start..<end]
            let digits = part.drop { !isDigit($0) }
            let isNumbered = !digits.isEmpty && digits.allSatisfy(isDigit) && (digits.count == part.count || hasSlashes)
            if isNumbered, start > bytes.startIndex { return String(name[..<end]) }
            start = bytes.index(after: end)
        }
        return nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// What a tensor is, whichever layer (and expert) it belongs to: the name without its layer's and without a last
    /// `weight`, other numbers in it as `*`: `mlp.experts.*.down_proj`.
    package static func kind(of name: String, inLayer layer: String?) -> String {
        var parts = name.utf8.dropFirst(layer.map { $0.utf8.count + 1 } ?? 0).split { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "/") }
            .map { String(decoding: $0, as: UTF8.self) }
        if parts.count > 1, let last = parts.last, ["weight", "w", "kernel"].contains(last) { parts.removeLast() }
        return parts.map { $0.utf8.allSatisfy(isDigit) ? "*" : $0 }.joined(separator: ".")
    }
}
