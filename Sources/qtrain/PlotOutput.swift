import ByteIO
import Training

/// The picture of `--plot`: opened before the run, so that what cannot be written is an error then; drawn after it.
struct PlotOutput: ~Copyable {
    private let output: AtomicOutput?

    /// - Parameter path: nil where no picture is wanted.
    init(path: String?) throws(FileError) {
        if let path { output = try AtomicOutput(destination: path, replaces: true) } else { output = nil }
    }

    consuming func write(title: String, history: RunHistory) throws(FileError) {
        guard let output else { return }
        let file = try output.file()
        try file.write(Array(LossPlot(title: title, history: history).svg.utf8), atOffset: 0)
        try output.commit([file])
    }
}
