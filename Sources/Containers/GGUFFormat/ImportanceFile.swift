package import ByteIO
import ContainerKit
import TensorCore

/// What the linear layers of a model saw of a text, as llama.cpp's `llama-imatrix` writes it: the mean of the square of each input.
///
/// A GGUF file, or what was written before 2025, which has no name and begins with its first number:
///
///     GGUF                                               before (.dat), little-endian
///     general.type        "imatrix"                      i32   entries
///     NAME.in_sum2  f32 [matrices, in]  sums of x_j^2    each  i32 length, NAME, i32 calls, i32 count, f32 [count]
///     NAME.counts   f32 [matrices, 1]   tokens                 sums of x_j^2, for each call the mean over its tokens
///                                                        then  perhaps i32 chunks, i32 length, name of the text
///
/// NAME is that of the weight in GGUF files: `blk.0.attn_q.weight`. A mixture's weight has a row for each expert, one after another.
/// Everything is checked when the file is opened.
package struct ImportanceFile: Sendable {
    /// What one weight's inputs are.
    package struct Entry: Sendable, Hashable {
        /// Means of x_j^2, [matrices, in]; 1 throughout of an expert that no token asked, as llama-quantize has it.
        package let means: [Float]
        /// 1, or as many as there are experts; 1 also in the older files, which do not tell.
        package let matrixCount: Int
    }

    package let path: String
    package let file: InputFile
    /// By the names of weights in GGUF files.
    package let entries: [String: Entry]
    /// Names of the texts, as the file tells them.
    package let texts: [String]

    /// It is held in memory whole.
    package static let byteCountLimit = 1 << 30
    private static let hint = "an imatrix is what llama-imatrix writes, or a calibration here"

    /// - Throws: where it is no such file, or says what cannot be: lengths, sums below 0 or that are no numbers, names twice.
    package init(path: String) throws(FileError) {
        let file = try InputFile(path: path)
        self.path = path
        self.file = file
        let isGGUF = file.byteCount >= 4 ? try file.bytes(atOffset: 0, count: 4) == Array("GGUF".utf8) : false
        (entries, texts) = try isGGUF ? Self.entries(of: GGUFSource(file)) : Self.entries(ofOld: file)
        guard !entries.isEmpty else { throw FileError(path, "says nothing of any weight", hint: Self.hint) }
    }

    // MARK: - GGUF

    private static func entries(of source: GGUFSource) throws(FileError) -> ([String: Entry], [String]) {
        let path = source.path
        guard try source.metadata.string("general.type") == "imatrix" else {
            throw FileError(path, at: "'general.type'", "is not \"imatrix\": this is a GGUF file of another kind", hint: hint)
        }
        var places: [String: Int] = [:]
        for (index, tensor) in source.tensors.enumerated() { places[tensor.name] = index }
        var entries: [String: Entry] = [:]
        for (index, tensor) in source.tensors.enumerated() where tensor.name.hasSuffix(".in_sum2") {
            let name = String(tensor.name.dropLast(8)), dimensions = tensor.shape.dimensions
            guard let counts = places[name + ".counts"] else {
                throw FileError(path, at: "tensor '\(tensor.name)'", "has no '\(name).counts' beside it")
            }
            let columns = dimensions.last ?? 0, matrices = columns > 0 ? tensor.elementCount / columns : 0
            guard tensor.scalarType == .f32, source.tensors[counts].scalarType == .f32, columns > 0, (1...2).contains(dimensions.count),
                source.tensors[counts].elementCount == matrices
            else {
                throw FileError(
                    path, at: "tensor '\(tensor.name)'",
                    "is \(tensor.scalarType.rawValue) \(tensor.shape), but f32 sums in as many rows as '\(name).counts' has numbers are expected, "
                        + "and that is \(source.tensors[counts].scalarType.rawValue) \(source.tensors[counts].shape)")
            }
            let sums = try floats(of: source, index), tokens = try floats(of: source, counts)
            var means = sums
            for matrix in 0..<matrices {
                guard tokens[matrix] >= 0, tokens[matrix].isFinite else {
                    throw FileError(path, at: "tensor '\(name).counts'", "\(tokens[matrix]) is no number of tokens")
                }
                for column in matrix * columns..<(matrix + 1) * columns {
                    means[column] = tokens[matrix] > 0 ? sums[column] / tokens[matrix] : 1
                }
            }
            try check(means, path, "tensor '\(tensor.name)'")
            entries[name] = Entry(means: means, matrixCount: matrices)
        }
        var texts: [String] = []
        if let names = try source.metadata.array("imatrix.datasets", of: .string) { texts = try names.strings() }
        return (entries, texts)
    }

    private static func floats(of source: GGUFSource, _ index: Int) throws(FileError) -> [Float] {
        try [Float](count: source.tensors[index].elementCount) { buffer throws(FileError) in
            try source.read(tensor: index, atByteOffset: 0, into: buffer)
        }
    }

    private static func check(_ means: [Float], _ path: String, _ place: String) throws(FileError) {
        guard let first = means.firstIndex(where: { !($0 >= 0) || !$0.isFinite }) else { return }
        throw FileError(path, at: place, "element \(first) is \(means[first]), but a mean of squares is a number that is not negative")
    }

    // MARK: - Before

    private static func entries(ofOld file: InputFile) throws(FileError) -> ([String: Entry], [String]) {
        let path = file.path
        var cursor = OldCursor(try file.allBytes(limit: byteCountLimit), path)
        let count = try cursor.integer("the number of entries")
        // The shortest has a name of one byte and one value.
        guard count > 0, count <= cursor.left / 17 else {
            throw FileError(
                path,
                "is no imatrix: it is no GGUF file, and its first number says \(count) entries, for which \(cursor.left) bytes are few",
                hint: hint)
        }
        var entries: [String: Entry] = [:]
        for number in 1...count {
            let place = "entry \(number)"
            let name = try cursor.text(place)
            let calls = try cursor.integer(place), valueCount = try cursor.integer(place)
            guard !name.isEmpty, valueCount > 0, valueCount <= cursor.left / 4 else {
                throw FileError(path, at: place, "'\(name)' has \(valueCount) values, but \(cursor.left) bytes are left")
            }
            var means = try cursor.floats(valueCount)
            if calls > 0 { for index in means.indices { means[index] /= Float(calls) } }
            guard calls >= 0 else { throw FileError(path, at: place, "'\(name)' was called \(calls) times") }
            try check(means, path, "'\(name)'")
            guard entries.updateValue(Entry(means: means, matrixCount: 1), forKey: name) == nil else {
                throw FileError(path, at: place, "'\(name)' is there twice")
            }
        }
        guard cursor.left > 0 else { return (entries, []) }
        _ = try cursor.integer("the number of chunks")
        let text = try cursor.text("the name of the text")
        guard cursor.left == 0 else { throw FileError(path, "\(cursor.left) bytes follow after its end") }
        return (entries, [text])
    }
}

