package import ByteIO
import CZlib

/// Reads gzip files: one member or several one after another, each with its checksum.
package enum Gzip {
    package static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b }

    /// - Parameters:
    ///   - path: for messages.
    ///   - limit: bytes that the content may have; a few kilobytes of gzip can hold gigabytes.
    ///   - kind: what the content is, for messages: "a data set".
    package static func expand(_ bytes: [UInt8], path: String, limit: Int, of kind: String) throws(FileError) -> [UInt8] {
        var stream = z_stream()
        // 16 asks for gzip's own header and checksum.
        guard inflateInit2_(&stream, MAX_WBITS + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw FileError(path, "there is no memory to expand it")
        }
        defer { inflateEnd(&stream) }
        var input = bytes
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var consumed = 0
        while true {
            let (status, produced, left) = step(&stream, &input, from: consumed, &chunk)
            output += chunk[..<produced]
            consumed = bytes.count - left
            guard output.count <= limit else {
                throw FileError(path, "expands to more than \(limit) bytes, the most that is read of \(kind)")
            }
            if status == Z_STREAM_END {
                if consumed == bytes.count { return output }
                inflateReset(&stream)
            } else if status == Z_BUF_ERROR || (status == Z_OK && consumed == bytes.count && produced == 0) {
                throw FileError(path, at: "byte \(consumed)", "the gzip data end before they are complete", hint: "fetch the file again")
            } else if status != Z_OK {
                let reason = stream.msg.map { String(cString: $0) } ?? "error \(status)"
                throw FileError(path, at: "byte \(consumed)", "the gzip data are damaged: \(reason)", hint: "fetch the file again")
            }
        }
    }

    private static func step(
        _ stream: inout z_stream, _ input: inout [UInt8], from start: Int, _ chunk: inout [UInt8]
    ) -> (status: Int32, produced: Int, left: Int) {
        let room = chunk.count
        return input.withUnsafeMutableBufferPointer { input in
            chunk.withUnsafeMutableBufferPointer { chunk in
                // zlib counts in 32 bits.
                let count = min(input.count - start, 1 << 30)
                stream.next_in = input.baseAddress.map { $0 + start }
                stream.avail_in = UInt32(count)
                stream.next_out = chunk.baseAddress
                stream.avail_out = UInt32(room)
                let status = inflate(&stream, Z_NO_FLUSH)
                return (status, room - Int(stream.avail_out), input.count - start - count + Int(stream.avail_in))
            }
        }
    }
}
