package import Calibration
import CommandLineKit
import ModelLoading
import ToolSupport

extension CalibrationMemory {
    /// Refuses what there is no memory for, while it costs nothing yet.
    ///
    /// - Parameter limit: of `--max-memory`; nil for none.
    package func check(_ path: String, limit: Int?) throws {
        let available = AvailableMemory.byteCount
        let (allowed, what) =
            if let limit, limit <= available ?? .max { (limit, "--max-memory allows") } else { (available ?? .max, "there are available") }
        guard total > allowed else { return }
        throw Failure(
            "calibrating \(path) needs about \(NumberText.byteCount(total)) of memory (\(NumberText.byteCount(states)) of states, "
                + "\(NumberText.byteCount(moments + heldOut)) of what a layer's inputs are), but \(what) \(NumberText.byteCount(allowed))",
            hint: chunkWidth != nil || limit == nil
                ? "fewer --tokens need less"
                : "fewer --tokens need less; so does a --max-memory that is there, by taking fewer inputs of a layer together")
    }

    /// What it costs to stay under a limit; nil where inputs of every layer are taken together.
    package var chunkWarning: String? {
        guard let chunkWidth else { return nil }
        return
            "to stay under --max-memory, no more than \(NumberText.grouped(chunkWidth)) inputs of a layer are taken together, of the widest, with "
            + "\(NumberText.grouped(widest)), in \(chunkCount) chunks: the gain is smaller (on a model of 135M errors of outputs were 0.36 of the "
            + "nearest codes' without chunks, 0.41 in halves, 0.51 in chunks of 64)"
    }
}
