import ByteIO
import Checkpoints
import SafetensorsFormat
import TensorCore

/// A safetensors file made of a header that may be anything and some of its data.
struct SafetensorsImage {
    var json: [UInt8]
    var data: [UInt8]
    /// Nil where the header makes no sense.
    private(set) var header: SafetensorsHeader?

    /// What a header may ask for before the file is left as it is.
    private static let dataByteCountLimit = 1 << 18

    /// Data is brought to the length that the header asks for, so that tensors are found.
    init(json: [UInt8], data: [UInt8] = []) {
        self.json = json
        self.data = data
        header = try? SafetensorsHeader(parsing: json, path: "f")
        if let header, header.dataByteCount <= Self.dataByteCountLimit {
            self.data = data.prefix(header.dataByteCount) + [UInt8](repeating: 0, count: max(0, header.dataByteCount - data.count))
        }
    }

    /// From a whole file that is sound.
    init(file bytes: [UInt8]) {
        let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        self.init(json: Array(bytes[8..<8 + length]), data: Array(bytes[(8 + length)...]))
    }

    var bytes: [UInt8] { Wire.littleEndian(UInt64(json.count)) + json + data }

    /// Replaces the value of a string of the metadata where it stands; the rest of the header stays as it is.
    private mutating func replaceValue(of key: String, with value: String) {
        let opening = Array("\"\(key)\":\"".utf8)
        guard let range = json.firstRange(of: opening), let end = json[range.upperBound...].firstIndex(of: UInt8(ascii: "\"")) else {
            return
        }
        json.replaceSubrange(range.upperBound..<end, with: value.utf8)
    }

    /// Makes checksums and fingerprint of a .qnf right, whatever else is wrong with it.
    mutating func seal() {
        guard let header, header.dataByteCount == data.count else { return }
        let checksums = header.entries.map { CRC32C(of: Array(data[$0.dataOffset..<$0.dataOffset + $0.info.byteCount])) }
        replaceValue(of: "qnf.crc32c", with: checksums.map(\.description).joined())
        let fingerprint = Fingerprint(of: header.entries.map(\.info), checksums: checksums) { !$0.hasPrefix(QNFMetadata.filePrefix) }
        replaceValue(of: "qnf.fingerprint", with: fingerprint.description)
        replaceValue(of: "qnf.header_crc32c", with: "00000000")
        let checksum = CRC32C(of: Wire.littleEndian(UInt64(json.count)) + json)
        replaceValue(of: "qnf.header_crc32c", with: checksum.description)
    }
}
