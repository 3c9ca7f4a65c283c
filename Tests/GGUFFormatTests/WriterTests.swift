import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import GGUFFormat

@Suite struct WriterTests {
    /// Writes what a source holds, tensors in reverse and in pieces, with the metadata given.
    static func write(
        _ source: GGUFSource, metadata: [GGUFMetadata.Entry]? = nil, byteCountLimit: Int? = nil, in folder: TemporaryFolder
    ) throws -> [String] {
        let tensors = source.tensors.indices.map { index in
            let info = source.info(ofTensor: index)
            return GGUFPlannedTensor(name: info.name, type: info.type, shape: info.shape)
        }
        let plan = try GGUFSplitPlan(
            prefix: "m", metadata: metadata ?? source.metadata.entries, tensors: tensors, byteCountLimit: byteCountLimit)
        let isSplit = plan.parts.count > 1
        let output = try AtomicOutput(
            destination: folder.path(isSplit ? "parts" : "m.gguf"), form: isSplit ? .ggufFolder : .file, replaces: true)
        let writer = try GGUFOutput(plan, to: output)
        for index in tensors.indices.reversed() {
            let bytes = try source.bytes(ofTensor: index)
            for start in stride(from: 0, to: bytes.count, by: 50).reversed() {
                let piece = bytes[start..<min(start + 50, bytes.count)]
                try piece.withUnsafeBytes { try writer.write($0, tensor: index, atByteOffset: start) }
            }
            var back = [UInt8](repeating: 0, count: bytes.count)
            try back.withUnsafeMutableBytes { try writer.read(tensor: index, atByteOffset: 0, into: $0) }
            #expect(back == bytes)
        }
        try output.commit(writer.files)
        let paths = plan.names.map { folder.path(isSplit ? "parts/\($0)" : $0) }
        #expect(try paths.map { try InputFile(path: $0).byteCount } == plan.parts.map(\.byteCount))
        #expect(try paths.reduce(0) { $0 + (try InputFile(path: $1).byteCount) } == plan.byteCount)
        return paths
    }

    /// What gguf-py wrote, read and written again, is the same to the byte.
    @Test(arguments: ["v3", "align1", "align8", "align64", "align4096", "all-kv-types", "dims", "no-tensors", "nothing"])
    func writesTheReferencesFilesAgain(_ name: String) throws {
        let folder = try TemporaryFolder()
        let path = Fixture.path("gguf/container/\(name).gguf")
        let written = try Self.write(GGUFSource(path: path), in: folder)
        var expected = try Fixture.bytes(path)
        // Its last key is true as 2; what is true is written as 1.
        if name == "all-kv-types", expected.last == 2 { expected[expected.count - 1] = 1 }
        #expect(try Fixture.bytes(written[0]) == expected)
    }

    @Test func writesEveryTypeAgain() throws {
        let folder = try TemporaryFolder()
        let path = Fixture.path("gguf/types.gguf")
        #expect(try Fixture.bytes(Self.write(GGUFSource(path: path), in: folder)[0]) == Fixture.bytes(path))
    }

    /// The other version, and the other byte order, become what version 3 is on most machines.
    @Test func writesVersionThree() throws {
        let folder = try TemporaryFolder()
        let second = try Self.write(GGUFSource(path: Fixture.path("gguf/container/v2.gguf")), in: folder)
        #expect(try Fixture.bytes(second[0]) == Fixture.bytes(Fixture.path("gguf/container/v3.gguf")))
        let unpadded = try Self.write(GGUFSource(path: Fixture.path("gguf/container/last-not-padded.gguf")), in: folder)
        #expect(try Fixture.bytes(unpadded[0]) == Fixture.bytes(Fixture.path("gguf/container/v3.gguf")))
        let big = try GGUFSource(path: Fixture.path("gguf/container/bigendian.gguf"))
        let turned = try GGUFSource(path: Self.write(big, in: folder)[0])
        #expect(try turned.storedTensors() == big.storedTensors())
        #expect(turned.parts[0].header.byteOrder == .little && turned.metadata.entries.map(\.key) == big.metadata.entries.map(\.key))
        #expect(try turned.metadata.array("arr", of: .i16)?.integers() == [1, -2, 3])
    }

