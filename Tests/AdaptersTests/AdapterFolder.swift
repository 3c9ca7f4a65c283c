import ByteIO
import JSONText
import TensorCore
import TestSupport

@testable import Adapters

/// An adapter of a test's own, as PEFT would lay it out; written without the code under test.
struct AdapterFolder {
    static let prefix = "base_model.model."

    let folder: TemporaryFolder
    var path: String { folder.path }
    var weights: String { folder.path("adapter_model.safetensors") }
    var configuration: String { folder.path("adapter_config.json") }

    /// - Parameters:
    ///   - members: of the configuration, beside `peft_type`.
    ///   - tensors: names without the prefix.
    init(_ members: KeyValuePairs<String, JSONValue>, _ tensors: [StoredTensor]) throws {
        var object = JSONObject(["peft_type": .string("LORA")])
        for (key, value) in members { object[key] = value }
        folder = try TemporaryFolder()
        try folder.write(JSONValue.object(object).text(.indented), to: "adapter_config.json")
        let named = tensors.map { StoredTensor(Self.prefix + $0.name, $0.scalarType, $0.dimensions, $0.bytes) }
        try folder.write(named.safetensors(metadata: ["format": "pt"]), to: "adapter_model.safetensors")
    }

    /// Of rank 2.
    init(_ tensors: [StoredTensor]) throws { try self.init(["r": .integer(2), "lora_alpha": .integer(4)], tensors) }

    /// Factors of a linear layer of 3 inputs and 4 outputs.
    static func factors(_ module: String, rank: Int = 2) -> [StoredTensor] {
        [
            StoredTensor("\(module).lora_A.weight", [rank, 3], (0..<3 * rank).map { Float($0) }),
            StoredTensor("\(module).lora_B.weight", [4, rank], (0..<4 * rank).map { Float($0) / 4 }),
        ]
    }

    /// The error of opening it, with the folder's own path taken out.
    func refusal() -> FileError? {
        do {
            _ = try Adapter.open(path)
            return nil
        } catch {
            return error.inFolder(path)
        }
    }
}

extension FileError {
    /// The same error with paths from the folder on.
    func inFolder(_ folder: String) -> FileError {
        let shown = path == folder ? "." : path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.count + 1)) : path
        return FileError(shown, at: place, message, hint: hint)
    }
}

func tensorInfo(_ name: String, _ type: ScalarType, _ dimensions: [Int]) throws -> TensorInfo {
    guard let shape = Shape(dimensions), let info = TensorInfo(name: name, scalarType: type, shape: shape) else {
        throw SupportError("\(name) \(dimensions) is no tensor")
    }
    return info
}
