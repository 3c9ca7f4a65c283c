import ByteIO
package import Checkpoints
package import JSONText
import Parallelism
import Quantization
package import Streaming
import Synchronization
import TensorCore

/// What is wrong with a checkpoint whose structure is sound.
package struct IntegrityReport: Sendable {
    package struct Finding: Sendable, Hashable {
        /// The tensor, or companion file, as it is stored; nil where the whole checkpoint is meant.
        package let tensor: String?
        package let message: String

        /// `tensor 'wte.weight': is missing`.
        package var text: String { tensor.map { "tensor '\($0)': \(message)" } ?? message }
    }

    /// Damage: stored and computed checksums differ, or constants that cannot be.
    package let problems: [Finding]
    /// No damage to the file, but no model to be used: values that are not finite, tensors that are missing, files that hide others.
    package let flaws: [Finding]
    package let checkedByteCount: Int
    package let tensorCount: Int
    /// Tensors for which the container keeps a checksum.
    package let checksumCount: Int

    package var isSound: Bool { problems.isEmpty && flaws.isEmpty }
}

/// Reads every byte of a checkpoint once and compares it with the checksums that the container keeps.
package struct IntegrityCheck: Sendable {
    private let checkpoint: any NamedTensors
    private let resources: Resources

    /// What is read should stay in the second-level cache until its checksum is known.
    private static let chunkByteCount = 1 << 18

    package init(_ checkpoint: any NamedTensors, resources: Resources) {
        self.checkpoint = checkpoint
        self.resources = resources
    }

    package func run() throws -> IntegrityReport { report(of: try find(in: Array(checkpoint.source.tensors.indices))) }

    /// What is wrong with a stored tensor.
    package struct Found: Sendable, Hashable {
        /// The checksum that was computed, where it is not the one that is stored.
        package var checksum: String?
        /// Why checksums of its parts are wrong.
        package var parts: String?
        /// The first element that is not finite.
        package var nonfinite: Int?

        package init(checksum: String? = nil, parts: String? = nil, nonfinite: Int? = nil) {
            self.checksum = checksum
            self.parts = parts
            self.nonfinite = nonfinite
        }
    }

    /// Reads stored tensors, named by their indices; tells of each.
    package func find(in tensors: [Int]) throws -> [Int: Found] {
        let source = checkpoint.source
        let table = ChecksumTable(tensorCount: source.tensors.count)
        let scratch = ScratchMemory(workerCount: resources.pool.threadCount, slotCount: 1)
        let jobs = tensors.flatMap { tensor in
            Chunks.ranges(
                count: source.tensors[tensor].byteCount, limit: min(Self.chunkByteCount, 4 * resources.chunkElementCount), unit: 8
            )
            .map { (tensor: tensor, range: $0) }
        }
        // Codes may be stored under a type of numbers (`quant_storage`), and are none.
        let codes = Set(checkpoint.tensors.compactMap { $0.quantized?.codes })
        // First value that is not finite, of each tensor that has one.
        let nonfinite = Mutex<[Int: Int]>([:])
        try resources.pool.forEach(count: jobs.count) { index, worker in
            let (tensor, range) = jobs[index]
            let buffer = scratch.buffer(worker: worker, slot: 0, byteCount: range.count)
            try source.read(tensor: tensor, atByteOffset: range.lowerBound, into: buffer)
            if checkpoint.storedChecksum(ofTensor: tensor) != nil {
                table.record(UnsafeRawBufferPointer(buffer), tensor: tensor, atByteOffset: range.lowerBound)
            }
            let bytes = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer))
            if !codes.contains(tensor), let first = FiniteScan.firstNonfinite(bytes, of: source.tensors[tensor].scalarType) {
                let element = range.lowerBound * 8 / source.tensors[tensor].scalarType.bitCount + first
                nonfinite.withLock { $0[tensor] = min($0[tensor] ?? .max, element) }
            }
            resources.progress(range.count)
        }
        return try found(in: tensors, table, nonfinite: nonfinite.withLock { $0 })
    }

    private func found(in tensors: [Int], _ table: ChecksumTable, nonfinite: [Int: Int]) throws -> [Int: Found] {
        let source = checkpoint.source
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var all: [Int: Found] = [:]
        for index in tensors {
            var found = Found(nonfinite: nonfinite[index])
            if let stored = checkpoint.storedChecksum(ofTensor: index) {
                let computed = table.checksum(ofTensor: index, byteCount: source.tensors[index].byteCount)
                if computed != stored { found.checksum = computed.map(\.description) ?? "unknown" }
            }
            do throws(FileError) { try source.verifyPartChecksums(ofTensor: index, buffer: buffer) } catch {
                found.parts = error.description
            }
            all[index] = found
        }
        return all
    }

    /// What all of that comes to, given every stored tensor. Reads nothing.
    package func report(of found: [Int: Found]) -> IntegrityReport {
        let source = checkpoint.source
        var problems: [IntegrityReport.Finding] = []
        var flaws = checkpoint.flaws().map { IntegrityReport.Finding(tensor: $0.tensor, message: $0.message) }
        var checksumCount = 0
        for (index, info) in source.tensors.enumerated() {
            guard let stored = checkpoint.storedChecksum(ofTensor: index) else { continue }
            checksumCount += 1
            if let computed = found[index]?.checksum {
                problems.append(.init(tensor: info.name, message: "its checksum is \(computed), but the file says \(stored)"))
            }
        }
        for (index, info) in source.tensors.enumerated() {
            if let message = found[index]?.parts { problems.append(.init(tensor: info.name, message: message)) }
        }
        let constants = Set(checkpoint.tensors.flatMap { $0.quantized?.parts ?? [] })
        for (index, info) in source.tensors.enumerated() {
            guard let element = found[index]?.nonfinite else { continue }
            let finding = IntegrityReport.Finding(tensor: info.name, message: "element \(element) is not a finite number")
            // A checksum that is right says that they were written so (`allowsNonfinite`).
            let isDamage = constants.contains(index) && checkpoint.storedChecksum(ofTensor: index) == nil
            if isDamage { problems.append(finding) } else { flaws.append(finding) }
        }
        return IntegrityReport(
            problems: problems, flaws: flaws, checkedByteCount: checkpoint.storedByteCount, tensorCount: source.tensors.count,
            checksumCount: checksumCount)
    }
}

/// As parts of a check keep it.
extension IntegrityCheck.Found {
    package var document: JSONValue {
        var object = JSONObject()
        if let checksum { object["checksum"] = .string(checksum) }
        if let parts { object["parts"] = .string(parts) }
        if let nonfinite { object["nonfinite"] = .integer(nonfinite) }
        return .object(object)
    }

    /// - Returns: nil where the document is no such thing.
    package init?(document: JSONValue) {
        guard let object = document.object, object.members.allSatisfy({ ["checksum", "parts", "nonfinite"].contains($0.key) }) else {
            return nil
        }
        self.init(checksum: object["checksum"]?.string, parts: object["parts"]?.string, nonfinite: object["nonfinite"]?.integer)
        guard object["checksum"] == nil || checksum != nil, object["parts"] == nil || parts != nil,
            object["nonfinite"] == nil || (nonfinite ?? -1) >= 0
        else { return nil }
    }
}
