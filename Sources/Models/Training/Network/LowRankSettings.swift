import Platform
import Transformer

/// Which layers are tuned by LoRA, and how.
package struct LowRankSettings: Sendable {
    package let rank: Int
    package let alpha: Double
    /// Share of a layer's input that the update does not see.
    package let dropout: Double
    /// Scaling alpha / sqrt(r) instead of alpha / r.
    package let usesRSLoRA: Bool
    /// Whether the linear layer of this module name is tuned; or of experts the parameter that has them in transformers' memory, as
    /// `ExpertParameter` calls it.
    package let isTarget: @Sendable (String) -> Bool
    /// Whether experts of mixtures may be tuned, too; each of them has factors of its own then, and nothing of their inputs is dropped.
    package let tunesExperts: Bool

    package init(
        rank: Int, alpha: Double, dropout: Double = 0, usesRSLoRA: Bool = false, tunesExperts: Bool = false,
        isTarget: @escaping @Sendable (String) -> Bool = { _ in true }
    ) {
        precondition(rank > 0 && (0..<1).contains(dropout), "rank \(rank), dropout \(dropout)")
        precondition(dropout == 0 || !tunesExperts, "factors of experts do without dropout, as PEFT's do")
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.usesRSLoRA = usesRSLoRA
        self.isTarget = isTarget
        self.tunesExperts = tunesExperts
    }

    package var scaling: Double { alpha / (usesRSLoRA ? Double(rank).squareRoot() : Double(rank)) }
}

/// A tensor of an adapter: what it belongs to, and its PEFT name.
package struct LowRankFactor: Sendable {
    package enum Kind: String, Sendable {
        case a = "lora_A", b = "lora_B"
    }

    package let module: String
    package let kind: Kind

    /// As PEFT calls it in an adapter file.
    package var name: String { "base_model.model.\(module).\(kind.rawValue).weight" }
}