/// Numbers and texts of an old file, one after another.
private struct OldCursor {
    private let bytes: [UInt8]
    private let path: String
    private var position = 0

    init(_ bytes: [UInt8], _ path: String) {
        self.bytes = bytes
        self.path = path
    }

    var left: Int { bytes.count - position }

    mutating func integer(_ place: String) throws(FileError) -> Int {
        guard left >= 4 else { throw FileError(path, at: place, "the file ends after \(bytes.count) bytes") }
        defer { position += 4 }
        return Int(Int32(truncatingIfNeeded: (0..<4).reduce(0) { $0 | Int(bytes[position + $1]) << (8 * $1) }))
    }

    mutating func text(_ place: String) throws(FileError) -> String {
        let count = try integer(place)
        guard count >= 0, count <= left else {
            throw FileError(path, at: place, "its name has \(count) bytes, but \(left) are left")
        }
        guard let text = String(validating: bytes[position..<position + count], as: UTF8.self) else {
            throw FileError(path, at: place, "its name is not UTF-8")
        }
        position += count
        return text
    }

    /// - Precondition: so many are left.
    mutating func floats(_ count: Int) throws(FileError) -> [Float] {
        defer { position += 4 * count }
        return (0..<count).map { index in
            let start = position + 4 * index
            return Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
        }
    }
}
