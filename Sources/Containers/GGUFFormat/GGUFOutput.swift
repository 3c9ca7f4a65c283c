package import ByteIO

/// A model on its way into one file, or into the files of a folder.
package struct GGUFOutput: Sendable {
    package let plan: GGUFSplitPlan
    private let writers: [GGUFWriter]

    /// - Parameter output: of one file where the plan has one part, and a folder of `OutputForm.ggufFolder` where it has several.
    package init(_ plan: GGUFSplitPlan, to output: borrowing AtomicOutput) throws(FileError) {
        self.plan = plan
        guard plan.parts.count > 1 else {
            writers = [try GGUFWriter(file: output.file(), plan: plan.parts[0])]
            return
        }
        var writers: [GGUFWriter] = []
        for (name, part) in zip(plan.names, plan.parts) {
            writers.append(try GGUFWriter(file: output.createFile(named: name), plan: part))
        }
        self.writers = writers
    }

    /// What is to be committed.
    package var files: [OutputFile] { writers.map(\.file) }

    /// Writes bytes of tensor `index` of the plan from byte `offset` of the tensor on. May be called from any thread.
    package func write(_ bytes: UnsafeRawBufferPointer, tensor index: Int, atByteOffset offset: Int = 0) throws(FileError) {
        let place = plan.place(ofTensor: index)
        try writers[place.part].write(bytes, tensor: place.tensor, atByteOffset: offset)
    }

    /// Reads back bytes of tensor `index` that were written.
    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let place = plan.place(ofTensor: index)
        try writers[place.part].read(tensor: place.tensor, atByteOffset: offset, into: buffer)
    }
}

extension OutputForm {
    /// The parts of a model that was split.
    package static let ggufFolder = OutputForm.folder(
        Folder("folder of GGUF files", suffixes: [".gguf"], marks: "a .gguf file nor a part of one") { $0.hasSuffix(".gguf") })
}
