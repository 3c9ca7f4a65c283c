import ByteIO
import Checkpoints
import Conversion
import Glibc
import Quantization
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Inspection
@testable import Streaming

/// What cannot be converted is refused by name, and a run that fails leaves nothing behind.
@Suite struct RefusalTests {
    /// The whole text of a failed conversion of `name`, with `FOLDER` for the folder's path and `OUTPUT` for that of the output.
    /// Nothing may be left of it, and nothing changed.
    static func refusal(
        _ name: String, in folder: TemporaryFolder, settings: QuantizationSettings? = nil, allowsNonfinite: Bool = false
    ) throws -> String {
        let outputs = try TemporaryFolder()
        try outputs.write("what was there", to: "old.qnf")
        var texts: [String] = []
        for (output, threadCount) in [("new.qnf", 1), ("new.qnf", 3), ("old.qnf", 2)] {
            do {
                try convert(
                    name.isEmpty ? folder.path : folder.path(name), to: outputs.path(output), settings: settings, threadCount: threadCount,
                    allowsNonfinite: allowsNonfinite, replaces: true)
                texts.append("converted")
            } catch let error as FileError {
                texts.append(error.hint.map { "\(error); hint: \($0)" } ?? error.description)
            } catch let error as OperationError {
                texts.append(error.hint.map { "\(error.message); hint: \($0)" } ?? error.message)
            }
        }
        texts = texts.map {
            $0.replacing(folder.path, with: "FOLDER").replacing(outputs.path("old.qnf"), with: "OUTPUT")
                .replacing(outputs.path("new.qnf"), with: "OUTPUT")
        }
        #expect(Set(texts).count == 1)
        #expect(try outputs.names() == ["old.qnf"])
        #expect(try outputs.text("old.qnf") == "what was there")
        return texts[0]
    }

