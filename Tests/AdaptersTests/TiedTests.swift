import ByteIO
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import Adapters

/// What an adapter of an embedding, of a head, or of both does where the two are one in the base.
@Suite struct TiedTests {
    /// Two tokens of three numbers each, tied; `storesHead` once more.
    private static func base(storesHead: Bool = false) throws -> AdapterBase {
        let names = ["model.embed_tokens.weight"] + (storesHead ? ["lm_head.weight"] : [])
        let parameters = try names.map {
            BaseParameter(name: $0, shape: try tensorInfo($0, .f32, [4, 3]).shape, orientation: .outputsByInputs)
        }
        return AdapterBase(path: "base", parameters: parameters, tie: AdapterBase.Tie(embedding: 0, head: storesHead ? 1 : nil))
    }

    private static func table(_ module: String, _ first: Float = 0, rows: Int = 4) -> StoredTensor {
        StoredTensor("\(module).weight", [rows, 3], (0..<3 * rows).map { first + Float($0) })
    }

    private static func bind(
        _ tensors: [StoredTensor], _ members: KeyValuePairs<String, JSONValue>, storesHead: Bool = false
    ) throws -> BoundAdapters {
        let folder = try AdapterFolder(members, tensors)
        return try BoundAdapters([WeightedAdapter(try Adapter.open(folder.path))], to: try base(storesHead: storesHead))
    }

    private static let both: JSONValue = .strings(["embed_tokens", "lm_head"])
    private static let embedding = "model.embed_tokens", head = "lm_head"

    @Test(arguments: [false, true]) func whatIsEqualStaysTied(_ storesHead: Bool) throws {
        let bound = try Self.bind(
            [Self.table(Self.embedding), Self.table(Self.head)], ["modules_to_save": Self.both], storesHead: storesHead)
        #expect(bound.outcomes.keys.sorted() == [0] && bound.untiedHead == nil)
    }

    @Test func whatDiffersIsTornApart() throws {
        let bound = try Self.bind([Self.table(Self.embedding), Self.table(Self.head, 1)], ["modules_to_save": Self.both])
        #expect(bound.outcomes.keys.sorted() == [0] && bound.untiedHead?.change?.word == "replaced")
        let alone = try Self.bind([Self.table(Self.embedding)], ["modules_to_save": .strings(["embed_tokens"])])
        #expect(alone.untiedHead != nil && alone.untiedHead?.change == nil)
    }

