import JSONText

/// What tables of several families have in common.
extension GGUFSpelling {
    /// R, where parts of heads turn.
    static func turnedWidth(or fallback: Number.Fallback) -> Number {
        .count("rope.dimension_count", nil, or: fallback) { model in
            model.layers.lazy.compactMap { layer in
                layer.attention.rotary.map { $0.turnedWidth(headWidth: layer.attention.headWidth) }
            }.first
        }
    }

    /// Of heads that turn whole, and of layers that turn nothing, too.
    static let wholeWidth = Number.count("rope.dimension_count", nil, or: .sameAs("attention.key_length")) {
        $0.layers.first?.attention.headWidth
    }
    package static let yarnMultiplier = "rope.scaling.yarn_log_multiplier"
    static let vocabulary = Number.count("vocab_size", nil, or: .leftOut) { $0.vocabularySize }

    static func layerEpsilon(_ member: String) -> Number {
        .real("attention.layer_norm_epsilon", member) { Double($0.finalNorm.epsilon) }
    }

    /// Of layers that slide.
    static func window(or fallback: Number.Fallback) -> Number {
        .count("attention.sliding_window", "sliding_window", or: fallback) { $0.layers.lazy.compactMap(\.attention.window).first }
    }

    /// `partial_rotary_factor`, where parts of heads turn.
    static func setTurnedShare(_ config: inout JSONObject, _ numbers: GGUFNumbers, member: String = "partial_rotary_factor") {
        guard let heads = numbers.count("attention.head_count"), let width = numbers.count("embedding_length"), heads > 0,
            let turned = numbers.count("rope.dimension_count"), let head = numbers.count("attention.key_length") ?? share(width, heads),
            turned != head, head > 0
        else { return }
        let share = Double(turned) / Double(head)
        // Readers round down what it makes of a head.
        config[member] = .double(Int(Double(head) * share) == turned ? share : share.nextUp)
    }

    private static func share(_ width: Int, _ heads: Int) -> Int? { width >= heads ? width / heads : nil }
}
