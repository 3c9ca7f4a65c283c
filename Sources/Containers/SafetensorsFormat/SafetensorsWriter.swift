package import ByteIO
import JSONText
package import TensorCore

/// Writes one safetensors file in a stream: all names, types and shapes are known first, data arrives in any order.
///
/// Room for the header is set aside at the start, and the header itself is written last, when the checksums that its
/// metadata carries are known. Tensors whose length is known only at the end come last (`trailing`): the plan gives
/// their greatest length, and what the shorter header leaves of its room is filled with spaces. The first of them may
/// be streamed: written as its bytes become known, before the others.
package struct SafetensorsWriter: Sendable {
    package let plan: [TensorInfo]
    /// Offset of the data section, a multiple of 64.
    package let dataStart: Int
    package let file: OutputFile
    /// Where each tensor begins in the data section, and where the last one ends.
    private let offsets: [Int]
    private let fixedCount: Int

    /// The data section starts at a multiple of this, so that every tensor can be aligned in memory.
    package static let alignment = 64

    /// - Parameters:
    ///   - plan: all tensors in the order of their data; the last `trailingCount`, bytes in one dimension, with their
    ///     greatest length.
    ///   - metadata: strings of `__metadata__`, as long as the final ones will be.
    /// - Throws: where no reader would accept such a file, or the disk has no room for it.
    package init(
        file: OutputFile, plan: [TensorInfo], trailingCount: Int = 0, metadata: [(key: String, value: String)]
    ) throws(FileError) {
        precondition(plan.suffix(trailingCount).allSatisfy { $0.scalarType == .u8 }, "trailing tensors are bytes")
        self.file = file
        self.plan = plan
        fixedCount = plan.count - trailingCount
        try Self.checkNames(plan, path: file.path)
        offsets = try Self.offsets(plan, path: file.path)
        dataStart = try Self.dataStart(headerByteCount: HeaderEncoder.byteCount(plan, metadata: metadata), path: file.path)
        try file.reserve(byteCount: dataStart + offsets[fixedCount])
    }

    /// Bytes of a file of such a plan, trailing tensors at their greatest.
    package static func byteCount(plan: [TensorInfo], metadata: [(key: String, value: String)]) throws(FileError) -> Int {
        let offsets = try offsets(plan, path: "output")
        let headerByteCount = HeaderEncoder.byteCount(plan, metadata: metadata)
        return try dataStart(headerByteCount: headerByteCount, path: "output") + offsets[plan.count]
    }

    /// Writes bytes of tensor `index` from byte `offset` of the tensor on. May be called from any thread.
    package func write(
        _ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0
    ) throws(FileError) {
        precondition(
            index < fixedCount && offset >= 0 && offset + bytes.count <= plan[index].byteCount, "a write leaves its tensor")
        try file.write(bytes, atOffset: dataStart + offsets[index] + offset)
    }

    /// Where tensor `index` begins in the file.
    package func fileOffset(ofTensor index: Int) -> Int { dataStart + offsets[index] }

    /// Reads back bytes of tensor `index` that were written.
    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        precondition(
            index < fixedCount && offset >= 0 && offset + buffer.count <= plan[index].byteCount, "a read leaves its tensor")
        try file.read(atOffset: dataStart + offsets[index] + offset, into: buffer)
    }

    /// Writes bytes of the first trailing tensor from byte `offset` of it on.
    package func writeStreamed(_ bytes: [UInt8], atByteOffset offset: Int) throws(FileError) {
        precondition(
            fixedCount < plan.count && offset >= 0 && offset + bytes.count <= plan[fixedCount].byteCount, "a write leaves its tensor")
        try file.write(bytes, atOffset: dataStart + offsets[fixedCount] + offset)
    }

    /// Writes the trailing tensors and the header; `metadata` is asked for once the layout is final.
    ///
    /// - Parameters:
    ///   - streamedByteCount: bytes of the first trailing tensor, where it was written by `writeStreamed`.
    ///   - trailing: the bytes of the (other) tensors at the end of the plan.
    ///   - checksumKey: a key of the metadata whose value of eight zeros is to become the CRC-32C of everything before
    ///     the data section, computed with those zeros.
    package func finish(
        streamedByteCount: Int? = nil, trailing: [[UInt8]] = [], checksumKey: String? = nil,
        metadata: (_ tensors: FinishedTensors) -> [(key: String, value: String)]
    ) throws(FileError) {
        let tensors = try write(streamedByteCount: streamedByteCount, trailing: trailing)
        var checksum = CRC32C()
        var position = 8
        let headerByteCount = dataStart - 8
        let length = (0..<8).map { UInt8(truncatingIfNeeded: headerByteCount >> (8 * $0)) }
        try file.write(length, atOffset: 0)
        checksum.append(length)
        var encoder = HeaderEncoder(watching: checksumKey) { [file] (bytes) throws(FileError) in
            try file.write(bytes, atOffset: position)
            checksum.append(bytes)
            position += bytes.count
        }
        try encoder.encode(tensors, metadata: metadata(tensors))
        try encoder.pad(toByteCount: headerByteCount)
        if let offset = encoder.watchedValueOffset { try file.write(Array(checksum.description.utf8), atOffset: 8 + offset) }
    }

    /// The final tensors: those of the plan, the trailing ones with the lengths they turned out to have.
    private func write(streamedByteCount: Int?, trailing: [[UInt8]]) throws(FileError) -> FinishedTensors {
        let byteCounts = (streamedByteCount.map { [$0] } ?? []) + trailing.map(\.count)
        precondition(byteCounts.count == plan.count - fixedCount, "every trailing tensor has its bytes")
        var tensors: [TensorInfo] = []
        tensors.reserveCapacity(byteCounts.count)
        var end = offsets[fixedCount]
        for (index, (planned, byteCount)) in zip(plan[fixedCount...], byteCounts).enumerated() {
            guard byteCount <= planned.byteCount, let shape = Shape([byteCount]),
                let info = TensorInfo(name: planned.name, scalarType: .u8, shape: shape)
            else { preconditionFailure("a trailing tensor is longer than planned") }
            let written = streamedByteCount == nil ? index : index - 1
            if written >= 0 { try file.write(trailing[written], atOffset: dataStart + end) }
            end += byteCount
            tensors.append(info)
        }
        return FinishedTensors(plan: plan, trailing: tensors)
    }

    /// Names come from other containers, where a tensor may be called what here means something else.
    private static func checkNames(_ plan: [TensorInfo], path: String) throws(FileError) {
        var names = Set<ByteKey>(minimumCapacity: plan.count + 1)
        let reserved = ByteKey("__metadata__")
        names.insert(reserved)
        for info in plan {
            let name = ByteKey(info.name)
            guard !names.insert(name).inserted else { continue }
            throw FileError(
                path, at: "tensor '\(JSONError.excerpt(info.name))'",
                name == reserved ? "the name is reserved in safetensors files" : "two tensors would have this name")
        }
    }

    private static func offsets(_ plan: [TensorInfo], path: String) throws(FileError) -> [Int] {
        var offsets = [0]
        offsets.reserveCapacity(plan.count + 1)
        var end = 0
        for info in plan {
            let (next, overflow) = end.addingReportingOverflow(info.byteCount)
            // Far beyond any disk; half of the range leaves room for the header in every later sum.
            guard !overflow, next <= Int.max / 2 else { throw FileError(path, "the tensors together are longer than any file can be") }
            end = next
            offsets.append(end)
        }
        return offsets
    }

    static func dataStart(headerByteCount: Int, path: String) throws(FileError) -> Int {
        let start = (8 + headerByteCount + alignment - 1) / alignment * alignment
        guard start - 8 <= SafetensorsHeader.byteCountLimit else {
            throw FileError(
                path, "the header would have \(start - 8) bytes, but readers refuse more than \(SafetensorsHeader.byteCountLimit)")
        }
        return start
    }
}
