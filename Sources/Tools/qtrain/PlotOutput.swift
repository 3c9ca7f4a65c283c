import ByteIO
import Training

/// The picture of `--plot`: opened before the run, so that what cannot be written is an error then; drawn after it.
struct PlotOutput: ~Copyable {
    private let output: AtomicOutput?

    /// - Parameters:
    ///   - path: nil where no picture is wanted.
    ///   - replaces: a file that exists is replaced; otherwise it is an error.
    ///   - inputs: files that are read; the picture must be none of them.
    init(path: String?, replaces: Bool, inputs: [InputFile]) throws(FileError) {
        if let path { output = try AtomicOutput(destination: path, replaces: replaces, inputs: inputs) } else { output = nil }
    }

    consuming func write(title: String, history: RunHistory) throws(FileError) {
        guard let output else { return }
        let file = try output.file()
        try file.write(Array(LossPlot(title: title, history: history).svg.utf8), atOffset: 0)
        try output.commit([file])
    }
}
