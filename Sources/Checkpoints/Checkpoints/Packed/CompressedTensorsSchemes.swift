import JSONText

/// What a configuration of compressed-tensors says of its weights: schemes, each for some of the modules.
///
/// Which module has which is a matter of patterns of names and classes; shapes of the parts tell as well, and are not out of date.
struct CompressedTensorsSchemes {
    struct Scheme {
        let bits: Int?
        let groupSize: Int?
        /// Rows and columns of a block that shares a scale.
        let block: (rows: Int, columns: Int)?
    }

    static let method = "compressed-tensors"

    let schemes: [Scheme]
    /// Something that changes what the weights mean, and is not read: `the format 'marlin-24'`.
    let obstacle: String?

    static let none = CompressedTensorsSchemes()

    private init() { (schemes, obstacle) = ([], nil) }

    /// Formats of `sparsity_config` in which nothing is left out.
    private static let plainSparsity: Set<String> = ["dense"]
    private static let readFormats: Set<String> = [
        "pack-quantized", "int-quantized", "naive-quantized", "float-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized",
        "mxfp8-quantized", "mixed-precision", "dense",
    ]

    init(_ settings: JSONObject) {
        let groups = settings["config_groups"]?.object?.members.compactMap { $0.value.object } ?? []
        schemes = groups.compactMap { $0["weights"]?.object }.map { weights in
            let block = weights["block_structure"]?.array?.compactMap(\.integer) ?? []
            return Scheme(
                bits: weights["num_bits"]?.integer, groupSize: weights["group_size"]?.integer.flatMap { $0 > 0 ? $0 : nil },
                block: block.count == 2 && block.allSatisfy { $0 > 0 } ? (block[0], block[1]) : nil)
        }
        let formats = ([settings["format"]] + groups.map { $0["format"] }).compactMap { $0?.string }
        let sparsity = settings["sparsity_config"]?["format"]?.string
        if let format = formats.first(where: { !Self.readFormats.contains($0) }) {
            obstacle = "the format '\(JSONError.excerpt(format))'"
        } else if let sparsity, !Self.plainSparsity.contains(sparsity) {
            obstacle = "the sparse format '\(JSONError.excerpt(sparsity))'"
        } else if let transforms = settings["transform_config"], transforms != .null, transforms.object?.members.isEmpty != true {
            obstacle = "rotations (transform_config), which the model would have to undo,"
        } else {
            obstacle = nil
        }
    }

    /// Bits that weights are stated to have; nil where nothing is stated.
    var bits: Set<Int>? {
        let bits = Set(schemes.compactMap(\.bits))
        return bits.isEmpty ? nil : bits
    }

    /// Group sizes that are stated for weights of so many bits, or any.
    func groupSizes(bits: Int?) -> Set<Int> { Set(schemes(bits: bits).compactMap(\.groupSize)) }

    /// Blocks that are stated for weights of so many bits, or any.
    func blocks(bits: Int?) -> [(rows: Int, columns: Int)] { schemes(bits: bits).compactMap(\.block) }

    private func schemes(bits: Int?) -> [Scheme] { schemes.filter { bits == nil || $0.bits == nil || $0.bits == bits } }
}