    /// The parts of the reference, from the whole: its first part has 384 bytes, and one tensor.
    @Test func writesTheReferencesPartsAgain() throws {
        let folder = try TemporaryFolder()
        let source = try GGUFSource(path: Fixture.path("gguf/container/split-00001-of-00003.gguf"))
        let metadata = source.metadata.entries.filter { !GGUFSplit.keys.contains($0.key) }
        let written = try Self.write(source, metadata: metadata, byteCountLimit: 383, in: folder)
        #expect(written.map { FilePath.name(of: $0) } == (1...3).map { "m-0000\($0)-of-00003.gguf" })
        for (number, path) in written.enumerated() {
            #expect(try Fixture.bytes(path) == Fixture.bytes(Fixture.path("gguf/container/split-0000\(number + 1)-of-00003.gguf")))
        }
        #expect(try GGUFSource(path: written[2]).storedTensors() == source.storedTensors())
    }

    @Test func splitsByLength() throws {
        let folder = try TemporaryFolder()
        let source = try GGUFSource(path: Fixture.path("gguf/types.gguf"))
        let whole = try Fixture.bytes(Fixture.path("gguf/types.gguf")).count
        for limit in [1, 1000, 4096, 10_000, whole - 1] {
            let paths = try Self.write(source, byteCountLimit: limit, in: folder)
            let parts = try paths.map { try GGUFFile(InputFile(path: $0)) }
            #expect(paths.count > 1 && parts.allSatisfy { $0.file.byteCount <= limit || $0.header.tensors.count == 1 }, "\(limit)")
            #expect(try GGUFSource(path: paths[1]).storedTensors() == source.storedTensors())
            // No part has room for what the next one begins with.
            for (part, next) in zip(parts, parts.dropFirst()) where part.file.byteCount <= limit {
                let first = next.header.tensors[0]
                #expect(part.file.byteCount + first.byteCount + first.name.utf8.count + 24 + 8 * first.shape.dimensions.count + 64 > limit)
            }
        }
        #expect(try Self.write(source, byteCountLimit: whole, in: folder) == [folder.path("m.gguf")])
    }

