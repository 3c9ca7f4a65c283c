package import ByteIO
import ContainerKit
import TensorCore

extension Adapter {
    /// The plan of a file that holds the same adapter.
    ///
    /// - Parameter tool: the program to name where the adapter itself names none.
    package func plan(tool: String) -> AdapterPlan {
        AdapterPlan(
            configuration: configuration, tensors: tensors, baseFingerprint: baseFingerprint, tool: self.tool ?? tool,
            sample: sample)
    }

    /// Writes the same adapter in another form, byte for byte as far as tensors go, through a buffer of fixed size.
    ///
    /// Every tensor is compared with its checksum and must be finite: what is passed on is known to be sound.
    ///
    /// - Returns: bytes of all files written.
    @discardableResult
    package func copy(to path: String, as form: Form, replaces: Bool, tool: String) throws(FileError) -> Int {
        let output = try AtomicOutput(destination: path, isFolder: form == .peft, replaces: replaces, inputs: files)
        let plan = plan(tool: tool)
        let writer = try AdapterWriter(form, of: plan, to: output)
        let sources = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($0.element, $0.offset) })
        for (index, info) in plan.tensors.enumerated() {
            guard let source = sources[info] else { preconditionFailure("the plan has the tensors of the adapter") }
            try copy(AdapterTensor(index: source, info: info), to: writer, index: index)
        }
        let files = try writer.finish()
        try output.commit(files)
        return writer.byteCount
    }

    private static let chunkByteCount = 1 << 22

    private func copy(_ tensor: AdapterTensor, to writer: AdapterWriter, index: Int) throws(FileError) {
        var checksum = CRC32C()
        for start in stride(from: 0, to: tensor.info.byteCount, by: Self.chunkByteCount) {
            var bytes = [UInt8](repeating: 0, count: min(Self.chunkByteCount, tensor.info.byteCount - start))
            try read(tensor, atByteOffset: start, into: &bytes)
            try checkFinite(bytes, of: tensor, from: start / (tensor.info.scalarType.bitCount / 8))
            checksum.append(bytes)
            try bytes.withBytes { buffer throws(FileError) in try writer.write(buffer, tensor: index, atByteOffset: start) }
        }
        try checkChecksum(checksum, ofTensor: tensor.index)
    }
}
