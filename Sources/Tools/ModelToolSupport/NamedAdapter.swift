package import Adapters
import ByteIO
package import Checkpoints
package import CommandLineKit
import JSONText
import ToolSupport

/// An adapter as `--adapter FILE[@W]` gives it.
package struct NamedAdapter: Sendable {
    /// The file's name without folder and suffix, as `/adapter` takes it; its path where several have the same.
    package private(set) var name: String
    package let adapter: Adapter
    package let weight: Float

    /// - Throws: `UsageError` where the weight is no number.
    package init(_ text: String) throws {
        let word = try AdapterWord(text)
        adapter = try Adapter.open(word.path)
        weight = Float(word.weight)
        let file = FilePath.name(of: word.path)
        name = [".lora", ".gguf"].contains { file.hasSuffix($0) } ? String(file.dropLast(5)) : file
    }

    /// Several, each with a name of its own.
    ///
    /// - Throws: as `init`.
    package static func all(_ texts: [String]) throws -> [NamedAdapter] {
        var adapters = try texts.map { try NamedAdapter($0) }
        let counts = Dictionary(adapters.map { ($0.name, 1) }, uniquingKeysWith: +)
        for index in adapters.indices where counts[adapters[index].name] != 1 { adapters[index].name = adapters[index].adapter.path }
        return adapters
    }

    /// Says what is odd about the adapter, by itself and on this base.
    package func passOnWarnings(for checkpoint: Checkpoint, _ console: Console) throws {
        for warning in adapter.warnings { console.warning("\(adapter.path): \(warning)") }
        if adapter.configuration.isOfTask, let task = adapter.configuration.document["task_type"]?.string {
            console.warning(
                "\(adapter.path) was trained for a task of its own (\(task.terminalSafe)) and not to write text: its head is not used")
        }
        warnOfOtherBase(checkpoint, console)
        try console.warnOfCopies(in: adapter, for: checkpoint)
    }

    /// Says so where an adapter was trained on other weights; on the same ones in another form it works all the same.
    private func warnOfOtherBase(_ checkpoint: Checkpoint, _ console: Console) {
        guard let trained = adapter.baseFingerprint, let own = checkpoint.metadata?.fingerprint.description, trained != own else { return }
        console.warning(
            "\(adapter.path) was trained on other weights (\(trained.prefix(19))...) than \(checkpoint.path) has (\(own.prefix(19))...)",
            hint: "on the same model in another form it works nearly as well; on another model it does not")
    }
}