    @Test func whatTheTrainingTiedMustBeEqual() throws {
        let members: KeyValuePairs<String, JSONValue> = ["modules_to_save": Self.both, "ensure_weight_tying": .bool(true)]
        let bound = try Self.bind([Self.table(Self.embedding), Self.table(Self.head)], members)
        #expect(bound.untiedHead == nil)
        let error = #expect(throws: FileError.self) { try Self.bind([Self.table(Self.embedding), Self.table(Self.head, 1)], members) }
        #expect(
            error?.message
                == "'model.embed_tokens' and 'lm_head' are tied in base and in the training, but differ in the adapter")
        // Only one of the two in the file: PEFT reads it into both.
        for name in [Self.embedding, Self.head] {
            let bound = try Self.bind([Self.table(name)], members)
            #expect(bound.outcomes.keys.sorted() == [0] && bound.untiedHead == nil)
        }
    }

    /// PEFT 0.21.2 follows `ensure_weight_tying` where a list names `embed_tokens` or `lm_head`, and so it trained the others apart.
    @Test(
        arguments: [
            (["modules_to_save": .strings(["model.embed_tokens"])], true), (["target_modules": .strings(["q_proj", "lm_head"])], true),
            (["target_modules": .string(".*(q_proj|embed_tokens)")], true),
            (["target_modules": .string(".*\\.(q_proj|embed_tokens)")], false),
            (["modules_to_save": .strings(["wte"])], false), (["target_modules": .strings(["q_proj"])], false),
            (["target_modules": .string("(?!q).*embed_tokens")], false), ([:], false),
        ] as [([String: JSONValue], Bool)]) func tiesOnlyWhatPEFTTies(members: [String: JSONValue], isTied: Bool) throws
    {
        var object = JSONObject(["peft_type": .string("LORA"), "r": .integer(1), "ensure_weight_tying": .bool(true)])
        for (key, value) in members { object[key] = value }
        #expect(try AdapterConfiguration(.object(object), path: "adapter_config.json").tiesTables == isTied)
    }

    @Test func onlyOneOfATiedPairIsTornOffWherePEFTDoesNotTie() throws {
        let factors = [
            StoredTensor("\(Self.embedding).lora_embedding_A", [1, 4], [1, 2, 3, 4]),
            StoredTensor("\(Self.embedding).lora_embedding_B", [3, 1], [5, 6, 7]),
        ]
        func head(_ targets: JSONValue) throws -> BoundAdapters.Outcome? {
            try Self.bind(factors, ["r": .integer(1), "ensure_weight_tying": .bool(true), "target_modules": targets]).untiedHead
        }
        #expect(try head(.strings(["embed_tokens"])) == nil)
        #expect(try head(.string(".*\\.embed_tokens"))?.change == nil && head(.string(".*\\.embed_tokens")) != nil)
        let rows = [StoredTensor("\(Self.head).token_adapter.trainable_tokens_delta", [1, 3], [5, 6, 7])]
        let bound = try Self.bind(
            rows,
            [
                "ensure_weight_tying": .bool(true), "trainable_token_indices": .object(JSONObject(["lm_head": .array([.integer(2)])])),
                "target_modules": .strings(["q_proj"]),
            ])
        #expect(bound.outcomes.isEmpty && bound.untiedHead?.change != nil)
    }

    /// PEFT saves the layer below the factors of a head, and with it a bias that was not trained.
    @Test func headsWithABiasBringIt() throws {
        let tensors = [
            StoredTensor("\(Self.head).lora_A.weight", [1, 3], [1, 2, 3]),
            StoredTensor("\(Self.head).lora_B.weight", [4, 1], [1, 2, 3, 4]),
            StoredTensor("\(Self.head).base_layer.bias", [4], [1, 2, 3, 4]),
        ]
        let table = StoredTensor("\(Self.head).base_layer.weight", [4, 3], (0..<12).map { Float($0) })
        let folder = try AdapterFolder(["r": .integer(1)], tensors + [table])
        #expect(try Adapter.open(folder.path).modules.map(\.parameterName).sorted() == ["lm_head.bias", "lm_head.weight"])
        let stray = try AdapterFolder(["r": .integer(1)], tensors)
        #expect(stray.refusal()?.message.contains("would not be used") == true)
    }

    @Test func factorsOfATiedPairAreTransposed() throws {
        let a: [Float] = [1, 2, 3, 4], b: [Float] = [5, 6, 7]
        func tensors(_ headB: [Float]) -> [StoredTensor] {
            [
                StoredTensor("\(Self.embedding).lora_embedding_A", [1, 4], a),
                StoredTensor("\(Self.embedding).lora_embedding_B", [3, 1], b),
                StoredTensor("\(Self.head).lora_A.weight", [1, 3], b), StoredTensor("\(Self.head).lora_B.weight", [4, 1], headB),
            ]
        }
        #expect(try Self.bind(tensors(a), ["r": .integer(1), "ensure_weight_tying": .bool(true)]).untiedHead == nil)
        #expect(try Self.bind(tensors([1, 2, 3, 5]), ["r": .integer(1)]).untiedHead?.change?.word == "LoRA, rank 1")
        #expect(throws: FileError.self) { try Self.bind(tensors([1, 2, 3, 5]), ["r": .integer(1), "ensure_weight_tying": .bool(true)]) }
    }

    @Test func bothGetOtherRowsOrNeither() throws {
        let bound = try Self.bind(
            [Self.table(Self.embedding, rows: 6), Self.table(Self.head, 1, rows: 6)], ["modules_to_save": Self.both])
        #expect(bound.vocabularySize == 6 && bound.outcomes[0]?.table?.rowCount == 6 && bound.untiedHead?.table?.rowCount == 6)
        let error = #expect(throws: FileError.self) {
            try Self.bind([Self.table(Self.embedding, rows: 6)], ["modules_to_save": .strings(["embed_tokens"])])
        }
        #expect(error?.message == "would make 6 rows of 'model.embed_tokens.weight', but 4 of the output head")
        // Not named: the base itself was resized, and its head with it.
        #expect(try Self.bind([Self.table(Self.embedding, rows: 6)], [:]).untiedHead == nil)
    }

    @Test func headsOfTasksAreKeptApart() throws {
        let tensors = [Self.table(Self.embedding), StoredTensor("score.weight", [2, 3], [1, 2, 3, 4, 5, 6])]
        let bound = try Self.bind(tensors, ["modules_to_save": .strings(["embed_tokens"]), "task_type": .string("SEQ_CLS")])
        #expect(bound.taskHeads.map(\.name) == ["score.weight"])
        let error = #expect(throws: FileError.self) {
            try Self.bind(tensors, ["modules_to_save": .strings(["embed_tokens", "score"]), "task_type": .string("CAUSAL_LM")])
        }
        #expect(error?.message == "does not fit base: 1 of the parameters it changes is not in the base: score.weight")
    }
}
