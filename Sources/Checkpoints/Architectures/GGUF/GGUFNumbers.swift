extension GGUFSpelling {
    /// What stands under a key of the family, most of it a number that is also under a member of config.json.
    package struct Number: Sendable {
        package enum Kind: Sendable, Hashable {
            /// u32.
            case count
            /// f32.
            case real
            /// bool; as a number 0 or 1.
            case flag
            /// A string that is the same for all models.
            case text(String)
            /// An array of bool, for each layer whether it slides.
            case slidingLayers
            /// Here stands what scales the rotation, with `rope.scaling.type` also where nothing does; elsewhere it stands before the base.
            case scaling
        }

        /// Behind the name of the architecture and a dot: `attention.head_count`.
        package let key: String
        /// Nil of what config.json says by other members.
        package let member: String?
        package let kind: Kind
        /// What is taken where the file leaves the key out.
        package let fallback: Fallback
        package let writing: Writing
        /// What the key is for a model.
        package let value: @Sendable (ModelDescription) -> Double?

        package enum Fallback: Sendable, Hashable {
            /// The key has to be there.
            case required
            case value(Double)
            /// As another key of the table.
            case sameAs(String)
            /// The width of the model for each of its heads.
            case evenShare
            /// The member is left out, too.
            case leftOut
        }

        /// When the key is written, of a model that has the value.
        package enum Writing: Sendable, Hashable {
            case always
            /// Where config.json has this member, and where a reader would take something else without the key.
            case whereStated(String)
            /// Where a reader would take something else without the key.
            case whereUnusual
        }

        static func count(
            _ key: String, _ member: String?, or fallback: Fallback = .required, written writing: Writing = .always,
            _ value: @escaping @Sendable (ModelDescription) -> Int?
        ) -> Number {
            Number(key: key, member: member, kind: .count, fallback: fallback, writing: writing) { value($0).map(Double.init) }
        }

        static func real(
            _ key: String, _ member: String?, or fallback: Fallback = .required, written writing: Writing = .always,
            _ value: @escaping @Sendable (ModelDescription) -> Double?
        ) -> Number {
            Number(key: key, member: member, kind: .real, fallback: fallback, writing: writing, value: value)
        }

        static func flag(_ key: String, _ member: String, or fallback: Bool, _ value: @escaping @Sendable (ModelDescription) -> Bool)
            -> Number
        {
            Number(key: key, member: member, kind: .flag, fallback: .value(fallback ? 1 : 0), writing: .always) { value($0) ? 1 : 0 }
        }

        static func text(_ key: String, _ text: String) -> Number {
            Number(key: key, member: nil, kind: .text(text), fallback: .leftOut, writing: .always) { _ in 0 }
        }

        /// Which layers slide; the family says what readers take without the key.
        static func slidingLayers(_ writing: Writing = .whereUnusual) -> Number {
            Number(key: slidingLayersKey, member: nil, kind: .slidingLayers, fallback: .leftOut, writing: writing) { _ in nil }
        }

        static let scaling = Number(key: scalingKey, member: nil, kind: .scaling, fallback: .leftOut, writing: .always) { _ in nil }

        package static let slidingLayersKey = "attention.sliding_window_pattern"
        package static let scalingKey = "rope.scaling.type"

        /// Whether it is a number at all.
        package var isNumber: Bool { kind == .count || kind == .real || kind == .flag }
    }
}

/// The numbers of a file under the keys of its family.
package struct GGUFNumbers: Sendable {
    private let values: [String: Double]

    package init(_ values: [String: Double]) { self.values = values }

    package subscript(_ key: String) -> Double? { values[key] }

    package func count(_ key: String) -> Int? { values[key].flatMap { Int(exactly: $0) } }

    /// What is taken where a file leaves out the key of a number.
    ///
    /// - Returns: nil where nothing is.
    package func fallback(of number: GGUFSpelling.Number) -> Double? {
        switch number.fallback {
        case .value(let value): return value
        case .sameAs(let other): return values[other]
        case .evenShare:
            guard let heads = count("attention.head_count"), heads > 0, let width = count("embedding_length"), width % heads == 0 else {
                return nil
            }
            return Double(width / heads)
        case .leftOut, .required: return nil
        }
    }

    /// A float32 as the shortest decimal that means it: 1e-5, and not 9.999999747378752e-06.
    package static func shortest(_ value: Double) -> Double { Double("\(Float(value))") ?? value }
}
