import CommandLineKit
package import ModelLoading
import ToolSupport

extension MemoryEstimate {
    /// Refuses what would push the weights out of memory again and again, while it costs nothing yet.
    ///
    /// - Parameters:
    ///   - path: of the model.
    ///   - others: bytes that the process needs besides.
    package func check(_ path: String, besides others: Int = 0) throws {
        guard let available = AvailableMemory.byteCount, total + others > available else { return }
        let besides = others > 0 ? ", besides \(NumberText.byteCount(others)) of another model" : ""
        let chosen = active < weights ? " that a token needs" : ""
        throw Failure(
            "\(path) needs about \(NumberText.byteCount(total)) of memory (\(NumberText.byteCount(active)) of weights\(chosen), "
                + "\(NumberText.byteCount(cache)) for a context of \(positions))\(besides), but \(NumberText.byteCount(available)) "
                + "are available",
            hint: "a 4-bit model takes a quarter of one in 16 bits ('qconvert to-nf4'); --context sets up less room")
    }
}
