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
            hint: "fewer --tokens need less")
    }
}
