package import Quantization
package import TensorCore

/// How the elements of a tensor are stored in a GGUF file.
package enum GGUFStorage: Sendable, Hashable {
    case scalar(ScalarType)
    case blocks(BlockFormat)
}

/// A kind of GGUF file, by the name that llama.cpp gives it: which tensor gets which type.
///
/// A file has one type for most of its matrices and better ones for those that matter most; tensors that are small stay F32. The
/// choices are llama-quantize's.
package struct GGUFMixture: Sendable, Hashable {
    /// What the choice depends on besides names and shapes.
    package struct Model: Sendable {
        /// Of queries, for each head of keys.
        package let headsPerKey: Int
        package let layerCount: Int
        package let expertCount: Int
        /// Whether a Llama, whose 80 layers mean the model of 70 billion.
        package let isLlama: Bool

        package init(headsPerKey: Int, layerCount: Int, expertCount: Int = 0, isLlama: Bool) {
            self.headsPerKey = headsPerKey
            self.layerCount = layerCount
            self.expertCount = expertCount
            self.isLlama = isLlama
        }
    }

    /// As it is asked for: `Q4_K_M`.
    package let name: String
    /// `general.file_type`.
    package let fileType: Int
    let storage: GGUFStorage
    private let grade: Grade
    /// Whether every matrix gets the one type.
    package var isPure = false
    /// Whether it is known how large the inputs of the weights are.
    package var hasImportance = false

    /// Whether such files are made of others by llama-quantize, and not by a converter.
    var isQuantizedLater: Bool {
        if case .scalar = storage { false } else { storage != .blocks(.q80) }
    }

    private enum Grade: Sendable, Hashable { case plain, small, medium, nonlinear }

    private init(_ name: String, _ fileType: Int, _ storage: GGUFStorage, _ grade: Grade = .plain) {
        self.name = name
        self.fileType = fileType
        self.storage = storage
        self.grade = grade
    }

    package static let all: [GGUFMixture] = [
        GGUFMixture("F32", 0, .scalar(.f32)), GGUFMixture("F16", 1, .scalar(.f16)), GGUFMixture("BF16", 32, .scalar(.bf16)),
        GGUFMixture("Q8_0", 7, .blocks(.q80)), GGUFMixture("Q4_0", 2, .blocks(.q40)), GGUFMixture("Q4_1", 3, .blocks(.q41)),
        GGUFMixture("Q5_0", 8, .blocks(.q50)), GGUFMixture("Q5_1", 9, .blocks(.q51)),
        GGUFMixture("IQ4_NL", 25, .blocks(.iq4NL), .nonlinear), GGUFMixture("IQ4_XS", 30, .blocks(.iq4XS), .nonlinear),
        GGUFMixture("Q4_K_S", 14, .blocks(.q4K), .small), GGUFMixture("Q4_K_M", 15, .blocks(.q4K), .medium),
        GGUFMixture("Q5_K_S", 16, .blocks(.q5K), .small), GGUFMixture("Q5_K_M", 17, .blocks(.q5K), .medium),
        GGUFMixture("Q6_K", 18, .blocks(.q6K)),
    ]

    /// By its name in any case; `Q4_K` and `Q5_K` are the medium ones, as llama-quantize takes them.
    package init?(named name: String) {
        let upper = name.uppercased()
        let full = upper == "Q4_K" || upper == "Q5_K" ? upper + "_M" : upper
        guard let found = Self.all.first(where: { $0.name == full }) else { return nil }
        self = found
    }

    /// The storage of each tensor.
    ///
    /// - Parameter tensors: names in the file and shapes, rows last.
    package func storage(of tensors: [(name: String, shape: Shape)], _ model: Model) -> [GGUFStorage] {
        let isTied = !tensors.contains { $0.name == "output.weight" }
        let values = Rank(tensors.map(\.name)) { $0.hasSuffix("attn_v.weight") || $0.hasSuffix("attn_qkv.weight") }
        let downs = Rank(tensors.map(\.name)) { $0.contains("ffn_down") }
        return tensors.map { name, shape in
            guard Self.isMatrix(name, shape) else { return .scalar(.f32) }
            var chosen = storage
            if case .blocks(let format) = storage, !isPure {
                let isHead = name == (isTied ? "token_embd.weight" : "output.weight")
                chosen = .blocks(
                    isHead
                        ? format == .q80 ? .q80 : .q6K
                        : better(name, format, value: values.place(of: name), down: downs.place(of: name), model))
            }
            return Self.fitting(chosen, row: shape.dimensions.last ?? 1)
        }
    }

    /// What is stored in the type of the file, or better; everything else is small, or addressed by position, and stays F32.
    private static func isMatrix(_ name: String, _ shape: Shape) -> Bool {
        shape.dimensions.count >= 2 && name.hasSuffix("weight") && !name.hasSuffix("_norm.weight") && !name.contains("ffn_gate_inp")
            && name != "position_embd.weight"
    }

    private typealias Place = (index: Int, count: Int)

    private func better(_ name: String, _ format: BlockFormat, value: Place?, down: Place?, _ model: Model) -> BlockFormat {
        let hasFewExperts = model.expertCount == 8
        if let value {
            if hasFewExperts { return .q80 }
            var chosen = format
            switch grade {
            case .medium where Self.isMoreBits(value): chosen = .q6K
            case .small where format == .q4K && value.index < 4: chosen = .q5K
            case .nonlinear where model.headsPerKey >= 4: chosen = .q5K
            default: break
            }
            // In the largest Llama, where 8 queries share one value, these are small and matter much.
            if model.isLlama, model.layerCount == 80, model.headsPerKey > 1, chosen == .q4K { chosen = .q5K }
            return chosen
        }
        if name.hasSuffix("attn_k.weight"), hasFewExperts { return .q80 }
        if let down {
            switch grade {
            case .medium where Self.isMoreBits(down): return .q6K
            case .small where format == .q4K && down.index < down.count / 8: return .q5K
            case .nonlinear where !hasImportance && down.index < down.count / 8: return .q5K
            case .plain where hasImportance && down.index < down.count / 8:
                // The first ones of a kind without offset can go wrong with an importance matrix.
                return format == .q40 ? .q41 : format == .q50 ? .q51 : format
            default: return format
            }
        }
        if name.hasSuffix("attn_output.weight"), hasFewExperts, grade != .plain, format != .q5K { return .q5K }
        return format
    }

    /// The first and the last eighth, and every third between.
    private static func isMoreBits(_ place: Place) -> Bool {
        let (index, count) = place
        return index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2
    }

    /// The nearest type whose blocks make up whole rows.
    private static func fitting(_ storage: GGUFStorage, row: Int) -> GGUFStorage {
        guard case .blocks(let format) = storage, !row.isMultiple(of: format.elementsPerBlock) else { return storage }
        let smaller: BlockFormat? =
            switch format {
            case .q4K: .q50
            case .q5K: .q51
            case .q6K: .q80
            case .iq4XS: .iq4NL
            default: nil
            }
        guard let smaller, row.isMultiple(of: smaller.elementsPerBlock) else { return .scalar(.f16) }
        return .blocks(smaller)
    }

    /// The place of a layer's tensor among those of its kind.
    private struct Rank {
        private let indices: [String: Int]

        init(_ names: [String], _ isOfKind: (String) -> Bool) {
            let own = names.filter(isOfKind).sorted { Self.layer($0) < Self.layer($1) }
            indices = Dictionary(uniqueKeysWithValues: own.enumerated().map { ($1, $0) })
        }

        func place(of name: String) -> Place? { indices[name].map { ($0, indices.count) } }

        private static func layer(_ name: String) -> Int {
            let parts = name.split(separator: ".")
            return parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        }
    }
}
