import ByteIO
import JSONText
import SafetensorsFormat
import TensorCore

extension Reader {
    static let headerWords = [
        "\"dtype\":\"F32\"", "\"dtype\":\"F4\"", "\"shape\":[0]", "\"shape\":[]", "\"data_offsets\":[0,0]", "\"__metadata__\":{}",
        "\"BF16\"",
        "\"U8\"", "\"F6_E2M3\"",
        "9223372036854775807", "4611686018427387904", "-1", "dtype", "shape", "data_offsets", "__metadata__", "format", "F32", "F16",
        "BF16", "U8",
        "F4", "F6_E2M3", "BOOL", "C64", "I64",
    ]

    /// The JSON of a header: what is accepted is free of gaps and fits its sizes.
    static let header = Reader(
        "header", words: headerWords, mutation: .texts(prefixByteCount: 0), seeds: { samples in Self.headers(samples) },
        read: { bytes in
            do throws(FileError) {
                let header = try SafetensorsHeader(parsing: bytes, path: "f")
                var end = 0
                for entry in header.entries {
                    require(entry.dataOffset == end, "tensors follow one another")
                    require(
                        entry.info.byteCount * 8 == entry.info.elementCount * entry.info.scalarType.bitCount, "bytes are those of the shape"
                    )
                    end += entry.info.byteCount
                }
                require(end == header.dataByteCount, "the data ends with the last tensor")
                require(Set(header.entries.map { ByteKey($0.info.name) }).count == header.entries.count, "names are different")
                require(JSONScanner.accepts(bytes), "a header is JSON")
            } catch {
                tell(error)
            }
        })

    /// A whole file. The first byte decides whether the bytes are the file or header and data to be put together.
    static let safetensors = Reader(
        "safetensors", words: headerWords, mutation: .model(prefixByteCount: 1),
        seeds: { samples in
            Self.headers(samples).map { [0] + $0 + [0] }
                + [[1, 2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8), [1] + SafetensorsImage(json: Array(Self.twoTensors.utf8)).bytes]
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let isFile = input.byte() & 1 != 0
            let file = Self.scratch.file(isFile ? input.rest() : SafetensorsImage(json: input.text(), data: input.rest()).bytes)
            do throws(FileError) {
                let source = try SafetensorsFile(path: file)
                for index in source.tensors.indices { try source.readAll(index) }
            } catch {
                tell(error)
            }
        })

    static let twoTensors = """
        {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
        "b":{"dtype":"F4","shape":[3,4],"data_offsets":[24,30]},"c":{"dtype":"BF16","shape":[],"data_offsets":[30,32]}}
        """

    static func headers(_ samples: Samples) -> [[UInt8]] {
        [Array("{}".utf8), Array(twoTensors.utf8)]
            + samples.header("samples/llama-hf/model-00002-of-00003.safetensors")
            + samples.header("Tests/Fixtures/nf4/nonfinite_f32_nf4_bs64.safetensors")
    }

    /// Files that are opened by their path.
    static let scratch = Scratch()
}

extension JSONScanner {
    static func accepts(_ bytes: [UInt8]) -> Bool {
        var scanner = JSONScanner(bytes)
        return (try? scanner.skipValue()) != nil && (try? scanner.expectEnd()) != nil
    }
}
