package import ByteIO
package import JSONText

/// A sensitivity as it is kept in a file, with all that it was measured on: it is that of the same model, quantized in the same way.
///
///     {"schema": 1, "sensitivity": {"of": {...}, "measured_on": {...}, "tensors": [{"name", "layer", "kind", "elements", "measured"}]}}
package struct SensitivityFile: Sendable {
    /// What has to be the same: files of the model, settings, how codes are chosen.
    package let subject: JSONObject
    /// What else was measured with, for who reads it.
    package let circumstances: JSONValue
    package let sensitivity: Sensitivity

    private static let byteCountLimit = 1 << 26
    private static let hint = "without the file it is measured anew: name another, or remove it"

    package init(subject: JSONObject, circumstances: JSONValue, sensitivity: Sensitivity) {
        self.subject = subject
        self.circumstances = circumstances
        self.sensitivity = sensitivity
    }

    /// - Throws: where it is no such file, or that of anything else than `subject`.
    package init(path: String, subject: JSONObject) throws(FileError) {
        let bytes = try InputFile(path: path).allBytes(limit: Self.byteCountLimit)
        let document: JSONValue
        do throws(JSONError) { document = try JSONValue(parsing: bytes) } catch {
            throw FileError(path, at: "byte \(error.offset)", error.message)
        }
        guard document["schema"]?.integer == 1, let content = document["sensitivity"], let of = content["of"]?.object,
            let tensors = content["tensors"]?.array
        else { throw FileError(path, "is no file of sensitivities, as a conversion with a budget writes it", hint: Self.hint) }
        for member in subject.members where of[member.key] != member.value {
            throw FileError(
                path, at: "'\(member.key)'",
                "is of another model or another way to quantize: it says \(Self.excerpt(of[member.key])), but here it is "
                    + Self.excerpt(member.value), hint: Self.hint)
        }
        var names: Set<String> = []
        var rows: [Sensitivity.Row] = []
        for (number, row) in tensors.enumerated() {
            guard let name = row["name"]?.string, let layer = row["layer"]?.integer, layer >= 0, let kind = row["kind"]?.string,
                let elements = row["elements"]?.integer, elements > 0, let measured = row["measured"]?.double, measured >= 0,
                measured.isFinite
            else { throw FileError(path, at: "tensor \(number + 1)", "has no name, layer, kind, elements and divergence", hint: Self.hint) }
            guard names.insert(name).inserted else { throw FileError(path, at: "tensor \(number + 1)", "'\(name)' is there twice") }
            rows.append(Sensitivity.Row(name: name, layer: layer, kind: kind, elementCount: elements, measured: measured))
        }
        self.init(subject: of, circumstances: content["measured_on"] ?? .null, sensitivity: Sensitivity(rows))
    }

    private static func excerpt(_ value: JSONValue?) -> String {
        guard let text = value?.text(.compact) else { return "nothing" }
        return text.count > 80 ? "\(text.prefix(80))..." : text
    }

    /// Writes the file, complete or not at all; what is there is not replaced.
    package func write(to path: String) throws(FileError) {
        let document: JSONValue = .object([
            "schema": .integer(1),
            "sensitivity": .object([
                "of": .object(subject), "measured_on": circumstances,
                "tensors": .array(
                    sensitivity.rows.map { row in
                        .object([
                            "name": .string(row.name), "layer": .integer(row.layer), "kind": .string(row.kind),
                            "elements": .integer(row.elementCount), "measured": .double(row.measured),
                        ])
                    }),
            ]),
        ])
        let output = try AtomicOutput(destination: path, replaces: false)
        let file = try output.file()
        try file.write(Array((document.text(.indented) + "\n").utf8), atOffset: 0)
        try output.commit([file])
    }
}
