import ByteIO
import SafetensorsFormat
import TensorCore
import TestSupport

/// Bytes of a safetensors file, put together without any code of ours, so that they may be wrong.
struct SafetensorsImage {
    var header: [UInt8]
    var data: [UInt8]
    /// What the length field says; nil for the truth.
    var statedByteCount: UInt64?

    init(_ header: String, dataByteCount: Int = 0) {
        self.header = Array(header.utf8)
        data = (0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0 + 1) }
    }

    var bytes: [UInt8] {
        let length = statedByteCount ?? UInt64(header.count)
        return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + header + data
    }

    /// `{"a": F32 [2, 3], "b": U8 []}` and its 25 bytes.
    static let small = SafetensorsImage(
        #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
            + #""b":{"dtype":"U8","shape":[],"data_offsets":[24,25]}}"#, dataByteCount: 25)
}

/// The description of one tensor, as a member of a header.
func member(_ name: String, _ dtype: String, _ shape: String, _ offsets: String) -> String {
    #""\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
}

/// What is said about a header, with the hint on a line of its own; nil where it is accepted.
func problem(inHeader header: [UInt8]) -> String? {
    do throws(FileError) {
        _ = try SafetensorsHeader(parsing: header, path: "m")
        return nil
    } catch { return error.hint.map { "\(error)\nhint: \($0)" } ?? "\(error)" }
}

/// What is said about a file of these bytes; nil where it is accepted.
func problem(inFile bytes: [UInt8]) throws -> String? {
    let folder = try TemporaryFolder()
    try folder.write(bytes, to: "m")
    do throws(FileError) {
        _ = try SafetensorsFile(path: folder.path("m"))
        return nil
    } catch {
        let shown = FileError(FilePath.name(of: error.path), at: error.place, error.message)
        return error.hint.map { "\(shown)\nhint: \($0)" } ?? "\(shown)"
    }
}

extension SafetensorsHeader {
    /// Whether everything that the rest of the program relies on holds.
    var isConsistent: Bool {
        var end = 0
        for entry in entries {
            let product = entry.info.shape.dimensions.reduce(1, *)
            guard entry.dataOffset == end, entry.info.elementCount == product, entry.info.shape.dimensions.allSatisfy({ $0 >= 0 }),
                entry.info.byteCount * 8 == product * entry.info.scalarType.bitCount
            else { return false }
            end += entry.info.byteCount
        }
        return end == dataByteCount && Set(entries.map { Array($0.info.name.utf8) }).count == entries.count
            && !entries.contains { $0.info.name == "__metadata__" }
    }
}
