import ByteIO
import Glibc
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@Suite struct SafetensorsFileTests {
    struct Refusal: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        let message: String

        init(_ name: String, _ message: String, _ bytes: [UInt8]) {
            testDescription = name
            self.bytes = bytes
            self.message = message
        }
    }

    private static func small(_ change: (inout SafetensorsImage) -> Void) -> [UInt8] {
        var image = SafetensorsImage.small
        change(&image)
        return image.bytes
    }

    static let refusals: [Refusal] = [
        Refusal(
            "an empty file",
            "m: has 0 bytes, but a safetensors file has at least 8\nhint: the download is incomplete; fetch the file again", []),
        Refusal(
            "half a length field",
            "m: has 7 bytes, but a safetensors file has at least 8\nhint: the download is incomplete; fetch the file again",
            [2, 0, 0, 0, 0, 0, 0]),
        Refusal(
            "a header of no bytes", "m: byte 0: the header length is 0, but '{}' is the shortest header", [0, 0, 0, 0, 0, 0, 0, 0]),
        Refusal(
            "a header longer than the limit",
            "m: byte 0: the header length is 100000001, but at most 100000000 is possible\n"
                + "hint: this is no safetensors file, or its beginning is damaged",
            small { $0.statedByteCount = 100_000_001 }),
        Refusal(
            "a header of 2^64 - 1 bytes",
            "m: byte 0: the header length is 18446744073709551615, but at most 100000000 is possible\n"
                + "hint: this is no safetensors file, or its beginning is damaged",
            small { $0.statedByteCount = .max }),
        Refusal(
            "text",
            "m: byte 0: the header length is 2338328219631577172, but at most 100000000 is possible\n"
                + "hint: this is no safetensors file, or its beginning is damaged",
            Array("This is a text.".utf8)),
        Refusal(
            "a header longer than the file",
            "m: byte 0: the header length is 100000000, but only 166 bytes follow\nhint: the download is incomplete; fetch the file again",
            small { $0.statedByteCount = 100_000_000 }),
        Refusal(
            "a header one byte longer than the file",
            "m: byte 0: the header length is 167, but only 166 bytes follow\nhint: the download is incomplete; fetch the file again",
            small { $0.statedByteCount = 167 }),
        Refusal(
            "a byte too few",
            "m: the header describes 25 bytes of data, but 24 follow it (1 missing)\nhint: the download is incomplete; fetch the file again",
            small { $0.data.removeLast() }),
        Refusal(
            "no data",
            "m: the header describes 25 bytes of data, but 0 follow it (25 missing)\nhint: the download is incomplete; fetch the file again",
            small { $0.data = [] }),
        Refusal("a byte too many", "m: the header describes 25 bytes of data, but 26 follow it (1 too many)", small { $0.data.append(0) }),
        Refusal(
            "data without tensors", "m: the header describes 0 bytes of data, but 3 follow it (3 too many)",
            SafetensorsImage("{}", dataByteCount: 3).bytes),
        Refusal(
            "a tensor that ends beyond the file",
            "m: the header describes 9223372036854775800 bytes of data, but 8 follow it (9223372036854775792 missing)\n"
                + "hint: the download is incomplete; fetch the file again",
            SafetensorsImage(
                "{"
                    + (0..<8).map {
                        member(
                            "\($0)", "U8", "[1152921504606846975]",
                            "[\($0 * 1_152_921_504_606_846_975),\(($0 + 1) * 1_152_921_504_606_846_975)]")
                    }
                    .joined(separator: ",") + "}", dataByteCount: 8
            ).bytes),
    ]

    @Test("refuses", arguments: refusals)
    func refuses(refusal: Refusal) throws {
        #expect(try problem(inFile: refusal.bytes) == refusal.message)
    }

    @Test(
        "refuses with the header's own errors",
        arguments: [
            (" {}", "m: byte 8: the header begins with byte 32, but '{' (byte 123) is expected"),
            (#"{"a":{}}"#, "m: byte 9: tensor 'a' has no 'dtype'"),
            ("{}}", "m: byte 10: the end of the text is expected here, but there is '}'"),
            ("{\(member("a", "X", "[]", "[0,1]"))}", "m: tensor 'a': dtype 'X' is unknown"),
        ])
    func passesOnErrorsOfTheHeader(header: String, message: String) throws {
        #expect(try problem(inFile: SafetensorsImage(header, dataByteCount: 1).bytes) == message)
    }

    @Test func refusesWhatIsNoFile() throws {
        let folder = try TemporaryFolder()
        #expect(throws: FileError(folder.path, "is a folder, not a file")) { try SafetensorsFile(path: folder.path) }
        let missing = folder.path("nothing")
        #expect(throws: FileError(missing, "cannot be opened: no such file or directory")) { try SafetensorsFile(path: missing) }
    }

    @Test func readsAnyRangeOfATensor() throws {
        let folder = try TemporaryFolder()
        try folder.write(SafetensorsImage.small.bytes, to: "m")
        let file = try SafetensorsFile(path: folder.path("m"))
        #expect(file.path == folder.path("m"))
        #expect(file.files.map(\.path) == [file.path])
        #expect(file.dataStart == 8 + SafetensorsImage.small.header.count)
        #expect(file.tensors.map(\.name) == ["a", "b"])
        #expect(file.tensors.map(\.shape.description) == ["[2, 3]", "[]"])
        #expect(file.metadata("format") == "pt")
        #expect(file.metadata("other") == nil)
        #expect(file.unreadableTensors == [])
        #expect(file.storedChecksum(ofTensor: 0) == nil)
        #expect(file.fileIndex(ofTensor: 1) == 0)
        for (tensor, start) in [(0, 0), (1, 24)] {
            let byteCount = file.tensors[tensor].byteCount
            for offset in 0...byteCount {
                for count in 0...byteCount - offset {
                    var bytes = [UInt8](repeating: 0xee, count: count)
                    try bytes.withUnsafeMutableBytes { try file.read(tensor: tensor, atByteOffset: offset, into: $0) }
                    #expect(bytes == (0..<count).map { UInt8(start + offset + $0 + 1) })
                }
            }
        }
    }

    @Test func aFileThatShrinksAfterItWasOpenedIsAnError() throws {
        let folder = try TemporaryFolder()
        try folder.write(SafetensorsImage.small.bytes, to: "m")
        let file = try SafetensorsFile(path: folder.path("m"))
        try #require(truncate(file.path, off_t(file.dataStart + 10)) == 0)
        var bytes = [UInt8](repeating: 0, count: 24)
        let expected = FileError(
            file.path, at: "byte \(file.dataStart + 10)", "the file has shrunk while it was read (it had \(file.file.byteCount) bytes)")
        #expect(throws: expected) { try bytes.withUnsafeMutableBytes { try file.read(tensor: 0, atByteOffset: 0, into: $0) } }
    }

    @Test("every truncation is an error", arguments: ["small", "types"])
    func everyTruncationIsRefused(name: String) throws {
        let folder = try TemporaryFolder()
        let bytes = name == "small" ? SafetensorsImage.small.bytes : try Fixture.bytes(ReferenceFile.typesPath)
        try folder.write(bytes, to: "m")
        _ = try SafetensorsFile(path: folder.path("m"))
        for count in bytes.indices.reversed() {
            try #require(truncate(folder.path("m"), off_t(count)) == 0)
            let error = #expect(throws: FileError.self, "\(count) bytes") { try SafetensorsFile(path: folder.path("m")) }
            #expect(error?.hint == "the download is incomplete; fetch the file again", "\(count) bytes")
        }
    }

    @Test func everyBitOfTheBeginningMayChange() throws {
        let folder = try TemporaryFolder()
        let original = SafetensorsImage.small.bytes
        for position in 0..<8 + SafetensorsImage.small.header.count {
            for bit in 0..<8 {
                var bytes = original
                bytes[position] ^= 1 << UInt8(bit)
                try folder.write(bytes, to: "m")
                do throws(FileError) {
                    let file = try SafetensorsFile(path: folder.path("m"))
                    #expect(file.header.isConsistent && position >= 8, "byte \(position), bit \(bit)")
                    #expect(file.dataStart + file.header.dataByteCount == original.count)
                } catch { #expect(error.path == folder.path("m")) }
            }
        }
    }

    /// Written by the safetensors library; types, shapes and checksums as that library reads them.
    @Test("reads what the reference library reads", arguments: ["types", "llama"])
    func readsWhatTheReferenceReads(name: String) throws {
        let file = try SafetensorsFile(path: name == "types" ? ReferenceFile.typesPath : ReferenceFile.llamaPath)
        let found = try file.storedTensors().map { tensor in
            let escaped = tensor.name.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
            return [tensor.scalarType.rawValue, "\(tensor.dimensions)", CRC32C(of: tensor.bytes).description, escaped]
        }
        #expect(found.sorted { $0[3].utf8.lexicographicallyPrecedes($1[3].utf8) } == (try ReferenceFile.expected(name)))
        #expect(file.metadata("format") == "pt")
    }

    @Test func theFixtureHoldsEveryTypeTheReferenceWrites() throws {
        let file = try SafetensorsFile(path: ReferenceFile.typesPath)
        // The library reads the two types of six bits, but has no name to write them under.
        #expect(Set(ScalarType.allCases).subtracting(file.tensors.map(\.scalarType)) == [.f6e2m3, .f6e3m2])
        #expect(file.metadata("k\u{e9}y") == "value with \"quotes\"\n")
    }
}
