package import JSONText

/// A field that changes the arithmetic and has another value in each of two configurations.
package struct ConfigurationDifference: Sendable, Hashable {
    package let field: String
    package let first: JSONValue
    package let second: JSONValue
}

extension AdapterConfiguration {
    /// Fields with other values that make equal tensors mean something else; a field that is absent has its default.
    ///
    /// `fan_in_fan_out` is none of them: the base decides about orientation.
    package func differences(from other: AdapterConfiguration) -> [ConfigurationDifference] {
        ConfigurationField.all.compactMap { field in
            guard case .followed = field.treatment, field.name != "fan_in_fan_out", field.name != "init_lora_weights" else { return nil }
            func value(_ document: JSONObject) -> JSONValue {
                guard let stated = document[field.name], stated != .null else { return field.defaultValue }
                return stated
            }
            let (mine, theirs) = (value(document), value(other.document))
            // 16 and 16.0 are one alpha.
            if let a = mine.double, let b = theirs.double, a == b { return nil }
            return mine == theirs ? nil : ConfigurationDifference(field: field.name, first: mine, second: theirs)
        }
    }
}
