import ByteIO
import JSONText

/// A model in several files: which part of how many one is, by its keys, and what the others are called, by its name.
///
///     model-00002-of-00003.gguf        split.no 1, split.count 3, split.tensors.count of all three together
package struct GGUFSplit {
    let number: Int
    let count: Int
    let tensorCount: Int
    /// The name up to the number of the part: `model-`.
    private let prefix: String
    private let folder: String

    static let numberKey = "split.no"
    static let countKey = "split.count"
    static let tensorCountKey = "split.tensors.count"
    static let keys = [numberKey, countKey, tensorCountKey]

    private static let mixedHint = "the parts are not of the same model or revision; fetch all of them again"

    /// Nil where the file is the only one.
    init?(_ part: GGUFFile) throws(FileError) {
        guard let keys = try Self.values(part), keys.count > 1 else { return nil }
        (number, count, tensorCount) = keys
        let name = part.file.name
        folder = FilePath.folder(of: part.file.path)
        let ending = Self.ending(number: number, count: count)
        guard name.utf8.count > ending.utf8.count, name.hasSuffix(ending) else {
            throw FileError(
                part.file.path, at: "key '\(Self.numberKey)'",
                "this is part \(number + 1) of \(count), so the name should end in '\(ending)'",
                hint: "give the parts the names back that they had: the others are found by them")
        }
        prefix = String(name.dropLast(ending.utf8.count))
    }

    /// `-00002-of-00003.gguf` for the second of three.
    static func ending(number: Int, count: Int) -> String { "-\(digits(number + 1))-of-\(digits(count)).gguf" }

    private static func digits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.utf8.count)) + digits
    }

    /// Whether files of these names can be the parts of one model, and no others among them.
    package static func arePartsOfOne(_ names: [String]) -> Bool {
        let groups = Set(
            names.map { name -> [UInt8] in
                let bytes = Array(name.utf8)
                let ending = "-00000-of-00000.gguf".utf8
                guard bytes.count > ending.count else { return bytes }
                let isEnding = zip(bytes.suffix(ending.count), ending).allSatisfy { byte, expected in
                    expected == UInt8(ascii: "0") ? (0x30...0x39).contains(byte) : byte == expected
                }
                // The count of parts stays: files of two countings are not of one model.
                return isEnding ? bytes.dropLast(ending.count) + [0] + bytes.suffix(10) : bytes
            })
        return groups.count == 1
    }

    func name(ofPart part: Int) -> String { prefix + Self.ending(number: part, count: count) }

    /// All parts in their order, checked to be of one model.
    func openAll(_ given: GGUFFile) throws(FileError) -> [GGUFFile] {
        let names = (0..<count).map(name)
        let missing = names.filter { FilePath.kind(of: FilePath.join(folder, $0)) != .file }
        guard missing.isEmpty else {
            let listed = missing.prefix(5).joined(separator: ", ") + (missing.count > 5 ? " and \(missing.count - 5) more" : "")
            throw FileError(
                given.file.path, "\(missing.count) of \(count) parts are missing: \(listed)", hint: "download them into \(folder)")
        }
        var parts: [GGUFFile] = []
        for index in 0..<count {
            parts.append(index == number ? given : try GGUFFile(InputFile(path: FilePath.join(folder, names[index]))))
        }
        for (index, part) in parts.enumerated() { try check(part, index: index, first: parts[0]) }
        try checkTensors(parts)
        return parts
    }

    private func check(_ part: GGUFFile, index: Int, first: GGUFFile) throws(FileError) {
        let path = part.file.path
        guard let keys = try Self.values(part) else {
            throw FileError(path, "has no '\(Self.countKey)', but \(count) parts belong together", hint: Self.mixedHint)
        }
        for (key, found, expected) in [
            (Self.numberKey, keys.number, index), (Self.countKey, keys.count, count),
            (Self.tensorCountKey, keys.tensorCount, tensorCount),
        ] where found != expected {
            let source = key == Self.numberKey ? "by its name" : "in part \(number + 1)"
            throw FileError(path, at: "key '\(key)'", "is \(found), but \(expected) \(source)", hint: Self.mixedHint)
        }
        guard index > 0 else { return }
        // The metadata is that of the first part. What another says must be the same, or it would be passed over silently.
        for entry in part.header.metadata.entries where !Self.keys.contains(entry.key) && entry.key != GGUFHeader.alignmentKey {
            guard let value = first.header.metadata[entry.key], try Self.isSame(value, entry.value) else {
                throw FileError(
                    path, at: "key '\(JSONError.excerpt(entry.key))'", "is not what part 1 says, which has the metadata of all parts",
                    hint: Self.mixedHint)
            }
        }
    }

    private func checkTensors(_ parts: [GGUFFile]) throws(FileError) {
        var holders: [ByteKey: Int] = [:]
        for (index, part) in parts.enumerated() {
            for info in part.header.tensors {
                guard let other = holders.updateValue(index, forKey: ByteKey(info.name)) else { continue }
                throw FileError(
                    part.file.path, at: "tensor '\(info.name)'", "is also in part \(other + 1) of \(count)", hint: Self.mixedHint)
            }
        }
        guard holders.count == tensorCount else {
            throw FileError(
                parts[0].file.path, at: "key '\(Self.tensorCountKey)'",
                "is \(tensorCount), but the \(count) parts have \(holders.count) tensors together", hint: Self.mixedHint)
        }
    }

    private static func isSame(_ a: GGUFValue, _ b: GGUFValue) throws(FileError) -> Bool {
        if case .array(let a) = a, case .array(let b) = b { return try a.holdsSameItems(as: b) }
        return a == b
    }

    /// The three keys; nil where a file has no count of parts.
    private static func values(_ part: GGUFFile) throws(FileError) -> (number: Int, count: Int, tensorCount: Int)? {
        let metadata = part.header.metadata
        guard metadata[countKey] != nil else { return nil }
        func value(_ key: String, _ type: GGUFValueType) throws(FileError) -> Int {
            guard let value = metadata[key] else {
                throw FileError(metadata.path, at: "key '\(countKey)'", "is there, but '\(key)' is not", hint: mixedHint)
            }
            guard value.type == type, let integer = value.integer else {
                throw FileError(metadata.path, at: "key '\(key)'", "is \(value.typeName), but \(type) is expected")
            }
            return integer
        }
        let values = (try value(numberKey, .u16), try value(countKey, .u16), try value(tensorCountKey, .i32))
        guard values.0 < max(values.1, 1) else {
            throw FileError(metadata.path, at: "key '\(numberKey)'", "is \(values.0), but there are \(values.1) parts, counted from 0")
        }
        return values
    }
}
