package import CKernels

/// The formats of blocks in GGUF files: runs of elements that share scales. The raw value is ggml's number of the type.
package enum BlockFormat: UInt32, Sendable, Hashable, CaseIterable {
    case q40 = 2
    case q41 = 3
    case q50 = 6
    case q51 = 7
    case q80 = 8
    case q2K = 10
    case q3K = 11
    case q4K = 12
    case q5K = 13
    case q6K = 14
    case iq2XXS = 16
    case iq2XS = 17
    case iq3XXS = 18
    case iq1S = 19
    case iq4NL = 20
    case iq3S = 21
    case iq2S = 22
    case iq4XS = 23
    case iq1M = 29
    case tq10 = 34
    case tq20 = 35
    case mxfp4 = 39
    case nvfp4 = 40
    case q10 = 41
    case q20 = 42

    /// By the number in a file. Nil for types of single elements, for those that are gone, and for Q8_1 and Q8_K: no file has these.
    package init?(identifier: UInt32) { self.init(rawValue: identifier) }

    /// By the name that llama.cpp writes: `Q4_K`.
    package init?(name: String) {
        guard let format = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = format
    }

    /// What the kernels know of it.
    package var kernel: UnsafePointer<qk_blockFormat> {
        guard let kernel = qk_blockFormat_of(rawValue) else { preconditionFailure("block format \(rawValue) has no kernel") }
        return kernel
    }

    /// As llama.cpp writes it.
    package var name: String { String(cString: kernel.pointee.name) }

    package var elementsPerBlock: Int { kernel.pointee.elementCount }

    package var bytesPerBlock: Int { kernel.pointee.byteCount }

    /// Bytes of a row, or of any number of rows; nil where these are no whole blocks, or their bytes overflow.
    package func byteCount(elementCount: Int) -> Int? {
        guard elementCount >= 0, elementCount % elementsPerBlock == 0 else { return nil }
        let (bytes, overflow) = (elementCount / elementsPerBlock).multipliedReportingOverflow(by: bytesPerBlock)
        return overflow ? nil : bytes
    }

    /// Elements of whole blocks as float32: the bits that ggml's own dequantization gives, infinities and NaNs of damaged scales
    /// included (but for the payloads of NaNs).
    ///
    /// - Parameters:
    ///   - blocks: n blocks, at any alignment. Every bit pattern is a valid block.
    ///   - values: their n * `elementsPerBlock` elements.
    package func decode(_ blocks: RawSpan, into values: inout MutableSpan<Float>) {
        let count = values.count / elementsPerBlock
        precondition(count * elementsPerBlock == values.count, "\(values.count) elements are no whole blocks of \(name)")
        precondition(blocks.byteCount == count * bytesPerBlock, "\(blocks.byteCount) bytes for \(count) blocks of \(name)")
        guard count > 0 else { return }
        blocks.withUnsafeBytes { blocks in
            values.withUnsafeMutableBufferPointer { values in
                qk_blocks_decode(kernel, blocks.baseAddress?.assumingMemoryBound(to: UInt8.self), count, values.baseAddress)
            }
        }
    }
}
