import Architectures
import Parallelism
package import Transformer

/// Perplexity of a model on a text, window by window.
package struct PerplexityMeasurement {
    private let model: EvaluationModel
    private let windows: TextWindows
    private let engine: MatrixEngine

    /// - Throws: where the text has tokens that the model does not know.
    package init(of model: EvaluationModel, on windows: TextWindows, engine: MatrixEngine) throws(EvaluationError) {
        try model.check(windows)
        self.model = model
        self.windows = windows
        self.engine = engine
    }

    /// - Parameter progress: told of tokens predicted since the last call.
    /// - Throws: where logits are not finite.
    package func run(progress: (Int) -> Void = { _ in }) throws -> Perplexity {
        var perplexity = Perplexity()
        let session = model.session(context: windows.windows.map(\.range.count).max() ?? 2, engine: engine)
        for window in windows.windows {
            session.reset()
            let needed = try session.read(window, of: windows.ids)
            let tokens = Array(windows.ids[needed.lowerBound...needed.upperBound])
            try session.losses(of: tokens, isWanted: { windows.counts(needed.lowerBound + $0) }) { indices, losses in
                if let index = losses.firstIndex(where: { !$0.isFinite }) {
                    throw EvaluationError.notFinite(model, position: needed.lowerBound + indices[index] - 1)
                }
                for loss in losses { perplexity.add(loss: loss) }
                progress(losses.count)
            }
        }
        return perplexity
    }
}

extension InferenceSession {
    /// Reads the part of a window whose logits nobody needs.
    ///
    /// - Returns: the tokens that predict the rest: the logits of token i are about token i + 1.
    func read(_ window: TextWindows.Window, of ids: [Int32]) throws -> Range<Int> {
        let needed = window.firstPredicted - 1..<window.range.upperBound - 1
        let before = window.range.lowerBound..<needed.lowerBound
        if !before.isEmpty { _ = try append(Array(ids[before])) }
        return needed
    }
}

extension EvaluationError {
    static func notFinite(_ model: EvaluationModel, position: Int) -> EvaluationError {
        EvaluationError(
            "\(model.name): the logits of token \(position + 1) of the text are not finite",
            hint: "some of its weights are damaged; `Statistics` shows which")
    }
}
