import JSONText
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Conversion

/// Which tensor gets which type, against what llama-quantize says for 18 shapes of models and 14 kinds of files.
@Suite struct GGUFMixtureTests {
    /// `llama layers=12 heads=4/2 tied=True experts=0 embd=256 ff=256`
    struct Case: CustomStringConvertible {
        let description: String
        let architecture: String
        private var numbers: [String: Int] = [:]
        let isTied: Bool
        let headCount: Int
        let keyValueHeadCount: Int

        init?(_ key: String) {
            description = key
            let words = key.split(separator: " ")
            architecture = String(words[0])
            var fields: [Substring: Substring] = [:]
            for word in words.dropFirst() {
                let parts = word.split(separator: "=")
                fields[parts[0]] = parts[1]
            }
            let heads = (fields["heads"] ?? "").split(separator: "/").compactMap { Int($0) }
            guard heads.count == 2 else { return nil }
            (headCount, keyValueHeadCount) = (heads[0], heads[1])
            isTied = fields["tied"] == "True"
            for name in ["layers", "experts", "embd", "ff"] { numbers[name] = fields[Substring(name)].flatMap { Int($0) } }
        }

        subscript(_ name: String) -> Int { numbers[name] ?? 0 }

        var tensors: [(name: String, dimensions: [Int])] {
            let width = self["embd"], inner = self["ff"], head = width / headCount, experts = self["experts"]
            var result: [(String, [Int])] = [("token_embd.weight", [4, width])]
            if architecture == "gpt2" { result += [("position_embd.weight", [64, width]), ("output_norm.bias", [width])] }
            if !isTied { result.append(("output.weight", [4, width])) }
            result.append(("output_norm.weight", [width]))
            for layer in 0..<self["layers"] {
                var own: [(String, [Int])] = [("attn_norm.weight", [width]), ("attn_output.weight", [width, width])]
                if architecture == "gpt2" {
                    own += [("attn_qkv.weight", [3 * width, width]), ("attn_qkv.bias", [3 * width])]
                } else {
                    let keys = head * keyValueHeadCount
                    own += [("attn_q.weight", [width, width]), ("attn_k.weight", [keys, width]), ("attn_v.weight", [keys, width])]
                    own += [("attn_q_norm.weight", [head])]
                }
                if experts > 0 {
                    own += [("ffn_gate_inp.weight", [experts, width]), ("ffn_gate_exps.weight", [experts, inner, width])]
                    own += [("ffn_up_exps.weight", [experts, inner, width]), ("ffn_down_exps.weight", [experts, width, inner])]
                } else {
                    if architecture != "gpt2" { own.append(("ffn_gate.weight", [inner, width])) }
                    own += [("ffn_up.weight", [inner, width]), ("ffn_down.weight", [width, inner])]
                }
                result += own.map { ("blk.\(layer).\($0)", $1) }
            }
            return result
        }
    }

    @Test("chooses as llama-quantize does")
    func choosesAsLlamaQuantize() throws {
        let fixture = try JSONValue(parsing: Fixture.bytes(Fixture.path("gguf/mixtures.json")))
        for (key, files) in try #require(fixture.object).members.map({ ($0.key, $0.value) }) {
            let model = try #require(Case(key))
            let tensors = try model.tensors.map { (name: $0.name, shape: try #require(Shape($0.dimensions))) }
            for file in try #require(files.object).members {
                let mixture = try #require(GGUFMixture(named: file.key))
                let found = mixture.storage(
                    of: tensors,
                    .init(
                        headsPerKey: model.headCount / model.keyValueHeadCount, layerCount: model["layers"],
                        expertCount: model["experts"], isLlama: model.architecture == "llama"))
                var expected: [String: String] = [:]
                for group in file.value["else"]?.object?.members ?? [] {
                    for name in group.value.array ?? [] { expected[name.string ?? ""] = group.key }
                }
                let usual = try #require(file.value["default"]?.string)
                for (tensor, storage) in zip(tensors, found) {
                    let name: String
                    switch storage {
                    case .scalar(.f32): continue
                    case .scalar(let type): name = type.rawValue
                    case .blocks(let format): name = format.name
                    }
                    #expect(name == expected[tensor.name] ?? usual, "\(key), \(file.key): \(tensor.name)")
                }
            }
        }
    }

    @Test("keeps small tensors in F32, and gives a pure file one type")
    func keepsSmallTensors() throws {
        var mixture = try #require(GGUFMixture(named: "q4_k"))
        #expect(mixture.name == "Q4_K_M" && GGUFMixture(named: "q9") == nil)
        mixture.isPure = true
        let shapes: [(String, [Int])] = [
            ("blk.0.attn_norm.weight", [256]), ("blk.0.attn_v.bias", [256]), ("output.weight", [4, 256]),
            ("blk.0.ffn_down.weight", [256, 32]),
            ("position_embd.weight", [4, 256]),
        ]
        let found = mixture.storage(
            of: try shapes.map { ($0, try #require(Shape($1))) }, .init(headsPerKey: 1, layerCount: 1, isLlama: true))
        #expect(found == [.scalar(.f32), .scalar(.f32), .blocks(.q4K), .blocks(.q50), .scalar(.f32)])
    }
}
