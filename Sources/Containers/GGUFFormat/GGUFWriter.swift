package import ByteIO

/// Writes one GGUF file in a stream: everything but the data is known first and written at once, data arrives in any order.
package struct GGUFWriter: Sendable {
    package let plan: GGUFPlan
    package let file: OutputFile

    /// - Throws: where the disk has no room for the file.
    package init(file: OutputFile, plan: GGUFPlan) throws(FileError) {
        self.file = file
        self.plan = plan
        try file.reserve(byteCount: plan.byteCount)
        var encoder = GGUFHeaderEncoder(file: file)
        try encoder.encode(plan)
        for (index, info) in plan.tensors.enumerated() {
            let end = info.dataOffset + info.byteCount
            let next = index + 1 < plan.tensors.count ? plan.tensors[index + 1].dataOffset : plan.byteCount - plan.dataStart
            // Two gigabytes at most, where the metadata asks for such an alignment; what is not written is zeros, and the last byte is.
            let zeros = [UInt8](repeating: 0, count: min(next - end, 1 << 16))
            if !zeros.isEmpty { try file.write(zeros, atOffset: plan.dataStart + next - zeros.count) }
        }
    }

    /// Writes bytes of tensor `index` from byte `offset` of the tensor on. May be called from any thread.
    package func write(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0) throws(FileError) {
        try file.write(bytes, atOffset: place(bytes.count, index, offset))
    }

    /// Reads back bytes of tensor `index` that were written.
    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        try file.read(atOffset: place(buffer.count, index, offset), into: buffer)
    }

    private func place(_ byteCount: Int, _ index: Int, _ offset: Int) -> Int {
        let info = plan.tensors[index]
        precondition(offset >= 0 && offset + byteCount <= info.byteCount, "a write or read leaves its tensor")
        return plan.dataStart + info.dataOffset + offset
    }
}
