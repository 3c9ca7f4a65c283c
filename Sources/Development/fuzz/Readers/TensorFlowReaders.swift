import ByteIO

@testable import TensorFlowFormat

extension Reader {
    /// What is decompressed is as long as it said, and what we compress comes back.
    static let snappy = Reader(
        "snappy",
        seeds: { samples in
            (samples.file("samples/README.md") + samples.file("samples/gpt2-tensorflow/model.ckpt.index") + [Array("aaaaaaaaaaaaaaaa".utf8)])
                .map { SnappyWriter.compress(Array($0.prefix(2048))) }
        },
        read: { bytes in
            do throws(ByteReader.Failure) {
                let output = try Snappy.decompress(bytes[...], origin: 0, limit: 1 << 20)
                var reader = ByteReader(bytes)
                let declared = try reader.count()
                require(output.count == declared, "a block holds what it declares")
            } catch {
                tell(error)
            }
            guard bytes.count <= 256 else { return }  // Our compressor is slow.
            let copy = try? Snappy.decompress(SnappyWriter.compress(bytes)[...], origin: 0, limit: bytes.count)
            require(copy == bytes, "what was compressed comes back")
        })

    /// A key is accepted in its one spelling only; numbers and strings of any value come back.
    static let sliceKey = Reader(
        "slice-key",
        seeds: { _ in
            [
                SliceKey(name: Array("a".utf8), slice: TensorSlice(extents: [])).encoded,
                SliceKey(
                    name: [0, 0xff, 0x61],
                    slice: TensorSlice(extents: [
                        .init(start: 0, length: nil), .init(start: 5, length: 70), .init(start: 1 << 40, length: 0),
                    ])
                ).encoded,
            ]
        },
        read: { bytes in
            if let key = SliceKey(bytes) { require(key.encoded == bytes, "a key has one spelling") }
            require(quoted(bytes).utf8.count < 20_000, "a key is told in a few lines")
            Self.requireOrderedCode(bytes)
        })

    private static func requireOrderedCode(_ bytes: [UInt8]) {
        var encoded: [UInt8] = []
        var input = FuzzInput(bytes)
        let number = (0..<8).reduce(UInt64(0)) { value, _ in value << 8 | UInt64(input.byte()) }
        OrderedCode.append(number, to: &encoded)
        OrderedCode.append(Int(truncatingIfNeeded: number), to: &encoded)
        OrderedCode.append(bytes, to: &encoded)
        var reader = ByteReader(encoded)
        let isEqual =
            (try? OrderedCode.unsigned(&reader)) == number && (try? OrderedCode.signed(&reader)) == Int(truncatingIfNeeded: number)
            && (try? OrderedCode.text(&reader)) == bytes && reader.remainingCount == 0
        require(isEqual, "ordered code comes back")
        for decode in [{ _ = try? OrderedCode.unsigned(&$0) }, { _ = try? OrderedCode.signed(&$0) }, { _ = try? OrderedCode.text(&$0) }]
            as [(inout ByteReader) -> Void]
        {
            var reader = ByteReader(bytes)
            decode(&reader)
        }
    }

    /// The two messages of a bundle's index.
    static let protobuf = Reader(
        "protobuf",
        seeds: { _ in
            [
                Wire.field(1, 1) + Wire.field(3, Wire.field(1, 1) + Wire.field(3, [1, 2, 3])),
                Wire.field(1, 1) + Wire.field(2, Wire.field(2, Wire.field(1, 3)) + Wire.field(2, Wire.field(1, 5))) + Wire.field(3, 1)
                    + Wire.field(4, 100) + Wire.field(5, 60) + Wire.fixed32(6, 0x1234_5678),
                Wire.field(1, 1) + Wire.field(2, Wire.field(2, Wire.field(1, 3)))
                    + Wire.field(7, Wire.field(1, Wire.field(1, 1) + Wire.field(2, 2))) + Wire.field(7, Wire.field(1, [])),
            ]
        },
        read: { bytes in
            do throws(ByteReader.Failure) {
                let entry = try BundleEntry(bytes[...], origin: 0)
                require(entry.shard >= 0 && entry.offset >= 0 && entry.byteCount >= 0, "nothing is negative")
                require(entry.dimensions.allSatisfy { $0 >= 0 }, "no dimension is negative")
                for slice in entry.slices { _ = slice.box(in: entry.dimensions) }
            } catch {
                tell(error)
            }
            do throws(ByteReader.Failure) { _ = try BundleHeader(bytes[...], origin: 0) } catch { tell(error) }
        })

    /// The text file that names the latest checkpoint.
    static let checkpointState = Reader(
        "checkpoint-state", words: ["model_checkpoint_path: \"", "all_model_checkpoint_paths: '", "\\x41", "\\101", "# "],
        seeds: { samples in samples.file("samples/gpt2-tensorflow/checkpoint") + samples.file("Tests/Fixtures/tensorflow/slots/checkpoint")
        },
        read: { bytes in
            do throws(ByteReader.Failure) {
                let name = try CheckpointState(bytes).latestName
                require(!name.utf8.contains(UInt8(ascii: "/")), "a name leads nowhere else")
            } catch {
                tell(error)
                require((0...bytes.count).contains(error.offset), "errors name a place in the text")
            }
        })
}
