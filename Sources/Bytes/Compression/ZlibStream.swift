import CKernels
import CZlib

/// One zlib stream, whole in memory.
package enum ZlibStream {
    /// What the bytes are like, and so what compression they repay.
    package enum Content: Sendable, Hashable {
        /// Text with repetitions.
        case text
        /// Floats, which repeat nothing but have bytes that are more frequent than others.
        case numbers
        /// The same, and other bytes are frequent before a boundary (an offset) than after it.
        case numbersInTwoParts(boundary: Int)

        /// Where the second part begins; nil of text.
        fileprivate var boundary: Int? {
            switch self {
            case .text: nil
            case .numbers: 0
            case .numbersInTwoParts(let boundary): boundary
            }
        }
    }

    /// Compresses `bytes`; other versions of zlib may give other bytes for the same content.
    package static func compress(_ bytes: [UInt8], _ content: Content) -> [UInt8] { bytes.withUnsafeBytes { compress($0, content) } }

    package static func compress(_ bytes: UnsafeRawBufferPointer, _ content: Content) -> [UInt8] {
        guard let boundary = content.boundary, bytes.count >= literalByteCount else { return deflated(bytes, content) }
        return literals(bytes, boundary: boundary)
    }

    /// From here on a table of codes in each block costs little, and zlib much: a tenth of the speed for the same length.
    private static let literalByteCount = 4096

    /// A stream of literals alone: the header of RFC 1950 (windows of 32 kB, fastest level), the blocks, and Adler's checksum.
    private static func literals(_ bytes: UnsafeRawBufferPointer, boundary: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 2 + qk_deflate_limit(bytes.count) + 4) { output, count in
            guard let input = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), let start = output.baseAddress else { return }
            (output[0], output[1]) = (0x78, 0x01)
            count = 2 + qk_deflate(input, bytes.count, boundary, start + 2)
            let checksum = adler32_z(1, input, bytes.count)
            for shift in stride(from: 24, through: 0, by: -8) {
                output[count] = UInt8(truncatingIfNeeded: checksum >> UInt(shift))
                count += 1
            }
        }
    }

    private static func deflated(_ bytes: UnsafeRawBufferPointer, _ content: Content) -> [UInt8] {
        var stream = z_stream()
        // 15: windows of 32 kB with a zlib header; 8: zlib's default memory.
        let status = deflateInit2_(
            &stream, content == .text ? 6 : 1, Z_DEFLATED, 15, 8, content == .text ? Z_DEFAULT_STRATEGY : Z_HUFFMAN_ONLY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib does not start (status \(status))")
        defer { deflateEnd(&stream) }
        let bound = Int(deflateBound(&stream, UInt(bytes.count)))
        return [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            // Not written through.
            stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.avail_in = Self.count(bytes.count)
            stream.next_out = output.baseAddress
            stream.avail_out = Self.count(bound)
            let status = deflate(&stream, Z_FINISH)
            precondition(status == Z_STREAM_END, "zlib's own bound was not enough (status \(status))")
            count = bound - Int(stream.avail_out)
        }
    }

    /// The content of a stream that takes all of `bytes`; nil where it is damaged or longer than `limit`.
    package static func decompress(_ bytes: [UInt8], limit: Int) -> [UInt8]? {
        var stream = z_stream()
        guard bytes.count <= UInt32.max, inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var output = [UInt8](repeating: 0, count: min(limit, max(64, 4 * bytes.count)))
        var done = 0
        return bytes.withUnsafeBufferPointer { input -> [UInt8]? in
            stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.avail_in = Self.count(input.count)
            while true {
                let room = output.count - done
                let status = output.withUnsafeMutableBufferPointer { output in
                    // zlib wants a place for output even where none is expected.
                    var spare: UInt8 = 0
                    return withUnsafeMutablePointer(to: &spare) { spare in
                        stream.next_out = output.baseAddress.map { $0 + done } ?? spare
                        stream.avail_out = Self.count(room)
                        return inflate(&stream, Z_NO_FLUSH)
                    }
                }
                done += room - Int(stream.avail_out)
                if status == Z_STREAM_END { return stream.avail_in == 0 ? Array(output[..<done]) : nil }
                guard status == Z_OK, done == output.count, output.count < limit else { return nil }
                output += [UInt8](repeating: 0, count: min(limit - output.count, output.count))
            }
        }
    }

    private static func count(_ count: Int) -> UInt32 {
        guard let count = UInt32(exactly: count) else { preconditionFailure("zlib counts with 32 bits, but there are \(count) bytes") }
        return count
    }
}
