import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import SafetensorsFormat

@Suite struct SafetensorsWriterTests {
    static let tensors: [StoredTensor] = [
        StoredTensor("w", .f32, [3, 5], (0..<60).map { UInt8($0) }), StoredTensor("empty", .f32, [0, 7], []),
        StoredTensor("scalar", .f64, [], [1, 2, 3, 4, 5, 6, 7, 8]), StoredTensor("quarter", .f6e2m3, [4], [9, 8, 7]),
        StoredTensor("name \"with\" \\, \n, \u{1f600} and \u{e9}", .u8, [5], [10, 20, 30, 40, 50]),
        StoredTensor("name \"with\" \\, \n, \u{1f600} and e\u{301}", .bool, [2], [0, 1]), StoredTensor("last", .bf16, [2], [5, 6, 7, 8]),
    ]

    private func info(_ tensor: StoredTensor) throws -> TensorInfo {
        let shape = try #require(Shape(tensor.dimensions))
        return try #require(TensorInfo(name: tensor.name, scalarType: tensor.scalarType, shape: shape))
    }

    private func open(_ output: borrowing AtomicOutput, _ tensors: [StoredTensor], metadata: [(key: String, value: String)] = []) throws
        -> SafetensorsWriter
    {
        try SafetensorsWriter(file: output.file(), plan: tensors.map(info), metadata: metadata)
    }

    /// A finished file of these tensors, each written in one piece.
    private func written(_ tensors: [StoredTensor], metadata: [(key: String, value: String)] = []) throws -> [UInt8] {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m"), replaces: false)
        let writer = try open(output, tensors, metadata: metadata)
        for (index, tensor) in tensors.enumerated() { try tensor.bytes.withUnsafeBytes { try writer.write($0, tensor: index) } }
        try writer.finish { _ in metadata }
        try output.commit([writer.file])
        return try folder.bytes("m")
    }

    private func read(_ bytes: [UInt8]) throws -> (tensors: [StoredTensor], file: SafetensorsFile) {
        let folder = try TemporaryFolder()
        try folder.write(bytes, to: "m")
        let file = try SafetensorsFile(path: folder.path("m"))
        return (try file.storedTensors(), file)
    }

    @Test func whatIsWrittenIsReadBack() throws {
        let metadata = [(key: "format", value: "pt"), (key: "k\u{e9}y \"1\"", value: "a\nb\u{0}\\"), (key: "", value: "")]
        let bytes = try written(Self.tensors, metadata: metadata)
        let (tensors, file) = try read(bytes)
        #expect(tensors == Self.tensors)
        #expect(file.header.metadata.map(\.key) == metadata.map(\.key))
        #expect(file.header.metadata.map(\.value) == metadata.map(\.value))
        #expect(bytes.count == file.dataStart + 82)
    }

    @Test func writesTheReferencesFilesAgain() throws {
        for path in [ReferenceFile.typesPath, ReferenceFile.llamaPath] {
            let file = try SafetensorsFile(path: path)
            let (tensors, again) = try read(written(try file.storedTensors(), metadata: file.header.metadata))
            #expect(tensors == (try file.storedTensors()))
            #expect(again.header.metadata.map(\.value) == file.header.metadata.map(\.value))
        }
    }

    @Test("writes nothing but a header", arguments: [0, 1])
    func writesFilesWithoutData(tensorCount: Int) throws {
        let bytes = try written(Array([StoredTensor("e", .f32, [0], [])].prefix(tensorCount)))
        let (tensors, file) = try read(bytes)
        #expect(tensors.count == tensorCount)
        #expect(bytes.count == file.dataStart)
        #expect(bytes.count % 64 == 0)
    }

    /// `{"__metadata__":{...},"a":{...}}` and spaces, whatever the length.
    @Test func dataBeginsAtAMultipleOf64() throws {
        for count in 0..<130 {
            let value = String(repeating: "v", count: count)
            let bytes = try written([StoredTensor("a", .u8, [2], [1, 2])], metadata: [("k", value)])
            let json =
                "{\"__metadata__\":{\"k\":\"\(value)\"},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}"
            let dataStart = (8 + json.utf8.count + 63) / 64 * 64
            let length = (0..<8).map { UInt8(truncatingIfNeeded: (dataStart - 8) >> (8 * $0)) }
            let padding = [UInt8](repeating: UInt8(ascii: " "), count: dataStart - 8 - json.utf8.count)
            #expect(bytes == length + Array(json.utf8) + padding + [1, 2])
        }
        #expect(SafetensorsWriter.alignment == 64)
    }

    @Test func theOrderOfWritesDoesNotMatter() throws {
        let expected = try written(Self.tensors)
        var generator = SeededGenerator(seed: 7)
        for pieceByteCount in [1, 3, 8, 100] {
            var pieces: [(tensor: Int, range: Range<Int>)] = []
            for (index, tensor) in Self.tensors.enumerated() {
                for start in stride(from: 0, to: tensor.bytes.count, by: pieceByteCount) {
                    pieces.append((index, start..<min(start + pieceByteCount, tensor.bytes.count)))
                }
            }
            for _ in 0..<5 {
                let folder = try TemporaryFolder()
                let output = try AtomicOutput(destination: folder.path("m"), replaces: false)
                let writer = try open(output, Self.tensors)
                for piece in pieces.shuffled(using: &generator) {
                    try Self.tensors[piece.tensor].bytes.withUnsafeBytes { bytes in
                        try writer.write(
                            UnsafeRawBufferPointer(rebasing: bytes[piece.range]), tensor: piece.tensor, atByteOffset: piece.range.lowerBound
                        )
                    }
                }
                try writer.finish { _ in [] }
                try output.commit([writer.file])
                #expect(try folder.bytes("m") == expected)
            }
        }
    }

