import JSONText

/// The members of a config.json, checked one by one as they are asked for.
struct ConfigurationFields {
    let object: JSONObject

    /// Far above every model known, and low enough that no product of three of them overflows.
    static let limit = 1 << 20
    /// Names of all tensors are made before a file is asked for them: no config may make that long.
    static let layerLimit = 4096

    init(_ object: JSONObject) { self.object = object }

    /// What would make another model of it, whatever the family: attention to both sides, layers that differ among themselves.
    func requireDecoder() throws(ModelError) {
        try require("is_causal", true, default: true)
        guard present("per_layer_config") == nil else {
            throw ModelError("config.json: 'per_layer_config' gives layers settings of their own, which is not built here")
        }
    }

    /// A member that is there and not null.
    func present(_ key: String) -> JSONValue? {
        object[key].flatMap { if case .null = $0 { nil } else { $0 } }
    }

    /// A number that has several names, by the first that is there.
    ///
    /// - Throws: where two of them are there and differ: which of them counts is a matter of the version of transformers.
    func count(_ keys: String..., limit: Int = Self.limit) throws(ModelError) -> Int {
        try count(anyOf: keys, limit: limit)
    }

    func count(anyOf keys: [String], limit: Int = Self.limit) throws(ModelError) -> Int {
        var found: (key: String, count: Int)?
        for key in keys {
            guard let count = try optionalCount(key, limit: limit) else { continue }
            guard let first = found else {
                found = (key, count)
                continue
            }
            guard first.count == count else {
                throw ModelError(
                    "config.json: '\(first.key)' is \(first.count), but '\(key)', another name of it, is \(count)",
                    hint: "remove the one that the weights do not have")
            }
        }
        guard let found else { throw ModelError("config.json has no '\(keys[0])'") }
        return found.count
    }

    func optionalCount(_ key: String, limit: Int = Self.limit) throws(ModelError) -> Int? {
        guard let value = present(key) else { return nil }
        // Some writers spell whole numbers as floats.
        guard let count = value.integer ?? value.double.flatMap(Int.init(exactly:)), (1...limit).contains(count) else {
            throw ModelError(
                "config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), "
                    + "but a whole number from 1 to \(limit) is expected")
        }
        return count
    }

    /// A whole number of any sign; nil where there is none.
    func wholeNumber(_ key: String) throws(ModelError) -> Int? {
        guard let value = present(key) else { return nil }
        guard let number = value.integer else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but a whole number is expected")
        }
        return number
    }

    /// Null is what it is to Python: false, whatever stands for a member that is not there.
    func flag(_ key: String, default value: Bool) throws(ModelError) -> Bool {
        guard let stated = present(key) else { return object[key] == nil ? value : false }
        guard let flag = stated.bool else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(stated.text(.compact))), but true or false is expected")
        }
        return flag
    }

    func positive(_ value: JSONValue?, _ key: String, default fallback: Double? = nil) throws(ModelError) -> Double {
        guard let value else {
            if let fallback { return fallback }
            throw ModelError("config.json: the rope parameters have no '\(key)'")
        }
        guard let number = value.double, number > 0, number.isFinite else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but a positive number is expected")
        }
        return number
    }

    func epsilon(_ key: String, default fallback: Double) throws(ModelError) -> Float {
        Float(try positive(present(key), key, default: fallback))
    }

    /// One id or a list of them; null and absent are none. Negative ones (written by old tools for "none") are none too.
    func tokenIDs(_ key: String) throws(ModelError) -> [Int] {
        guard let value = present(key) else { return [] }
        let ids = (value.array ?? [value]).map(\.integer)
        guard ids.allSatisfy({ ($0 ?? .max) < Self.limit }) else {
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))), but token ids are expected")
        }
        return ids.compactMap(\.self).filter { $0 >= 0 }
    }

    func activation(_ key: String, default fallback: Activation) throws(ModelError) -> Activation {
        guard let value = present(key) else { return fallback }
        guard let activation = value.string.flatMap(Activation.init(named:)) else {
            let known = Activation.allCases.flatMap(\.names).joined(separator: ", ")
            throw ModelError("config.json: '\(key)' is \(JSONError.excerpt(value.text(.compact))); these can be run: \(known)")
        }
        return activation
    }

    func require(_ key: String, _ expected: Bool, default fallback: Bool) throws(ModelError) {
        guard try flag(key, default: fallback) == expected else {
            let stated = object[key].map { $0.text(.compact) } ?? "\(!expected)"
            throw ModelError("config.json: '\(key)' is \(stated); only \(expected) can be run")
        }
    }

    func require(_ key: String, among expected: [String]) throws(ModelError) {
        guard let stated = present(key) else { return }
        guard let value = stated.string, expected.contains(value) else {
            let shown = stated.string.map { "'\(JSONError.excerpt($0))'" } ?? JSONError.excerpt(stated.text(.compact))
            throw ModelError("config.json: '\(key)' is \(shown); these can be run: \(expected.joined(separator: ", "))")
        }
    }
}
