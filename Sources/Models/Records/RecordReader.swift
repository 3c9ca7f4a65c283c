import ByteIO
import JSONText
import Prompts

/// Collects the records of a JSON data set; whatever is not a record is an error with its place.
package struct RecordReader {
    package let path: String
    private(set) var records: [TrainingRecord] = []
    private(set) var places: [String] = []
    private(set) var unusedFields: [String: Int] = [:]

    private static let forms = "instruction and output, messages or conversations, prompt and completion, or text"

    package init(path: String) { self.path = path }

    package mutating func add(_ record: TrainingRecord, place: String) {
        records.append(record)
        places.append(place)
    }

    mutating func readArray(_ bytes: [UInt8]) throws(FileError) {
        let value: JSONValue
        do { value = try JSONValue(parsing: bytes) } catch {
            throw FileError(path, at: "line \(Self.line(of: error.offset, in: bytes)), byte \(error.offset)", error.message)
        }
        for (index, element) in (value.array ?? []).enumerated() {
            let place = "record \(index + 1)"
            add(try record(element, place: place), place: place)
        }
    }

    mutating func readLines(_ bytes: [UInt8]) throws(FileError) {
        for (index, line) in bytes.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy(DataSet.isSpace) { continue }
            let place = "line \(index + 1)"
            let value: JSONValue
            do { value = try JSONValue(parsing: Array(line)) } catch {
                throw FileError(
                    path, at: "\(place), byte \(error.offset) of it", error.message,
                    hint: records.isEmpty ? "a record stands on one line; a file of many lines is to be one array of records" : nil)
            }
            add(try record(value, place: place), place: place)
        }
    }

    private mutating func record(_ value: JSONValue, place: String) throws(FileError) -> TrainingRecord {
        guard let object = value.object?.withoutNulls else {
            throw FileError(path, at: place, "a record is an object with \(Self.forms)")
        }
        func text(_ key: String) throws(FileError) -> String {
            guard let member = object[key] else { throw FileError(path, at: place, "there is no '\(key)' beside its other half") }
            guard let text = member.string else { throw FileError(path, at: place, "'\(key)' is not a string") }
            return text
        }
        let record: TrainingRecord
        let used: [String]
        let conversations = ConversationReader.fields.filter { object[$0] != nil }
        if let field = conversations.first {
            used = [field, "system", "tools"]
            record = .conversation(try conversation(object, fields: conversations, place: place))
        } else if object["instruction"] != nil || object["output"] != nil {
            used = ["instruction", "input", "output"]
            let input = object["input"] == nil ? "" : try text("input")
            record = .instruction(try text("instruction"), input: input, output: try text("output"))
        } else if object["prompt"] != nil || object["completion"] != nil {
            used = ["prompt", "completion"]
            record = .pair(prompt: try text("prompt"), completion: try text("completion"))
        } else if object["text"] != nil {
            used = ["text"]
            record = .text(try text("text"))
        } else {
            let names = object.members.prefix(8).map { "'\(JSONError.excerpt($0.key))'" }.joined(separator: ", ")
            throw FileError(path, at: place, "the fields are \(names.isEmpty ? "none" : names), but \(Self.forms) are known")
        }
        for member in object.members where !used.contains(member.key) { unusedFields[member.key, default: 0] += 1 }
        return record
    }

    private mutating func conversation(
        _ object: JSONObject, fields: [String], place: String
    ) throws(FileError) -> Conversation {
        guard let field = fields.first, fields.count == 1, let value = object[field] else {
            throw FileError(path, at: place, "there is a conversation in each of \(fields.map { "'\($0)'" }.joined(separator: " and "))")
        }
        let system = object["system"]
        guard system == nil || system?.string != nil else { throw FileError(path, at: place, "'system' is not a string") }
        var reader = ConversationReader(path: path, place: place)
        let messages = try reader.messages(value, field: field, system: system?.string)
        for name in reader.unusedFields { unusedFields["\(field)[].\(name)", default: 0] += 1 }
        return Conversation(messages, tools: try tools(object["tools"], place: place))
    }

    /// A list of schemas, or its text, as tables keep it.
    private func tools(_ value: JSONValue?, place: String) throws(FileError) -> JSONValue? {
        guard let value else { return nil }
        let list = value.string.flatMap { try? JSONValue(parsing: Array($0.utf8)) } ?? value
        guard let tools = list.array else { throw FileError(path, at: place, "'tools' is not a list of tools") }
        return tools.isEmpty ? nil : list
    }

    private static func line(of offset: Int, in bytes: [UInt8]) -> Int {
        bytes.prefix(offset).reduce(1) { $0 + ($1 == 0x0a ? 1 : 0) }
    }
}
