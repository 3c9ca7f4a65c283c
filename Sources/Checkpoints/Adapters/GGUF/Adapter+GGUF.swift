package import Architectures
package import ByteIO
import GGUFFormat
import JSONText
import TensorCore

extension Adapter {
    /// A GGUF adapter, under PEFT's names.
    static func openGGUF(_ file: InputFile, path: String) throws(FileError) -> Adapter {
        let adapter = try GGUFAdapterFile(GGUFSource(file))
        return try Adapter(
            path: path, form: .gguf, stored: adapter.tensors, configuration: adapter.configuration, warnings: adapter.warnings)
    }

    /// Whether rows of queries and keys lie in an order that only a base resolves: until then these factors are not read.
    ///
    /// So it is in GGUF adapters of families whose heads' rows lie in pairs there. The file does not say how wide a head is.
    package var hasUnknownRows: Bool { (source.stored as? GGUFAdapterTensors)?.hasUnknownRows ?? false }

    /// The same for a base: rows of queries and keys are where Hugging Face has them, and experts have factors of their own.
    ///
    /// - Parameters:
    ///   - model: what the base computes; nil where nothing says it.
    ///   - basePath: for messages.
    /// - Throws: where the adapter is for another architecture, or its rows cannot be put in order.
    package func placed(on model: ModelDescription?, basePath: String) throws(FileError) -> Adapter {
        guard let tensors = source.stored as? GGUFAdapterTensors else { return try withExpertsApart(on: model, basePath: basePath) }
        guard let model else {
            guard tensors.hasUnknownRows else { return self }
            throw FileError(
                path, "has rows of queries and keys in pairs, but nothing says how wide a head of \(basePath) is",
                hint: "a config.json of a known architecture beside the base says it")
        }
        guard let name = model.architecture.gguf?.name, name == tensors.architecture else {
            throw FileError(path, "is for a base of the architecture '\(tensors.architecture)', but \(basePath) is a \(model.modelType)")
        }
        return withRows(.headWidths(model.layers.map(\.attention.headWidth)))
    }

    /// The same with rows of queries and keys in the order of the file: for what does not depend on it, such as norms.
    package var withRowsAsStored: Adapter { withRows(.asStored) }

    private func withRows(_ order: GGUFAdapterTensors.RowOrder) -> Adapter {
        guard var tensors = source.stored as? GGUFAdapterTensors else { return self }
        tensors.rowOrder = order
        var copy = self
        copy.source = AdapterSource(stored: tensors, checksums: source.checksums)
        return copy
    }

    /// Whether the beginning of a file is that of a GGUF adapter: what kind of file it is stands among the first keys.
    static func isGGUFAdapter(head: [UInt8]) -> Bool {
        guard head.starts(with: "GGUF".utf8) else { return false }
        func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(text.utf8) }
        // The key, the type of a string, and the string.
        return holds(text(GGUFAdapterFile.Key.type) + [8, 0, 0, 0] + text("adapter"), in: head)
    }

    /// Not `contains`, which is 5 ms of generic code here: longer than it takes to list a model.
    static func holds(_ key: [UInt8], in head: [UInt8]) -> Bool {
        head.indices.dropLast(key.count - 1).contains { start in
            head[start] == key[0] && head[start..<start + key.count].elementsEqual(key)
        }
    }
}
