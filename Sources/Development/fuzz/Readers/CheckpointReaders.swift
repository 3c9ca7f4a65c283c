import ByteIO
import Inspection
import JSONText
import Quantization
import SafetensorsFormat
import Streaming
import TensorCore

@testable import Checkpoints

extension Reader {
    static let stateWords = [
        "\"quant_type\": \"nf4\"", "\"blocksize\": 64", "\"dtype\": \"bfloat16\"", "\"shape\": [2, 32]", "\"nested_blocksize\": 256",
        "\"nested_dtype\": \"float32\"", "\"nested_offset\": 0.5", "nf4", "fp4", "float16", "float32", "bfloat16",
        "nested_offset", "nested_blocksize", "nested_dtype", "quant_type", ".quant_state.bitsandbytes__nf4",
        ".quant_state.bitsandbytes__fp4",
        ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", "9223372036854775807", "1e999",
    ]

    /// A quant state; what is accepted is written so that it reads back the same.
    static let quantState = Reader(
        "quant-state", words: stateWords, mutation: .texts(prefixByteCount: 0),
        seeds: { _ in
            [
                """
                {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [64, 112], "nested_blocksize": 256, \
                "nested_dtype": "float32", "nested_offset": 0.2114170640707016}
                """, "{\"quant_type\": \"fp4\", \"blocksize\": 128, \"dtype\": \"float32\", \"shape\": [1, 33]}",
            ].map { Array($0.utf8) }
        },
        read: { bytes in
            guard let document = try? JSONValue(parsing: bytes) else { return }
            do throws(QuantizationError) {
                let typeName = document["quant_type"]?.string ?? ""
                let state = try QuantState(bitsandbytes: document, typeName: typeName)
                require(state.blockCount > 0 && state.packedByteCount > 0 && state.nestedBlockCount >= 0, "a weight has blocks")
                _ = state.settings
                let copy = (try? JSONValue(parsing: Array(state.jsonText.utf8))).flatMap {
                    try? QuantState(bitsandbytes: $0, typeName: typeName)
                }
                require(copy == state, "the text of a quant state is the state's")
            } catch {
                tell(error)
            }
        })

    /// A bitsandbytes checkpoint: header, NUL, data. 4-bit weights are expanded.
    static let bitsandbytes = Reader(
        "bitsandbytes", words: headerWords + stateWords, mutation: .model(prefixByteCount: 0),
        seeds: { _ in
            SyntheticModel.files.map { file in
                var image = SafetensorsImage(file: file)
                if let value = try? JSONValue(parsing: image.json), var object = value.object {
                    object["__metadata__"] = nil
                    image.json = Array(JSONValue.object(object).text(.compact).utf8)
                }
                return image.json + [0] + image.data
            }
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            modelFolder.write(SafetensorsImage(json: input.text(), data: input.rest()).bytes, to: "model.safetensors")
            readModel(modelFolder.path("model.safetensors"))
        })

    /// A .qnf: a byte whose lowest bit leaves checksums as they are, header, NUL, data.
    static let qnf = Reader(
        "qnf", words: headerWords + stateWords + ["qnf.file/", "\\\"transposed\\\":[\\\"w\\\"]"], mutation: .model(prefixByteCount: 1),
        seeds: { _ in
            SyntheticModel.files.flatMap { file in
                let image = SafetensorsImage(file: file)
                return [[0] + image.json + [0] + image.data, [1] + image.json + [0] + image.data]
            }
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let isLeftAlone = input.byte() & 1 != 0
            var image = SafetensorsImage(json: input.text(), data: input.rest())
            if !isLeftAlone { image.seal() }
            qnfFolder.write(image.bytes, to: "m.qnf")
            readModel(qnfFolder.path("m.qnf"))
        })

    private static let modelFolder = Folder.temporary()
    private static let qnfFolder = Folder.temporary()

    /// Opens a model, expands its 4-bit weights, reads everything and compares checksums.
    static func readModel(_ path: String) {
        do {
            let checkpoint = try Checkpoint.open(path)
            var stored: Set<Int> = []
            for tensor in checkpoint.tensors {
                switch tensor.storage {
                case .plain(let index): require(stored.insert(index).inserted, "a stored tensor belongs to one weight")
                case .quantized(let parts):
                    for index in parts.parts { require(stored.insert(index).inserted, "a stored tensor belongs to one weight") }
                    try expand(parts, of: checkpoint)
                case .encoded(let encoded):
                    for index in encoded.parts { require(stored.insert(index).inserted, "a stored tensor belongs to one weight") }
                    if tensor.elementCount <= 1 << 16 { _ = try checkpoint.reader(of: tensor).allElements() }
                }
            }
            // Companion files and undo records.
            for index in checkpoint.attachments { require(stored.insert(index).inserted, "an attachment is no weight") }
            require(stored.count == checkpoint.source.tensors.count, "every stored tensor belongs to something")
            let report = try IntegrityCheck(checkpoint, resources: oneThread).run()
            require(report.checkedByteCount == checkpoint.storedByteCount, "everything is checked")
            _ = LinearLayersCount.of(checkpoint)
            for file in checkpoint.files { _ = try file.bytes() }
        } catch {
            tell(error)
        }
    }

    private static let oneThread: Resources = {
        guard let resources = try? Resources(threadCount: 1) else { fatalError("one thread can be had") }
        return resources
    }()

    /// A weight is the same whether it is expanded at once or block by block.
    private static func expand(_ parts: QuantizedTensor, of checkpoint: Checkpoint) throws {
        let reader = try QuantizedReader(source: checkpoint.source, tensor: parts)
        let count = parts.state.elementCount
        guard count <= 1 << 16 else { return }
        let whole = try expand(0..<count, with: reader)
        var blocks: [UInt8] = []
        for start in stride(from: 0, to: count, by: parts.state.blockSize) {
            blocks += try expand(start..<min(start + parts.state.blockSize, count), with: reader)
        }
        require(whole == blocks, "a weight is the same however it is expanded")
    }

    private static func expand(_ range: Range<Int>, with reader: QuantizedReader) throws -> [UInt8] {
        var codes = [UInt8](repeating: 0, count: (range.count + 1) / 2)
        var values = [UInt8](repeating: 0, count: 4 * range.count)
        try codes.withUnsafeMutableBytes { codes in
            try values.withUnsafeMutableBytes { values in
                try reader.dequantize(range, as: .f32, codes: codes, into: values)
            }
        }
        return values
    }
}

/// What the tools ask of every weight's name.
private enum LinearLayersCount {
    static func of(_ checkpoint: Checkpoint) -> Int {
        let names = checkpoint.tensors.map(\.name)
        require(names.sorted(by: NaturalOrder.precedes).count == names.count, "names have an order")
        let layers = FourBitLayers(checkpoint)
        return checkpoint.tensors.filter(layers.hasFourBitLayer).count
    }
}
