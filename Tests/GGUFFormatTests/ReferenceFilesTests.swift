import ByteIO
import GGUFFormat
import JSONText
import TensorCore
import TestSupport
import Testing

/// Files that gguf-py wrote, against what it says of them.
@Suite struct ReferenceFilesTests {
    static let names = [
        "align1", "align4096", "align64", "align8", "all-kv-types", "bigendian", "dims", "last-not-padded", "no-tensors", "nothing",
        "split-00001-of-00003", "split-00002-of-00003", "split-00003-of-00003", "v2", "v3",
    ]

    static func expectation(_ name: String) throws -> JSONValue {
        let document = try JSONValue(parsing: try Fixture.bytes(Fixture.path("gguf/container/expect.json")))
        return try #require(document["\(name).gguf"])
    }

    @Test(arguments: names) func readsWhatTheReferenceWrote(_ name: String) throws {
        let expected = try Self.expectation(name)
        let file = try GGUFFile(InputFile(path: Fixture.path("gguf/container/\(name).gguf")))
        let header = file.header
        #expect(header.version == expected["version"]?.integer && header.alignment == expected["alignment"]?.integer)
        #expect(header.dataStart == expected["data_offset"]?.integer)
        #expect(header.byteOrder == (name == "bigendian" ? .big : .little))
        let keys = try #require(expected["kv"]?.array)
        #expect(header.metadata.entries.map(\.key) == keys.compactMap { $0["key"]?.string })
        for (entry, key) in zip(header.metadata.entries, keys) {
            #expect(Int(entry.value.type.rawValue) == key["type"]?.integer)
            #expect(try JSONForm.of(entry.value) == key["value"], "\(entry.key)")
            if let array = entry.value.array {
                #expect(Int(array.itemType.rawValue) == key["item"]?.integer && array.count == key["count"]?.integer)
            }
        }
        let tensors = try #require(expected["tensors"]?.array)
        #expect(header.tensors.count == tensors.count)
        for (info, tensor) in zip(header.tensors, tensors) {
            #expect(info.name == tensor["name"]?.string && info.type.name == tensor["type"]?.string)
            #expect(info.shape.dimensions.reversed() == tensor["ne"]?.array?.compactMap(\.integer))
            #expect(info.dataOffset == tensor["offset"]?.integer && info.byteCount == tensor["bytes"]?.integer)
        }
    }

    /// The bytes of every tensor, by the digests that the reference gives.
    @Test(arguments: names.filter { !$0.hasPrefix("split") }) func readsTheData(_ name: String) throws {
        let tensors = try #require(try Self.expectation(name)["tensors"]?.array)
        let source = try GGUFSource(path: Fixture.path("gguf/container/\(name).gguf"))
        for (index, tensor) in tensors.enumerated() {
            guard let digest = tensor["sha256"]?.string else { continue }
            var hash = SHA256()
            hash.append(try source.bytes(ofTensor: index))
            #expect(hash.finish() == digest, "\(source.tensors[index].name)")
        }
    }

    /// Metadata and data of a big-endian file are those that a little-endian one has.
    @Test func turnsBigEndianNumbersAround() throws {
        let source = try GGUFSource(path: Fixture.path("gguf/container/bigendian.gguf"))
        let same = try GGUFSource(path: Fixture.path("gguf/container/v3.gguf"))
        #expect(source.tensors[0] == same.tensors[0])
        let values = try source.floats(ofTensor: 0, 0..<24)
        #expect(values.allSatisfy { $0.isFinite && abs($0) < 8 })
        let stored = try Fixture.bytes(Fixture.path("gguf/container/bigendian.gguf"))[192..<196].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        #expect(values[0].bitPattern == stored)
        #expect(source.place(ofTensor: 0) == nil && same.place(ofTensor: 0)?.offset == 256)
        #expect(try source.metadata.array("arr", of: .i16)?.integers() == [1, -2, 3])
    }

    @Test func readsArraysOfArrays() throws {
        let source = try GGUFSource(path: Fixture.path("gguf/container/nested-array.gguf"))
        let outer = try #require(try source.metadata.array("nested", of: .array))
        #expect(try outer.values().map { try $0.array?.integers() } == [[1, 2], [3]])
    }

    /// A file with a tensor of every type, whose offsets are right only where the size of each is.
    @Test func knowsEveryType() throws {
        let source = try GGUFSource(path: Fixture.path("gguf/types.gguf"))
        let types = source.tensors.indices.map { source.info(ofTensor: $0).type }
        // Those that the writing library has no encoder or room for.
        let others: Set<String> = ["I8", "I16", "I32", "I64", "F64", "Q1_0", "Q2_0"]
        #expect(Set(GGUFTensorType.all.map(\.name)).subtracting(types.map(\.name)).subtracting(others) == [])
        for index in source.tensors.indices {
            let info = source.info(ofTensor: index), stored = source.tensors[index]
            #expect(stored.byteCount == info.byteCount && stored.shape.dimensions.count == info.shape.dimensions.count)
            guard let block = source.blockType(ofTensor: index) else { continue }
            #expect(block.type == info.type && block.shape == info.shape && stored.scalarType == .u8)
            #expect(stored.shape.dimensions.dropLast() == info.shape.dimensions.dropLast())
        }
    }
}

/// Values as the JSON of the expectations has them.
enum JSONForm {
    static func of(_ value: GGUFValue) throws -> JSONValue {
        switch value {
        case .bool(let value): .bool(value)
        case .string(let value): .string(value)
        case .f32(let value): .double(Double(value))
        case .f64(let value): .double(value)
        case .u64(let value): .number(JSONNumber(value))
        case .array(let array): .array(try array.values().map(of))
        default: .integer(try #require(value.integer))
        }
    }
}
