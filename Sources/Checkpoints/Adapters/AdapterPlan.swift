import ByteIO
import JSONText
package import TensorCore

/// What an adapter file is to hold: configuration, origin, and all tensors in the order of the file.
package struct AdapterPlan: Sendable {
    package let configuration: AdapterConfiguration
    /// With PEFT's names, `base_model.model.` included: elements of more bytes first, then by the bytes of the name, so that
    /// every tensor is aligned.
    package let tensors: [TensorInfo]
    /// Of the weights of the base (`sha256:` and 64 digits), where it is known.
    package let baseFingerprint: String?
    /// The program that made the adapter: `qtrain 0.1.0`.
    package let tool: String
    /// Texts of training records that go with it, for whoever merges it; none unless they were asked for.
    package let sample: [String]

    /// - Precondition: the tensors fit the configuration, as when they came from an `Adapter` or `AdapterConfiguration`.
    package init(
        configuration: AdapterConfiguration, tensors: [TensorInfo], baseFingerprint: String?, tool: String, sample: [String] = []
    ) {
        precondition(baseFingerprint.map(AdapterMetadata.isFingerprint) ?? true, "\(baseFingerprint ?? "") is no fingerprint")
        self.configuration = configuration
        self.tensors = tensors.sorted { first, second in
            let bits = (first.scalarType.bitCount, second.scalarType.bitCount)
            return bits.0 != bits.1 ? bits.0 > bits.1 : first.name.utf8.lexicographicallyPrecedes(second.name.utf8)
        }
        self.baseFingerprint = baseFingerprint
        self.tool = tool
        self.sample = sample
    }

    /// Stands before every name of the base.
    package static var prefix: String { ModuleCollector.prefix }

    /// The name of a tensor of a module: `name(of: "lm_head", .a)`.
    package static func name(of module: String, _ factor: Factor) -> String { prefix + module + factor.rawValue }

    /// Parts of a module by the end of their names.
    package enum Factor: String, Sendable {
        case a = ".lora_A.weight"
        case b = ".lora_B.weight"
        case loraBias = ".lora_B.bias"
        case embeddingA = ".lora_embedding_A"
        case embeddingB = ".lora_embedding_B"
        case magnitude = ".lora_magnitude_vector"
        /// Whole parameters, which replace those of the base.
        case weight = ".weight"
        case bias = ".bias"
    }

    func metadata(_ form: Adapter.Form, checksums: [CRC32C]) -> [(key: String, value: String)] {
        AdapterMetadata.members(
            tool: tool, baseFingerprint: baseFingerprint,
            configuration: form == .lora ? JSONValue.object(configuration.document).text(.compact) : nil, sample: sample,
            checksums: checksums)
    }
}
