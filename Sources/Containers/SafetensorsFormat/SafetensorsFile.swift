package import ByteIO
package import TensorCore

/// One safetensors file: header validated at open, data read on demand.
package final class SafetensorsFile: TensorSource {
    package let file: InputFile
    package let header: SafetensorsHeader
    /// Offset of the data section: the length field and the JSON come before it.
    package let dataStart: Int

    package var tensors: [TensorInfo] { header.tensors }
    package var path: String { file.path }
    package var files: [InputFile] { [file] }
    package var containerMetadata: [(key: String, value: String)] { header.metadata }

    package init(_ file: InputFile) throws(FileError) {
        let (header, dataStart) = try Self.readHeader(of: file)
        let found = file.byteCount - dataStart
        guard header.dataByteCount == found else {
            let difference = abs(header.dataByteCount - found)
            let isShort = found < header.dataByteCount
            throw FileError(
                file.path,
                "the header describes \(header.dataByteCount) bytes of data, but \(found) follow it "
                    + "(\(difference) \(isShort ? "missing" : "too many"))",
                hint: isShort ? "the download is incomplete; fetch the file again" : nil)
        }
        self.file = file
        self.header = header
        self.dataStart = dataStart
    }

    package convenience init(path: String) throws(FileError) {
        try self.init(try InputFile(path: path))
    }

    /// The value of a key of `__metadata__`.
    package func metadata(_ key: String) -> String? {
        header.metadata.first { $0.key == key }?.value
    }

    package func fileIndex(ofTensor index: Int) -> Int { 0 }

    package func place(ofTensor index: Int) -> (file: Int, offset: Int)? { (0, dataStart + header.dataOffsets[index]) }

    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        precondition(offset >= 0 && offset + buffer.count <= header.tensors[index].byteCount, "a read leaves its tensor")
        try file.read(atOffset: dataStart + header.dataOffsets[index] + offset, into: buffer)
    }

    private static func readHeader(of file: InputFile) throws(FileError) -> (header: SafetensorsHeader, dataStart: Int) {
        let json = try headerBytes(of: file)
        return (try SafetensorsHeader(parsing: json, path: file.path), 8 + json.count)
    }

    /// The JSON of the header; its length is checked against the file before anything is allocated.
    private static func headerBytes(of file: InputFile) throws(FileError) -> [UInt8] {
        guard file.byteCount >= 8 else {
            throw FileError(
                file.path, "has \(file.byteCount) bytes, but a safetensors file has at least 8",
                hint: "the download is incomplete; fetch the file again")
        }
        var reader = ByteReader(try file.bytes(atOffset: 0, count: 8))
        let length: UInt64
        do { length = try reader.uint64() } catch { throw error.inFile(file.path) }
        guard length <= SafetensorsHeader.byteCountLimit else {
            throw FileError(
                file.path, at: "byte 0", "the header length is \(length), but at most \(SafetensorsHeader.byteCountLimit) is possible",
                hint: "this is no safetensors file, or its beginning is damaged")
        }
        guard Int(length) <= file.byteCount - 8 else {
            throw FileError(
                file.path, at: "byte 0", "the header length is \(length), but only \(file.byteCount - 8) bytes follow",
                hint: "the download is incomplete; fetch the file again")
        }
        return try file.bytes(atOffset: 8, count: Int(length))
    }
}