    static let plain = try? QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: false)
    static let allowHint = "hint: `allowsNonfinite` with `plainConstants` quantizes it all the same, as bitsandbytes does"

    // MARK: - Values

    /// A [3, 50] weight of sevens, the last of a few, with `value` at one place.
    static func folder(_ type: ScalarType, _ value: [UInt8], at index: Int, config: String? = nil) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let size = value.count
        let one: [UInt8] =
            switch type {
            case .f64: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]
            case .f32: [0, 0, 0x80, 0x3f]
            case .bf16: [0x80, 0x3f]
            case .f16: [0, 0x3c]
            default: [0x38]
            }
        var bytes = (0..<150).flatMap { _ in one }
        bytes.replaceSubrange(index * size..<(index + 1) * size, with: value)
        let tensors = (0..<3).map { StoredTensor("h.\($0).attn.c_proj.weight", [3, 50], Array(repeating: 1, count: 150)) }
        try folder.write((tensors + [StoredTensor("h.3.attn.c_proj.weight", type, [3, 50], bytes)]).safetensors(), to: "m.safetensors")
        if let config { try folder.write(config, to: "config.json") }
        return folder
    }

    static let nonfinite: [(type: ScalarType, bytes: [UInt8], reason: String)] = [
        (.f32, [0, 0, 0xc0, 0x7f], "is not a finite number"), (.f32, [0, 0, 0x80, 0xff], "is not a finite number"),
        (.bf16, [0x80, 0x7f], "is not a finite number"), (.bf16, [0xc1, 0xff], "is not a finite number"),
        (.f16, [0, 0x7c], "is not a finite number"), (.f16, [1, 0xfc], "is not a finite number"),
        (.f64, [0, 0, 0, 0, 0, 0, 0xf0, 0x7f], "is not a finite number of float32"),
        // 1e300
        (.f64, [0x9c, 0x75, 0, 0x88, 0x3c, 0xe4, 0x37, 0x7e], "is not a finite number of float32"),
        (.f8e4m3, [0x7f], "is not a finite number"), (.f8e5m2, [0x7c], "is not a finite number"),
        (.f8e5m2, [0xff], "is not a finite number"),
    ]

    @Test(arguments: nonfinite) func refusesValuesThatAreNotFinite(_ value: (type: ScalarType, bytes: [UInt8], reason: String)) throws {
        // The last tensor of the file, in its last row: everything before has been written by then.
        let folder = try Self.folder(value.type, value.bytes, at: 137)
        #expect(
            try Self.refusal("m.safetensors", in: folder)
                == "FOLDER/m.safetensors: tensor 'h.3.attn.c_proj.weight': element [2, 37] \(value.reason); \(Self.allowHint)")
    }

    /// A Conv1D weight is quantized column by column; the place is that of the weight as it is stored.
    @Test func placesAreThoseOfTheStoredWeight() throws {
        let folder = try Self.folder(.f32, [0, 0, 0xc0, 0x7f], at: 137, config: "{\"model_type\": \"gpt2\"}")
        #expect(
            try Self.refusal("m.safetensors", in: folder)
                == "FOLDER/m.safetensors: tensor 'h.3.attn.c_proj.weight': element [2, 37] is not a finite number; \(Self.allowHint)")
        let report = try convert(
            folder.path("m.safetensors"), to: folder.path("new.qnf"), settings: Self.plain, chunkElementCount: 1, allowsNonfinite: true)
        #expect(report.nonfinite.map { "\($0.name) \($0.index)" } == ["h.3.attn.c_proj.weight 137"])
    }

    @Test func doubleQuantizationOfNonfiniteIsRefused() throws {
        let folder = try Self.folder(.f32, [0, 0, 0xc0, 0x7f], at: 0)
        #expect(
            try Self.refusal("m.safetensors", in: folder, allowsNonfinite: true)
                == "FOLDER/m.safetensors: tensor 'h.3.attn.c_proj.weight': element [0, 0] is not a finite number; "
                + "hint: double quantization would spread it to the whole tensor; with `plainConstants` it stays in its block")
    }

    @Test func constantsTooLargeToAverageAreRefused() throws {
        let folder = try TemporaryFolder()
        let values = [Float](repeating: .greatestFiniteMagnitude, count: 256)
        try folder.write([StoredTensor("a.weight", [4, 64], values)].safetensors(), to: "m.safetensors")
        #expect(
            try Self.refusal("m.safetensors", in: folder) == "FOLDER/m.safetensors: tensor 'a.weight': nested offset inf is not finite; "
                + "hint: its values are too large to be averaged; use `plainConstants`")
        let report = try convert(folder.path("m.safetensors"), to: folder.path("new.qnf"), settings: Self.plain)
        #expect(report.quantizedCount == 1)
    }

    /// The codes and constants of bitsandbytes for blocks with NaN and infinities.
    @Test(arguments: ["nan", "inf", "ninf"]) func allowedValuesAreCodedAsTheLibraryDoes(_ name: String) throws {
        let folder = try TemporaryFolder()
        let expected = try storedTensors(at: Fixture.tensorFlow("../nf4/nonfinite_f32_nf4_bs64.safetensors"))
        var input = try #require(expected[name + ".input"])
        let first = try #require(input.floats.firstIndex { !$0.isFinite })
        input.name = "a.weight"
        input.dimensions = [1, input.floats.count]
        try folder.write([input].safetensors(), to: "m.safetensors")
        for chunkElementCount in [1, 1 << 19] {
            let report = try convert(
                folder.path("m.safetensors"), to: folder.path("m.qnf"), settings: Self.plain, chunkElementCount: chunkElementCount,
                allowsNonfinite: true, replaces: true)
            #expect(report.nonfinite.map { "\($0.name) \($0.index)" } == ["a.weight \(first)"])
            let stored = try weights(at: folder.path("m.qnf"))
            #expect(stored["a.weight"]?.bytes == expected[name + ".packed"]?.bytes)
            let constants = try #require(stored["a.weight.absmax"]).floats
            // One NaN is like another.
            let same = zip(constants, try #require(expected[name + ".absmax"]).floats).map { $0 == $1 || $0.isNaN && $1.isNaN }
            #expect(same == [true, true, true, true])
        }
        // No damage: it is what the file says it holds. Sound it is not.
        let report = try IntegrityCheck(try Checkpoint.open(folder.path("m.qnf")), resources: Resources(threadCount: 1)).run()
        #expect(report.problems.isEmpty && !report.isSound)
        #expect(report.flaws.map(\.tensor) == ["a.weight.absmax"])
    }

    // MARK: - Files

    @Test func wrongChecksumOfTheSourceIsRefused() throws {
        let folder = try Fixture.makeOpenAIFolder()
        var data = try folder.bytes("model.ckpt.data-00000-of-00001")
        data[data.count - 5] ^= 1
        try folder.write(data, to: "model.ckpt.data-00000-of-00001")
        let text = try Self.refusal("", in: folder)
        #expect(text.hasPrefix("FOLDER: tensor 'transformer.wte.weight': its checksum is "))
        #expect(text.hasSuffix("; hint: the file is damaged; fetch it again"))
    }

    @Test func damagedQNFIsRefused() throws {
        let folder = try TemporaryFolder()
        var file = try QNFFileTests.makeModel(in: folder)
        let license = try #require(file.firstRange(of: Array("MIT".utf8))).lowerBound
        file[license] = UInt8(ascii: "W")
        try folder.write(file, to: "model.qnf")
        let text = try Self.refusal("model.qnf", in: folder)
        #expect(text.hasPrefix("FOLDER/model.qnf: tensor 'qnf.file/LICENSE': its checksum is "))
    }

    @Test func outputIsNeverAnInput() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("model")
        for name in ["model.safetensors", "config.json"] {
            try folder.copy(Fixture.checkpoint("llama/dense-bf16/\(name)"), as: "model/\(name)")
        }
        for output in ["model/model.safetensors", "model/config.json", "model"] {
            let path = folder.path(output)
            let input = output == "model" ? "model/model.safetensors" : output
            let relation = output == "model" ? "holds an input" : "is also an input"
            #expect {
                try convert(folder.path("model"), to: path, replaces: true)
            } throws: { error in
                (error as? FileError)?.description == "\(path): \(relation) (\(folder.path(input)))"
            }
        }
        #expect(try FilePath.entries(of: folder.path("model")) == ["config.json", "model.safetensors"])
    }

    @Test func existingOutputIsKeptUnlessReplaced() throws {
        let folder = try TemporaryFolder()
        try folder.write("mine", to: "out.qnf")
        let source = Fixture.checkpoint("variants/dense-bf16")
        #expect {
            try convert(source, to: folder.path("out.qnf"))
        } throws: { ($0 as? FileError)?.description == "\(folder.path("out.qnf")): exists already" }
        #expect(try folder.text("out.qnf") == "mine")
        try convert(source, to: folder.path("out.qnf"), replaces: true)
        #expect(try Checkpoint.open(folder.path("out.qnf")).kind == .qnf)
        #expect(try folder.names() == ["out.qnf"])
    }

    /// A limit on the length of files stands for a full disk: both are met where room is reserved, before the work.
    @Test func fullDiskIsMetBeforeTheWork() throws {
        let folder = try TemporaryFolder()
        let header = "{\"a.bias\":{\"dtype\":\"F32\",\"shape\":[67108864],\"data_offsets\":[0,268435456]}}"
        try folder.write([UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8), to: "m.safetensors")
        #expect(truncate(folder.path("m.safetensors"), 8 + header.utf8.count + 268_435_456) == 0)
        var old = rlimit()
        let resource = __rlimit_resource_t(1)  // RLIMIT_FSIZE
        #expect(getrlimit(resource, &old) == 0)
        let handler = signal(SIGXFSZ, SIG_IGN)
        var small = rlimit(rlim_cur: 1 << 27, rlim_max: old.rlim_max)
        #expect(setrlimit(resource, &small) == 0)
        defer {
            setrlimit(resource, &old)
            signal(SIGXFSZ, handler)
        }
        let text = try Self.refusal("m.safetensors", in: folder)
        #expect(
            text == "OUTPUT: 268436288 bytes are needed, but the file system or a limit (ulimit -f) allows fewer in one file; "
                + "hint: choose a folder on another file system, or lift the limit")
    }

    // MARK: - Requests

    @Test func otherSettingsForA4BitModelAreRefused() throws {
        let folder = try TemporaryFolder()
        let settings = try QuantizationSettings(quantType: .fp4, blockSize: 128, isDoubleQuantized: false)
        let path = Fixture.checkpoint("llama/nf4-bf16")
        #expect {
            try convert(path, to: folder.path("m.qnf"), settings: settings)
        } throws: { error in
            (error as? OperationError)
                == OperationError(
                    "\(path) is 4-bit already (nf4, blocks of 64, double quantization), "
                        + "but fp4, blocks of 128, no double quantization is asked for",
                    hint: "start from the dense model, or accept a second loss: `DenseExport` first")
        }
        try convert(path, to: folder.path("m.qnf"), settings: .standard)
    }

    @Test func modelsOfOtherQuantizersAreRefused() throws {
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor("a.weight", .f8e4m3, [2, 2], [1, 2, 3, 4])].safetensors(), to: "model.safetensors")
        try folder.write("{\"quantization_config\": {\"quant_method\": \"fp8\"}}", to: "config.json")
        #expect(
            try Self.refusal("", in: folder)
                == "FOLDER: config.json: says that the weights are quantized with 'fp8', but no tensor shows it; "
                + "hint: start from the dense model; if these weights are dense, take what says so out of config.json")
    }

    @Test func namesOfCompanionsAreRefusedInOtherFiles() throws {
        let folder = try TemporaryFolder()
        try folder.write([StoredTensor("qnf.file/../x", .u8, [1], [1])].safetensors(), to: "m.safetensors")
        #expect(
            try Self.refusal("m.safetensors", in: folder) == "FOLDER/m.safetensors: tensor 'qnf.file/../x': "
                + "cannot be held by a .qnf, where names that begin with 'qnf.file/' are files")
    }

    @Test func namesThatQuantizingWouldTakeTwiceAreRefused() throws {
        let folder = try TemporaryFolder()
        let tensors = [StoredTensor("a.weight", [1, 2], [1, 2]), StoredTensor("a.weight.absmax", [1], [1])]
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        #expect(try Self.refusal("m.safetensors", in: folder) == "OUTPUT: tensor 'a.weight.absmax': two tensors would have this name")
    }

    @Test func otherNestedBlocksAreRefused() throws {
        let folder = try TemporaryFolder()
        let state = """
            {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [1, 2], "nested_blocksize": 128, "nested_dtype": "float32", \
            "nested_offset": 1.0}
            """
        let tensors = [
            StoredTensor("a", .u8, [1, 1], [1]), StoredTensor("a.absmax", .u8, [1], [1]), StoredTensor("a.nested_absmax", [1], [1]),
            StoredTensor("a.quant_map", [16], Array(repeating: 1, count: 16)),
            StoredTensor("a.nested_quant_map", [256], Array(repeating: 1, count: 256)),
            StoredTensor("a.quant_state.bitsandbytes__nf4", text: state),
        ]
        try folder.write(tensors.safetensors(), to: "m.safetensors")
        #expect(
            try Self.refusal("m.safetensors", in: folder) == "FOLDER/m.safetensors: tensor 'a': "
                + "its constants are quantized in blocks of 128, but a .qnf holds blocks of 256")
    }
}
