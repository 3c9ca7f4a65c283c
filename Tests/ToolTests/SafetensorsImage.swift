import ByteIO
import Glibc

/// A small safetensors file, written by hand.
struct SafetensorsImage {
    private var entries: [String] = []
    private var data: [UInt8] = []

    /// - Parameter name: as it stands between the quotes of the JSON, escapes and all.
    mutating func add<Element>(_ name: String, _ type: String, _ shape: [Int], _ elements: [Element]) {
        let start = data.count
        elements.withUnsafeBytes { data += $0 }
        entries.append("\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(start),\(data.count)]}")
    }

    func write(to path: String) throws {
        let header = Array("{\(entries.joined(separator: ","))}".utf8)
        let bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + data
        guard let file = fopen(path, "w") else { throw FileError(path, "cannot be created") }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }
}