    /// Arrays that are made here read back as they were made.
    @Test func writesArraysOfItsOwn() throws {
        let strings = ["", "a", "\u{2581}b", String(repeating: "long", count: 100_000)]
        let entries = [
            GGUFMetadata.Entry("s", .array(GGUFArray(strings))), GGUFMetadata.Entry("f", .array(GGUFArray([Float(0.1), -1, .infinity]))),
            GGUFMetadata.Entry("i", .array(GGUFArray([Int32.min, 7]))), GGUFMetadata.Entry("u", .array(GGUFArray([UInt32.max]))),
            GGUFMetadata.Entry("b", .array(GGUFArray([true, false]))), GGUFMetadata.Entry("none", .array(GGUFArray([String]()))),
        ]
        #expect(try entries[0].value.array?.strings() == strings && entries[2].value.array?.integers() == [Int(Int32.min), 7])
        let folder = try TemporaryFolder()
        let nothing = try GGUFSource(path: Fixture.path("gguf/container/nothing.gguf"))
        let metadata = try GGUFSource(path: Self.write(nothing, metadata: entries, in: folder)[0]).metadata
        #expect(try metadata.array("s", of: .string)?.strings() == strings)
        #expect(try metadata.array("f", of: .f32)?.floats() == [0.1, -1, .infinity])
        #expect(try metadata.array("i", of: .i32)?.integers() == [Int(Int32.min), 7])
        #expect(
            try metadata.array("u", of: .u32)?.integers() == [Int(UInt32.max)] && metadata.array("b", of: .bool)?.bools() == [true, false])
        #expect(try metadata.array("none", of: .string)?.strings() == [])
        for entry in entries {
            let own = try #require(entry.value.array), read = try #require(metadata[entry.key]?.array)
            #expect(try own.holdsSameItems(as: read) && read.holdsSameItems(as: own) && own != read && own == own)
        }
    }

    private static func tensor(_ name: String, _ type: String = "F32", _ dimensions: [Int] = [4]) throws -> GGUFPlannedTensor {
        GGUFPlannedTensor(name: name, type: try #require(GGUFTensorType.named(type)), shape: try #require(Shape(dimensions)))
    }

    @Test func refusesWhatReadersWouldRefuse() throws {
        func refusal(_ metadata: [GGUFMetadata.Entry], _ tensors: [GGUFPlannedTensor]) -> String? {
            do throws(FileError) {
                _ = try GGUFPlan(metadata: metadata, tensors: tensors, path: "m")
                return nil
            } catch { return error.report }
        }
        let nameRule = "1 to 63 are possible in a GGUF file, and none of them NUL"
        let long = String(repeating: "n", count: 64)
        #expect(try refusal([], [Self.tensor(long)]) == "m: tensor '\(long)': the name has 64 bytes, but \(nameRule)")
        #expect(try refusal([], [Self.tensor("")]) == "m: tensor '': the name has 0 bytes, but \(nameRule)")
        #expect(try refusal([], [Self.tensor("a"), Self.tensor("a")]) == "m: tensor 'a': two tensors would have this name")
        #expect(
            try refusal([], [Self.tensor("a", "F32", [1, 1, 1, 1, 2])])
                == "m: tensor 'a': has 5 dimensions, but a GGUF file has at most 4")
        #expect(
            try refusal([], [Self.tensor("a", "Q4_K", [2, 128])])
                == "m: tensor 'a': shape [2, 128] has rows of 128 elements, but Q4_K has blocks of 256")
        let halves = try (0..<5).map { try Self.tensor("\($0)", "I8", [Int.max / 8]) }
        #expect(refusal([], halves) == "m: the tensors together are longer than any file can be")
        let key = "is no key: 1 to 1048576 bytes are expected, and none of them NUL"
        #expect(refusal([GGUFMetadata.Entry("", .u8(1))], []) == "m: key '': \(key)")
        #expect(
            refusal([GGUFMetadata.Entry("a", .u8(1)), GGUFMetadata.Entry("a", .u8(1))], []) == "m: key 'a': would stand in the file twice")
        #expect(
            refusal([GGUFMetadata.Entry("general.alignment", .u32(12))], [])
                == "m: key 'general.alignment': is 12, but a power of two is expected")
        let nested = try GGUFSource(path: Fixture.path("gguf/container/nested-array.gguf")).metadata.entries
        #expect(refusal(nested, []) == "m: key 'nested': is an array of arrays, which most programs refuse to read")
    }

    @Test func refusesToSplitWhatIsAPart() throws {
        let folder = try TemporaryFolder()
        let source = try GGUFSource(path: Fixture.path("gguf/container/split-00001-of-00003.gguf"))
        let error = #expect(throws: FileError.self) { try Self.write(source, byteCountLimit: 300, in: folder) }
        #expect(error?.report == "m: key 'split.no': is there already, but the parts get their own")
        #expect(try folder.names().isEmpty)
    }

    @Test func setsRoomAsideAtOnce() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m"), replaces: false)
        let plan = try GGUFPlan(metadata: [], tensors: [Self.tensor("a", "F32", [1000])], path: "m")
        let writer = try GGUFWriter(file: output.file(), plan: plan)
        let unfinished = try InputFile(path: folder.path(try #require(folder.names().first)))
        #expect(unfinished.byteCount == plan.byteCount && plan.byteCount == plan.dataStart + 4000)
        #expect(writer.file.path == folder.path("m"))
        _ = output.destination
    }
}
