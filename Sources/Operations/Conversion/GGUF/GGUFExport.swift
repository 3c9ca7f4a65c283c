package import ByteIO
import Checkpoints
import ContainerKit
package import GGUFFormat
package import Streaming
import TensorCore

/// What an export to a GGUF file has written.
package struct GGUFExportReport: Sendable {
    package let files: [ExportReport.File]
    /// Root of the mean squared error of what was stored in blocks, in proportion to the values; nil where nothing was.
    package let relativeError: Double?
    /// Values other than zero that became zero in a type of 16 bits.
    package let underflows: Int
}

/// Writes a model as GGUF, in a stream: rows of each tensor are decoded, brought into the file's order, stored in their type.
package struct GGUFExport: Sendable {
    let plan: GGUFExportPlan
    private let metadata: [GGUFMetadata.Entry]
    let resources: Resources

    package init(_ plan: GGUFExportPlan, metadata: [GGUFMetadata.Entry], resources: Resources) {
        self.plan = plan
        self.metadata = metadata
        self.resources = resources
    }

    /// Writes the file, or where it would be longer than the limit a folder of its parts; complete or not at all.
    ///
    /// - Parameter byteCountLimit: of one file; nil for none.
    package func run(path: String, byteCountLimit: Int?, replaces: Bool) throws -> GGUFExportReport {
        let split = try split(prefix: Self.prefix(of: path), byteCountLimit: byteCountLimit)
        let isFolder = split.parts.count > 1
        let destination = try AtomicOutput(
            destination: path, form: isFolder ? .ggufFolder : .file, replaces: replaces, inputs: plan.checkpoint.inputFiles)
        let output = try GGUFOutput(split, to: destination)
        let findings = try GGUFExportRun(plan, output, resources).perform()
        try destination.commit(output.files)
        let files = try (isFolder ? split.names.map { FilePath.join(path, $0) } : [path]).map {
            ExportReport.File(name: FilePath.name(of: $0), byteCount: try InputFile(path: $0).byteCount)
        }
        return GGUFExportReport(files: files, relativeError: findings.relativeError, underflows: findings.underflows)
    }

    /// What the names of the files of a split model begin with.
    static func prefix(of path: String) -> String {
        let name = FilePath.name(of: path)
        return name.hasSuffix(".gguf") ? String(name.dropLast(5)) : name
    }

    func split(prefix: String, byteCountLimit: Int?) throws(FileError) -> GGUFSplitPlan {
        try GGUFSplitPlan(prefix: prefix, metadata: metadata, tensors: plan.outputs.map(\.planned), byteCountLimit: byteCountLimit)
    }
}

extension GGUFOutput: TensorSink {
    package func write(_ bytes: UnsafeRawBufferPointer, stored index: Int, atByteOffset offset: Int) throws(FileError) {
        try write(bytes, tensor: index, atByteOffset: offset)
    }
}

extension GGUFExportPlan {
    /// Whether the source has something to compare what is read with.
    var keepsChecksums: Bool { checkpoint.source.tensors.indices.contains { checkpoint.storedChecksum(ofTensor: $0) != nil } }

    /// Bytes that an export tells `Resources.progress` of, all together.
    package var inputByteCount: Int {
        outputs.reduce(0) { $0 + progressByteCount(of: $1, elementCount: $1.shape.elementCount) }
    }

    /// Of the source, about, for some elements of an output.
    func progressByteCount(of output: Output, elementCount: Int) -> Int {
        guard !output.tensors.isEmpty, output.shape.elementCount > 0 else { return 0 }
        let byteCount = output.tensors.reduce(0) { $0 + $1.storedByteCount(in: checkpoint.source) }
        let bits = 8 * Double(byteCount) / Double(output.shape.elementCount)
        return Int(Double(elementCount) * bits / 8)
    }
}
