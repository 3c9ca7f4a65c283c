import TensorCore
import TestSupport

@testable import Checkpoints

/// Small weights in the forms of other programs, one module each, made of numbers.
struct PackedCheckpoint {
    static let module = "model.layers.0.mlp.up_proj"

    let folder: TemporaryFolder
    let checkpoint: Checkpoint

    /// - Parameters:
    ///   - tensors: names without that of the module.
    ///   - config: members of config.json; nil for none.
    init(_ tensors: [StoredTensor], config: String? = nil, files: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        var named = tensors
        for index in named.indices where named[index].name.hasPrefix(".") { named[index].name = Self.module + named[index].name }
        try folder.write(named.safetensors(), to: "model.safetensors")
        if let config { try folder.write("{\(config)}", to: "config.json") }
        for (name, text) in files { try folder.write(text, to: name) }
        checkpoint = try Checkpoint.open(folder.path)
    }

    /// Of the weight, [out, in], as they are decoded.
    func values(_ name: String = module + ".weight") throws -> [Float] {
        guard let tensor = checkpoint.tensors.first(where: { $0.name == name }) else { throw SupportError("no '\(name)'") }
        return try checkpoint.reader(of: tensor, order: .outputsByInputs, rounding: .none).allElements()
    }

    static func words(_ name: String, _ dimensions: [Int], _ words: [UInt32]) -> StoredTensor {
        StoredTensor(name, .i32, dimensions, words.withUnsafeBytes { Array($0) })
    }

    static func halves(_ name: String, _ dimensions: [Int], _ values: [Float16]) -> StoredTensor {
        StoredTensor(name, .f16, dimensions, bitPatterns: values.map(\.bitPattern))
    }

    static func zeros(_ name: String, _ type: ScalarType, _ dimensions: [Int]) -> StoredTensor {
        StoredTensor(name, type, dimensions, [UInt8](repeating: 0, count: dimensions.reduce(1, *) * type.bitCount / 8))
    }

    /// Codes [count] of a stream of bits, from the lowest on.
    static func stream(_ codes: [UInt32], bits: Int) -> [UInt32] {
        var words = [UInt32](repeating: 0, count: codes.count * bits / 32)
        for (index, code) in codes.enumerated() {
            for bit in 0..<bits where code >> UInt32(bit) & 1 != 0 {
                words[(index * bits + bit) / 32] |= 1 << UInt32((index * bits + bit) % 32)
            }
        }
        return words
    }
}

/// A weight of GPTQ: the codes of output j and input i are `code(i, j)`.
struct GPTQWeight {
    var bits = 4
    var inputs = 32
    var outputs = 8
    var groupCount = 2
    /// Fields as they are stored.
    var storedZeros: (Int, Int) -> UInt32 = { _, _ in 7 }
    var groups: [UInt32]?
    var conv1D = false

    func code(_ input: Int, _ output: Int) -> UInt32 {
        let number = input * 5 + output * 3 + input * output
        return UInt32(number) & (1 << UInt32(bits) - 1)
    }
    func scale(_ group: Int, _ output: Int) -> Float16 { Float16(0.25 * Float(group + 1) + 0.125 * Float(output)) }

    func tensors() -> [StoredTensor] {
        var words = [UInt32](repeating: 0, count: inputs * bits / 32 * outputs)
        for output in 0..<outputs {
            for (row, word) in PackedCheckpoint.stream((0..<inputs).map { code($0, output) }, bits: bits).enumerated() {
                words[row * outputs + output] = word
            }
        }
        let zeros = (0..<groupCount).flatMap { group in
            PackedCheckpoint.stream((0..<outputs).map { storedZeros(group, $0) }, bits: bits)
        }
        let scales = (0..<groupCount).flatMap { group in (0..<outputs).map { scale(group, $0) } }
        return [
            PackedCheckpoint.words(".qweight", [inputs * bits / 32, outputs], words),
            PackedCheckpoint.words(".qzeros", [groupCount, outputs * bits / 32], zeros),
            PackedCheckpoint.halves(".scales", [groupCount, outputs], scales),
        ] + (groups.map { [PackedCheckpoint.words(".g_idx", [inputs], $0)] } ?? [])
    }

    /// [out, in] for zeros that are meant.
    func values(_ zero: (Int, Int) -> Float) -> [Float] {
        (0..<outputs).flatMap { output in
            (0..<inputs).map { input in
                let group = groups.map { Int($0[input]) } ?? input / ((inputs + groupCount - 1) / groupCount)
                return Float(scale(group, output)) * (Float(code(input, output)) - zero(group, output))
            }
        }
    }
}
