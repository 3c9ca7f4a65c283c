import ByteIO
import Reports
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
        try file.write(Array(history.plot(title: title).svg.utf8), atOffset: 0)
        try output.commit([file])
    }
}

extension RunHistory {
    /// A faint line for every step, a smoothed one, and the validation losses with their points.
    func plot(title: String) -> LinePlot {
        let smoothed = SmoothedLosses(losses)
        let last = smoothed.points.last.map { " \(LinePlot.shown($0.loss))" } ?? ""
        let validation = evaluations.last.map { "validation \(LinePlot.shown($0.loss))" }
        return LinePlot(
            title: title, xTitle: "step", yTitle: "loss per token", end: Double(losses.count),
            curves: [
                .init(losses.enumerated().map { (Double($0 + 1), $1) }, .faint),
                .init(
                    smoothed.points.map { ($0.step, $0.loss) }, .plain,
                    label: "training\(last)\(smoothed.reach > 0 ? " (thin: each step)" : "")"),
                .init(evaluations.map { (Double($0.step), $0.loss) }, .dashed, label: validation),
            ])
    }
}
