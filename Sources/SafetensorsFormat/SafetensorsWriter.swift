package import ByteIO
import JSONText
package import TensorCore

/// Writes one safetensors file in a stream: all names, types and shapes are known first, data arrives in any order.
///
/// Room for the header is set aside at the start, and the header itself is written last, when the checksums that its
/// metadata carries are known. Tensors whose length is known only at the end come last (`trailing`): the plan gives
/// their greatest length, and what the shorter header leaves of its room is filled with spaces.
package struct SafetensorsWriter: Sendable {
    package let plan: [TensorInfo]
    /// Offset of the data section, a multiple of 64.
    package let dataStart: Int
    package let file: OutputFile
    private let offsets: [Int]
    private let fixedCount: Int

    /// The data section starts at a multiple of this, so that every tensor can be aligned in memory.
    package static let alignment = 64

    /// - Parameters:
    ///   - plan: all tensors in the order of their data; the last `trailingCount` with their greatest length.
    ///   - metadata: strings of `__metadata__`, as long as the final ones will be.
    package init(
        file: OutputFile, plan: [TensorInfo], trailingCount: Int = 0, metadata: [(key: String, value: String)]
    ) throws(FileError) {
        self.file = file
        self.plan = plan
        fixedCount = plan.count - trailingCount
        var offsets: [Int] = []
        var end = 0
        for info in plan {
            offsets.append(end)
            let (next, overflow) = end.addingReportingOverflow(info.byteCount)
            guard !overflow else { throw FileError(file.path, "the tensors together are longer than any file can be") }
            end = next
        }
        self.offsets = offsets
        dataStart = try Self.dataStart(forHeader: Self.header(plan, metadata: metadata), path: file.path)
        try file.reserve(byteCount: dataStart + (fixedCount < plan.count ? offsets[fixedCount] : end))
    }

    /// Bytes of a file of such a plan, trailing tensors at their greatest.
    package static func byteCount(plan: [TensorInfo], metadata: [(key: String, value: String)]) throws(FileError) -> Int {
        try dataStart(forHeader: header(plan, metadata: metadata), path: "output") + plan.reduce(0) { $0 + $1.byteCount }
    }

    /// Writes bytes of tensor `index` from byte `offset` of the tensor on. May be called from any thread.
    package func write(
        _ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0
    ) throws(FileError) {
        precondition(index < fixedCount && offset + bytes.count <= plan[index].byteCount, "a write leaves its tensor")
        try file.write(bytes, atOffset: dataStart + offsets[index] + offset)
    }

    /// Writes the trailing tensors and the header; `metadata` is asked for once the layout is final.
    ///
    /// - Returns: the bytes before the data section, as written.
    package func finish(
        trailing: [[UInt8]] = [], metadata: (_ tensors: [TensorInfo]) -> [(key: String, value: String)]
    ) throws(FileError) -> [UInt8] {
        precondition(trailing.count == plan.count - fixedCount, "every trailing tensor has its bytes")
        var tensors = Array(plan[..<fixedCount])
        var end = fixedCount < plan.count ? offsets[fixedCount] : (plan.last.map { offsets[plan.count - 1] + $0.byteCount } ?? 0)
        for (planned, bytes) in zip(plan[fixedCount...], trailing) {
            guard bytes.count <= planned.byteCount, let shape = Shape([bytes.count]),
                let info = TensorInfo(name: planned.name, scalarType: .u8, shape: shape)
            else { preconditionFailure("a trailing tensor is longer than planned") }
            try file.write(bytes, atOffset: dataStart + end)
            end += bytes.count
            tensors.append(info)
        }
        var header = Self.header(tensors, metadata: metadata(tensors))
        precondition(8 + header.count <= dataStart, "the final header is longer than planned")
        header += [UInt8](repeating: UInt8(ascii: " "), count: dataStart - 8 - header.count)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        try file.write(length + header, atOffset: 0)
        return length + header
    }

    private static func dataStart(forHeader header: [UInt8], path: String) throws(FileError) -> Int {
        let start = (8 + header.count + alignment - 1) / alignment * alignment
        guard start - 8 <= SafetensorsHeader.byteCountLimit else {
            throw FileError(
                path, "the header would have \(start - 8) bytes, but readers refuse more than \(SafetensorsHeader.byteCountLimit)")
        }
        return start
    }

    /// The JSON: metadata first, then the tensors in the order of their data.
    private static func header(_ tensors: [TensorInfo], metadata: [(key: String, value: String)]) -> [UInt8] {
        var text: [UInt8] = []
        func append(_ string: String) { text.append(contentsOf: string.utf8) }
        func quoted(_ string: String) -> String { JSONValue.string(string).text(.compact) }
        append("{\"__metadata__\":{")
        append(metadata.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(separator: ","))
        append("}")
        var offset = 0
        for info in tensors {
            let dimensions = info.shape.dimensions.map(String.init).joined(separator: ",")
            append(",\(quoted(info.name)):{\"dtype\":\"\(info.scalarType.rawValue)\",\"shape\":[\(dimensions)],")
            append("\"data_offsets\":[\(offset),\(offset + info.byteCount)]}")
            offset += info.byteCount
        }
        append("}")
        return text
    }
}
