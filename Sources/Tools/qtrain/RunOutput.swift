import ByteIO
import Checkpoints
import CommandLineKit
import ContainerKit
import ModelLoading
import ToolSupport
import Training

/// What a run leaves behind: opened before its first step, with its room on disk, and written after its last.
struct RunOutput: ~Copyable {
    private let output: AtomicOutput
    /// Where the output is a folder.
    private let writer: ShardedWriter?
    private let sample: [String]

    /// - Parameter sample: texts that go into an adapter.
    /// - Throws: where the output exists, is an input, or does not fit on the disk.
    init(_ setup: TrainSetup, sample: [String] = []) throws(FileError) {
        let isFolder = setup.options.isFull
        let output = try AtomicOutput(
            destination: setup.options.files.output, isFolder: isFolder, replaces: setup.options.files.replaces,
            inputs: setup.inputs)
        let writer = isFolder ? try ModelFolderOutput.writer(for: setup.model, in: output) : nil
        if !isFolder { try AdapterOutput.reserve(setup.model, in: output) }
        self.output = output
        self.writer = writer
        self.sample = sample
    }

    consuming func write(_ setup: TrainSetup) throws(FileError) {
        if let writer {
            try ModelFolderOutput.write(setup.model, of: setup.loaded.checkpoint, to: output, writer)
        } else {
            try AdapterOutput.write(
                setup.model, to: output, baseFingerprint: setup.fingerprint, baseName: setup.loaded.checkpoint.path,
                tool: "qtrain \(toolVersion)", sample: sample)
        }
    }
}
