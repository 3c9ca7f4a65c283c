import ByteIO
package import Checkpoints
import ContainerKit
import GGUFFormat
import JSONText
import Parallelism
import SafetensorsFormat
package import Streaming
import TensorCore

/// What a join has written.
package struct JoinReport: Sendable {
    package let files: [(name: String, byteCount: Int)]
    /// Of the weights of a .qnf.
    package let fingerprint: Fingerprint?
    package let results: PartResults
}

/// Puts parts together to the file or folder that one run would have written, byte for byte.
///
/// Bytes of tensors are copied by the file system, between files, and are not looked at; headers are written of what the parts tell.
package struct PartJoin: Sendable {
    private let set: PartSet
    private let resources: Resources

    package init(_ set: PartSet, resources: Resources) {
        self.set = set
        self.resources = resources
    }

    /// Bytes that are told to `Resources.progress`, all together.
    package static func byteCount(of set: PartSet) -> Int { set.frame.tensors.reduce(0) { $0 + $1.byteCount } }

    /// Writes the output, complete or not at all.
    ///
    /// - Parameter verifies: reads every tensor again where it came to lie, and compares its checksum.
    package func run(path: String, replaces: Bool, verifies: Bool = false) throws -> JoinReport {
        let frame = set.frame
        let form: OutputForm =
            switch frame.output {
            case .file: .file
            case .modelFolder: .modelFolder
            case .ggufFolder: .ggufFolder
            }
        let output = try AtomicOutput(destination: path, form: form, replaces: replaces, inputs: set.parts.flatMap(\.file.files))
        var files: [OutputFile] = []
        for file in frame.files {
            files.append(frame.output == .file ? try output.file() : try output.createFile(named: name(of: file, in: path)))
        }
        guard frame.output != .file || files.count == 1 else {
            throw FileError(set.parts[0].path, "the frame says of one file that it is \(files.count)", hint: Self.hint)
        }
        let (places, finish) = try prepare(files)
        try copy(to: places, files, verifies: verifies)
        let fingerprint = try finish()
        if frame.output != .file { files += try companions(output) }
        try output.commit(files)
        var written = [(name: FilePath.name(of: path), path: path)]
        if frame.output != .file { written = try TemplateFolder.files(ofModel: path).map { ($0, FilePath.join(path, $0)) } }
        return JoinReport(
            files: try written.map { ($0.name, try InputFile(path: $0.path).byteCount) }, fingerprint: fingerprint, results: set.results)
    }

    private func name(of file: PartFrame.File, in path: String) -> String {
        guard set.frame.output == .ggufFolder else { return file.name }
        let name = FilePath.name(of: path)
        return (name.hasSuffix(".gguf") ? String(name.dropLast(5)) : name) + file.name
    }

    // MARK: - Headers

    /// Makes room in the files; tells where each tensor goes, and what is to be written in the end.
    private func prepare(_ files: [OutputFile]) throws -> (places: [Int], finish: () throws -> Fingerprint?) {
        let frame = set.frame
        var places = [Int](repeating: 0, count: frame.tensors.count)
        var finishing: [() throws -> Fingerprint?] = []
        var ofFile = [[Int]](repeating: [], count: files.count)
        for (index, tensor) in frame.tensors.enumerated() { ofFile[tensor.file].append(index) }
        for (number, file) in files.enumerated() {
            switch frame.files[number].form {
            case .gguf(let byteCount):
                let head = try set.parts[0].piece(PartWriter.Piece.head(file: number).name)
                try file.reserve(byteCount: byteCount)
                // The last byte may be padding, which nothing else writes.
                try file.write([0], atOffset: byteCount - 1)
                try file.write(head, atOffset: 0)
                for index in ofFile[number] {
                    guard let offset = frame.tensors[index].offset, offset <= byteCount - frame.tensors[index].byteCount else {
                        throw damage(index, "lies outside of its file of \(byteCount) bytes")
                    }
                    places[index] = offset
                }
            case .safetensors(let metadata):
                let writer = try SafetensorsWriter(file: file, plan: try ofFile[number].map(info), metadata: metadata)
                for (place, index) in ofFile[number].enumerated() { places[index] = writer.fileOffset(ofTensor: place) }
                finishing.append {
                    try writer.finish { _ in metadata }
                    return nil
                }
            case .qnf:
                let (assembly, finish) = try assembly(file, try ofFile[number].map(info))
                for (place, index) in ofFile[number].enumerated() { places[index] = assembly.writer.fileOffset(ofTensor: place) }
                let made = Dictionary(set.made.flatMap { $0.tensors.map { ($0.index, CRC32C(of: $0.bytes)) } }) { first, _ in first }
                finishing.append { [set, own = ofFile[number]] in try finish { made[own[$0]] ?? set.checksum(of: own[$0]) } }
            }
        }
        return (places, { [finishing] in try finishing.reduce(nil) { try $1() ?? $0 } })
    }

    /// A .qnf, and what writes its header, given the checksums of its tensors.
    private func assembly(
        _ file: OutputFile, _ tensors: [TensorInfo]
    ) throws -> (QNFAssembly, (_ checksum: (Int) -> CRC32C) throws -> Fingerprint) {
        guard let metadata = set.frame.metadata, var steps = metadata.lineage.array, let last = steps.last?.object else {
            throw FileError(set.parts[0].path, "the frame does not say how the model was made", hint: Self.hint)
        }
        func lineage(_ checksums: [CRC32C]?) -> JSONValue {
            var step = last
            step["source"] = metadata.source.document(checksums: checksums)
            steps[steps.count - 1] = .object(step)
            return .array(steps)
        }
        let states = try metadata.states.map { state in
            guard let shape = Shape([state.byteCountLimit]), let info = TensorInfo(name: state.name, scalarType: .u8, shape: shape) else {
                throw FileError(set.parts[0].path, "'\(state.name)' has no possible length", hint: Self.hint)
            }
            return info
        }
        let trailing = try quantStates(metadata)
        let sources = try set.sourceChecksums(count: metadata.source.tensors.count)
        let assembly = try QNFAssembly(
            stored: tensors + states, trailingCount: states.count, file: file, settings: metadata.settings,
            lineagePlaceholder: lineage(nil))
        let final = lineage(sources)
        return (assembly, { checksum in try assembly.finish(trailing: trailing, lineage: final) { index, _ in checksum(index) } })
    }

    /// The text of each quant state, every one of them once.
    private func quantStates(_ metadata: PartFrame.Metadata) throws(FileError) -> [[UInt8]] {
        var texts = [[UInt8]?](repeating: nil, count: metadata.states.count)
        func add(_ text: String, _ index: Int, _ path: String) throws(FileError) {
            guard texts.indices.contains(index), texts[index] == nil, text.utf8.count <= metadata.states[index].byteCountLimit else {
                throw FileError(path, "quant state \(index) does not fit the \(texts.count) of the frame", hint: Self.hint)
            }
            texts[index] = Array(text.utf8)
        }
        for part in set.parts { for (index, text) in part.record.results.states { try add(text, index, part.path) } }
        for joined in set.made { try add(joined.stateText, joined.state, set.parts[0].path) }
        if let index = texts.firstIndex(where: { $0 == nil }) {
            throw FileError(set.parts[0].path, "no part has '\(metadata.states[index].name)'", hint: Self.hint)
        }
        return texts.compactMap { $0 }
    }

    private func info(_ index: Int) throws(FileError) -> TensorInfo {
        guard let info = set.frame.tensors[index].info else { throw damage(index, "has no type of a safetensors file") }
        return info
    }

    private func damage(_ index: Int, _ message: String) -> FileError {
        FileError(set.parts[0].path, at: "tensor '\(set.frame.tensors[index].name)'", message, hint: Self.hint)
    }

    // MARK: - Bytes

    private func copy(to places: [Int], _ files: [OutputFile], verifies: Bool) throws {
        for joined in set.made {
            for (index, bytes) in joined.tensors { try files[set.frame.tensors[index].file].write(bytes, atOffset: places[index]) }
        }
        var jobs: [(tensor: Int, owner: PartSet.Owner, range: Range<Int>)] = []
        for (index, owners) in set.owners.enumerated() {
            for owner in owners {
                // What is to be verified is one job: its checksum is of all bytes.
                let limit = verifies ? Int.max : OutputFile.copyPieceByteCount
                jobs += Chunks.ranges(count: owner.bytes.count, limit: limit, unit: 1).map { (index, owner, $0) }
            }
        }
        try resources.pool.forEach(count: jobs.count) { [jobs] number, _ in
            let (index, owner, range) = jobs[number]
            let tensor = set.frame.tensors[index], part = set.parts[owner.part]
            guard let stored = part.index(of: tensor.name), let place = part.file.place(ofTensor: stored) else {
                preconditionFailure("the set has looked for every tensor")
            }
            try files[tensor.file].copy(
                place.offset + range.lowerBound..<place.offset + range.upperBound, of: part.file.file,
                toOffset: places[index] + owner.bytes.lowerBound + range.lowerBound)
            if verifies { try verify(index, owner, files[tensor.file], at: places[index] + owner.bytes.lowerBound) }
            resources.progress(range.count)
        }
    }

    private func verify(_ index: Int, _ owner: PartSet.Owner, _ file: OutputFile, at offset: Int) throws(FileError) {
        let tensor = set.frame.tensors[index], byteCount = owner.bytes.count
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(byteCount, 4 << 20), alignment: 64)
        defer { buffer.deallocate() }
        var checksum = CRC32C()
        for start in stride(from: 0, to: byteCount, by: 4 << 20) {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, byteCount - start)])
            try file.read(atOffset: offset + start, into: piece)
            checksum.append(UnsafeRawBufferPointer(piece))
        }
        guard checksum == owner.checksum else {
            throw FileError(
                set.parts[owner.part].path, at: "tensor '\(tensor.name)'", "its checksum is \(checksum), but \(owner.checksum) was written",
                hint: "the part is damaged; remove it and make it again")
        }
    }

    /// The files of a folder that ride along in the first part.
    private func companions(_ output: borrowing AtomicOutput) throws -> [OutputFile] {
        let prefix = PartWriter.Piece.file("").name
        var files: [OutputFile] = []
        for piece in set.parts[0].record.pieces where piece.name.hasPrefix(prefix) {
            let bytes = try set.parts[0].piece(piece.name)
            files.append(try output.createFile(named: String(piece.name.dropFirst(prefix.count)), holding: bytes))
        }
        return files
    }

    private static let hint = "the part is damaged; remove it and make it again"
}
