import ByteIO
import TensorCore

@testable import TensorFlowFormat

extension Reader {
    /// A bundle of an index and a data file. Entries are described by the input, or are its bytes; the table is sound.
    static let bundle = Reader(
        "bundle",
        seeds: { samples in
            var inputs: [[UInt8]] = [
                // A float32 [2, 3], a float16 [4], a string [1].
                [0, 0, 1, 2, 2, 3, 0, 19, 1, 4, 0, 7, 1, 1],
                // A float32 [4, 2] in two slices of two rows.
                [0, 0x10, 1, 2, 4, 2, 2, 0, 2, 0xff, 0, 2, 2, 0xff, 0],
            ]
            for path in ["samples/gpt2-tensorflow/model.ckpt.index", "Tests/Fixtures/tensorflow/grid/model.ckpt.index"] {
                inputs += samples.file(path).map { [1] + $0 }
            }
            return inputs
        },
        read: { bytes in
            let image = FuzzedBundle(bytes)
            Self.bundleFolder.write(image.index, to: "m.index")
            Self.bundleFolder.write(image.data, to: "m.data-00000-of-00001")
            do throws(FileError) {
                let bundle = try TensorBundle.open(prefix: Self.bundleFolder.path("m"))
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 16)
                defer { buffer.deallocate() }
                for index in bundle.tensors.indices {
                    try bundle.readAll(index)
                    do throws(FileError) { try bundle.verifyChecksum(tensor: index, buffer: buffer) } catch { tell(error) }
                    _ = bundle.storedChecksum(ofTensor: index)
                }
                for tensor in bundle.unreadableTensors { require(tensor.byteCount >= 0, "no tensor has less than no bytes") }
            } catch {
                tell(error)
            }
        })

    private static let bundleFolder = Folder.temporary()
}