    @Test("trailing tensors may turn out shorter", arguments: [[40, 40], [39, 40], [0, 40], [40, 0], [0, 0], [7, 3]])
    func trailingTensorsMayBeShorter(byteCounts: [Int]) throws {
        let fixed = Array(Self.tensors.prefix(3))
        let planned = ["x", "y"].map { StoredTensor($0, .u8, [40], [UInt8](repeating: 0, count: 40)) }
        let trailing = byteCounts.map { [UInt8](repeating: UInt8($0 + 1), count: $0) }
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m"), replaces: false)
        let placeholder = [(key: "lengths", value: "00000000")]
        let plan = try (fixed + planned).map(info)
        let writer = try SafetensorsWriter(file: output.file(), plan: plan, trailingCount: 2, metadata: placeholder)
        for (index, tensor) in fixed.enumerated() { try tensor.bytes.withUnsafeBytes { try writer.write($0, tensor: index) } }
        try writer.finish(trailing: trailing) { tensors in [("lengths", tensors.suffix(2).map { "\($0.byteCount)" }.joined(separator: "+"))]
        }
        try output.commit([writer.file])
        let bytes = try folder.bytes("m")
        let (tensors, file) = try read(bytes)
        #expect(tensors == fixed + zip(planned, trailing).map { StoredTensor($0.name, .u8, [$1.count], $1) })
        #expect(file.metadata("lengths") == "\(byteCounts[0])+\(byteCounts[1])")
        #expect(file.dataStart == writer.dataStart)
        let greatest = try SafetensorsWriter.byteCount(plan: plan, metadata: placeholder)
        #expect(bytes.count == greatest - 80 + byteCounts[0] + byteCounts[1])
    }

    @Test func knowsTheByteCountBeforehand() throws {
        let metadata = [(key: "format", value: "pt")]
        #expect(
            try SafetensorsWriter.byteCount(plan: Self.tensors.map(info), metadata: metadata)
                == written(Self.tensors, metadata: metadata).count)
    }

    @Test func setsRoomAsideAtOnce() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m"), replaces: false)
        let writer = try open(output, Self.tensors)
        let unfinished = try InputFile(path: folder.path(try #require(folder.names().first)))
        #expect(unfinished.byteCount == writer.dataStart + 82)
        _ = output.destination
    }

    @Test func putsAChecksumOfTheHeaderIntoTheHeader() throws {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m"), replaces: false)
        let metadata = [(key: "a", value: "00000000"), (key: "sum", value: "00000000"), (key: "z", value: "00000000")]
        let writer = try open(output, [], metadata: metadata)
        try writer.finish(checksumKey: "sum") { _ in metadata }
        try output.commit([writer.file])
        let bytes = try folder.bytes("m")
        let (_, file) = try read(bytes)
        let plain = try written([], metadata: metadata)
        #expect(file.metadata("sum") == CRC32C(of: plain).description)
        #expect(file.metadata("a") == "00000000")
        #expect(zip(bytes, plain).count { $0 != $1 } <= 8)
    }

    private func refusal(_ plan: [TensorInfo]) throws -> String? {
        let folder = try TemporaryFolder()
        let output = try AtomicOutput(destination: folder.path("m"), replaces: false)
        do throws(FileError) {
            _ = try SafetensorsWriter(file: output.file(), plan: plan, metadata: [])
            return nil
        } catch { return FileError(FilePath.name(of: error.path), at: error.place, error.message, hint: error.hint).description }
    }

    @Test func refusesNamesNoReaderWouldAccept() throws {
        func plan(_ names: [String]) throws -> [TensorInfo] { try names.map { try info(StoredTensor($0, .u8, [1], [0])) } }
        #expect(try refusal(plan(["a", "__metadata__"])) == "m: tensor '__metadata__': the name is reserved in safetensors files")
        #expect(try refusal(plan(["a", "b", "a"])) == "m: tensor 'a': two tensors would have this name")
        #expect(try refusal(plan(["", "__metadata", "\u{e9}", "e\u{301}"])) == nil)
    }

    @Test func refusesMoreThanAFileCanHold() throws {
        let plan = try (0..<9).map { try info(StoredTensor("\($0)", .u8, [Int.max >> 3], [])) }
        let message = "the tensors together are longer than any file can be"
        #expect(try refusal(plan) == "m: \(message)")
        #expect(throws: FileError("output", message)) { try SafetensorsWriter.byteCount(plan: plan, metadata: []) }
    }

    @Test func refusesAHeaderThatReadersWouldRefuse() throws {
        // The greatest multiple of 64 that leaves 8 bytes for the length field.
        #expect(try SafetensorsWriter.dataStart(headerByteCount: 99_999_992, path: "m") == 100_000_000)
        let message = "the header would have 100000056 bytes, but readers refuse more than 100000000"
        #expect(throws: FileError("m", message)) { try SafetensorsWriter.dataStart(headerByteCount: 99_999_993, path: "m") }
    }
}
