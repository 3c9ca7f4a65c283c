import CKernels

/// Why elements cannot be stored in blocks.
package enum BlockFault: Error, Hashable, Sendable {
    /// The element of this index is NaN or infinite.
    case nonFinite(element: Int)
    /// The block that begins with the element of this index needs a scale beyond those of float16, which end at 65504.
    case scaleOverflow(firstElement: Int)
}

extension BlockFormat {
    /// Formats that can be written; the others are read only.
    package static let writable = allCases.filter { $0.kernel.pointee.encode != nil }

    /// Stores elements of whole blocks, to the bytes that llama-quantize writes on x86-64 without an importance matrix.
    ///
    /// Formats with a search for their scales (K and IQ4) take it as ggml does, in the same order: about 100 million elements a
    /// second and thread; the others 1 to 2 billion.
    ///
    /// - Parameters:
    ///   - values: n * `elementsPerBlock` elements; rows one behind the other, as rows are whole blocks.
    ///   - blocks: n blocks. What they hold where something is thrown is not defined.
    package func quantize(_ values: Span<Float>, into blocks: inout MutableRawSpan) throws(BlockFault) {
        guard kernel.pointee.encode != nil else { preconditionFailure("\(name) is read only") }
        let count = values.count / elementsPerBlock
        precondition(count * elementsPerBlock == values.count, "\(values.count) elements are no whole blocks of \(name)")
        precondition(blocks.byteCount == count * bytesPerBlock, "\(blocks.byteCount) bytes for \(count) blocks of \(name)")
        guard count > 0 else { return }
        let block = values.withUnsafeBufferPointer { values in
            blocks.withUnsafeMutableBytes { blocks in
                qk_blocks_encode(kernel, values.baseAddress, count, blocks.baseAddress?.assumingMemoryBound(to: UInt8.self))
            }
        }
        try check(block, of: count, values)
    }

    /// Whether `quantize(_:importance:into:)` has a search of its own for it.
    package var takesImportance: Bool { qk_blocks_areWeighted(kernel) }

    /// Stores whole rows, to the bytes that llama-quantize writes on x86-64 with an importance matrix.
    ///
    /// - Parameters:
    ///   - values: n * `importance.count` elements.
    ///   - importance: of each column, not negative; whole blocks.
    ///   - blocks: likewise.
    package func quantize(_ values: Span<Float>, importance: Span<Float>, into blocks: inout MutableRawSpan) throws(BlockFault) {
        let columns = importance.count
        precondition(takesImportance && columns > 0 && columns % elementsPerBlock == 0, "\(columns) columns for blocks of \(name)")
        precondition(values.count % columns == 0, "\(values.count) elements are no whole rows of \(columns)")
        let count = values.count / elementsPerBlock
        precondition(blocks.byteCount == count * bytesPerBlock, "\(blocks.byteCount) bytes for \(count) blocks of \(name)")
        guard count > 0 else { return }
        let block = values.withUnsafeBufferPointer { values in
            importance.withUnsafeBufferPointer { importance in
                blocks.withUnsafeMutableBytes { blocks in
                    qk_blocks_encodeWeighted(
                        qk_simd_best(), kernel, values.baseAddress, values.count / columns, columns, importance.baseAddress,
                        blocks.baseAddress?.assumingMemoryBound(to: UInt8.self))
                }
            }
        }
        try check(block, of: count, values)
    }

    /// - Parameter block: the first one that could not be stored; `count` for none.
    private func check(_ block: Int, of count: Int, _ values: Span<Float>) throws(BlockFault) {
        guard block < count else { return }
        let elements = block * elementsPerBlock..<(block + 1) * elementsPerBlock
        if let element = elements.first(where: { !values[$0].isFinite }) { throw .nonFinite(element: element) }
        throw .scaleOverflow(firstElement: elements.lowerBound)
    }
}
