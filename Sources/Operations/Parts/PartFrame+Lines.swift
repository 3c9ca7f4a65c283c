package import ByteIO
import JSONText
import Streaming
import TensorCore

/// A frame as text: lines of JSON, one of what there is once, then one for each tensor, quant state and tensor of the source.
///
///     {"version":2,"tool":"qconvert 0.1.0","command":"to-nf4", ... ,"tensors":39,"states":0,"sources":0}
///     ["model.embed_tokens.weight","BF16",[512,64],65536,0,null]
extension PartFrame {
    static let version = 2

    package var lines: [UInt8] {
        var writer = LineWriter()
        var head = JSONObject([
            "version": .integer(Self.version), "tool": .string(tool), "command": .string(command), "options": .strings(options),
            "source": .string(source), "output": .string(output.rawValue), "files": .array(files.map(Self.document)),
            "tensors": .integer(tensors.count), "states": .integer(metadata?.states.count ?? 0),
            "sources": .integer(metadata?.source.tensors.count ?? 0),
        ])
        if let metadata {
            head["settings"] = metadata.settings
            head["lineage"] = metadata.lineage
            head["source_kind"] = .string(metadata.source.kind)
            head["source_files"] = .array(metadata.source.files.map { .array([.string($0.name), .integer($0.byteCount)]) })
        }
        writer.append(.object(head))
        for tensor in tensors {
            writer.append(
                .array([
                    .string(tensor.name), .string(tensor.type), .array(tensor.shape.dimensions.map { .integer($0) }),
                    .integer(tensor.byteCount), .integer(tensor.file), tensor.offset.map { .integer($0) } ?? .null,
                ]))
        }
        guard let metadata else { return writer.bytes }
        for state in metadata.states { writer.append(.array([.string(state.name), .integer(state.byteCountLimit)])) }
        for (info, file) in zip(metadata.source.tensors, metadata.source.fileIndices) {
            writer.append(
                .array([
                    .string(info.name), .string(info.scalarType.rawValue), .array(info.shape.dimensions.map { .integer($0) }),
                    .integer(file),
                ]))
        }
        return writer.bytes
    }

    private static func document(_ file: File) -> JSONValue {
        switch file.form {
        case .qnf: .object(["name": .string(file.name), "form": .string("qnf")])
        case .gguf(let byteCount):
            .object(["name": .string(file.name), "form": .string("gguf"), "bytes": .integer(byteCount)])
        case .safetensors(let metadata):
            .object([
                "name": .string(file.name), "form": .string("safetensors"),
                "metadata": .array(metadata.map { .strings([$0.key, $0.value]) }),
            ])
        }
    }

    /// - Parameters:
    ///   - lines: as a part has them, which may be anything.
    ///   - path: of the part.
    package init(lines: [UInt8], path: String) throws(FileError) {
        var reader = LineReader(lines, path: path, of: "the frame")
        let head = try reader.next()
        let version = head["version"]?.integer
        guard version == Self.version else {
            throw FileError(
                path, "the frame is of version \(version.map(String.init) ?? "none"), but version \(Self.version) is read",
                hint: "another version of the tools may have written it; join with that one")
        }
        guard let tool = head["tool"]?.string, let command = head["command"]?.string, let source = head["source"]?.string,
            let options = head["options"]?.array?.compactMap(\.string), let output = head["output"]?.string.flatMap(Output.init),
            let files = head["files"]?.array, let tensorCount = head["tensors"]?.integer, let stateCount = head["states"]?.integer,
            let sourceCount = head["sources"]?.integer
        else { throw reader.damage() }
        self.tool = tool
        self.command = command
        self.options = options
        self.source = source
        self.output = output
        self.files = try files.map { (file) throws(FileError) in try Self.file(file, reader) }
        var tensors: [Tensor] = []
        for _ in 0..<max(0, tensorCount) { tensors.append(try Self.tensor(try reader.next(), fileCount: files.count, reader)) }
        self.tensors = tensors
        guard let settings = head["settings"], let lineage = head["lineage"] else {
            metadata = nil
            try reader.expectEnd()
            return
        }
        var states: [(name: String, byteCountLimit: Int)] = []
        for _ in 0..<max(0, stateCount) {
            let row = try reader.next().array ?? []
            guard row.count == 2, let name = row[0].string, let limit = row[1].integer, (0...(1 << 20)).contains(limit) else {
                throw reader.damage()
            }
            states.append((name, limit))
        }
        metadata = Metadata(
            states: states, settings: settings, lineage: lineage, source: try Self.source(head, count: sourceCount, &reader))
        try reader.expectEnd()
    }

    private static func file(_ document: JSONValue, _ reader: LineReader) throws(FileError) -> File {
        guard let name = document["name"]?.string, let form = document["form"]?.string else { throw reader.damage() }
        switch form {
        case "qnf": return File(name: name, form: .qnf)
        case "gguf":
            guard let byteCount = document["bytes"]?.integer, byteCount > 0, byteCount <= .max / 2 else { throw reader.damage() }
            return File(name: name, form: .gguf(byteCount: byteCount))
        case "safetensors":
            guard let pairs = document["metadata"]?.array else { throw reader.damage() }
            var metadata: [(key: String, value: String)] = []
            for pair in pairs {
                guard let words = pair.array, words.count == 2, let key = words[0].string, let value = words[1].string else {
                    throw reader.damage()
                }
                metadata.append((key, value))
            }
            return File(name: name, form: .safetensors(metadata: metadata))
        default: throw reader.damage()
        }
    }

    private static func tensor(_ line: JSONValue, fileCount: Int, _ reader: LineReader) throws(FileError) -> Tensor {
        let row = line.array ?? []
        guard row.count == 6, let name = row[0].string, let type = row[1].string, let shape = shape(row[2]),
            let byteCount = row[3].integer, byteCount >= 0, byteCount <= .max / 2, let file = row[4].integer,
            (0..<fileCount).contains(file), row[5] == .null || row[5].integer.map({ $0 >= 0 && $0 <= .max / 2 }) == true
        else { throw reader.damage() }
        return Tensor(name: name, type: type, shape: shape, byteCount: byteCount, file: file, offset: row[5].integer)
    }

    private static func source(_ head: JSONValue, count: Int, _ reader: inout LineReader) throws(FileError) -> SourceDescription {
        guard let kind = head["source_kind"]?.string, let rows = head["source_files"]?.array else { throw reader.damage() }
        var files: [(name: String, byteCount: Int)] = []
        for row in rows {
            guard let words = row.array, words.count == 2, let name = words[0].string, let byteCount = words[1].integer else {
                throw reader.damage()
            }
            files.append((name, byteCount))
        }
        var tensors: [TensorInfo] = []
        var indices: [Int] = []
        for _ in 0..<max(0, count) {
            let row = try reader.next().array ?? []
            guard row.count == 4, let name = row[0].string, let type = row[1].string.flatMap(ScalarType.init), let shape = shape(row[2]),
                let file = row[3].integer, files.indices.contains(file),
                let info = TensorInfo(name: name, scalarType: type, shape: shape)
            else { throw reader.damage() }
            tensors.append(info)
            indices.append(file)
        }
        return SourceDescription(kind: kind, files: files, tensors: tensors, fileIndices: indices)
    }

    private static func shape(_ value: JSONValue) -> Shape? {
        guard let dimensions = value.array?.compactMap(\.integer), dimensions.count == value.array?.count else { return nil }
        return Shape(dimensions)
    }
}
