import Adapters
import Checkpoints
import Conversion
import GGUFFormat
import Glibc
import PyTorchFormat
import Quantization
import SafetensorsFormat
import Streaming
import TensorCore
import TensorFlowFormat
import TestSupport
import Testing

/// Every source of tensors keeps the promises of `TensorSource`.
@Suite struct TensorSourcesTests {
    enum Kind: String, CaseIterable, Codable {
        case safetensors, manyTypes, shards, quantizedFolder, qnf, bundle, partitionedBundle, bundleOfManyTypes, shardedBundle, gpt2, peft,
            lora, gguf, ggufParts, ggufBigEndian, pickles, oldPickles, bigEndianPickles, pickledShards, mistral, metaPieces, nanoGPT, llmC,
            llama2C

        /// One of this kind, made in a folder where it is no fixture.
        func open(in folder: TemporaryFolder) throws -> any TensorSource {
            switch self {
            case .safetensors: return try SafetensorsFile(path: Fixture.checkpoint("llama/dense-bf16/model.safetensors"))
            case .manyTypes: return try SafetensorsFile(path: Fixture.path("safetensors/types.safetensors"))
            case .shards: return try Checkpoint.open(Fixture.sample("llama-hf")).source
            case .quantizedFolder: return try Checkpoint.open(Fixture.checkpoint("llama/nf4-bf16")).source
            case .qnf:
                let path = folder.path("model.qnf")
                let plan = try ConversionPlan(
                    Checkpoint.open(Fixture.checkpoint("llama/dense-bf16")), settings: nil, rules: ConversionRules(), castingTo: nil,
                    toolVersion: "1", options: [])
                _ = try Conversion(plan, resources: Resources(threadCount: 1), allowsNonfinite: false).run(path: path, replaces: false)
                return try Checkpoint.open(path).source
            case .bundle: return try TensorBundle.open(path: Fixture.tensorFlow("bf16"))
            case .partitionedBundle: return try TensorBundle.open(path: Fixture.tensorFlow("partitioned"))
            case .bundleOfManyTypes: return try TensorBundle.open(path: Fixture.tensorFlow("types"))
            case .shardedBundle: return try TensorBundle.open(path: Fixture.tensorFlow("sharded3"))
            case .gpt2:
                for name in ["checkpoint", "model.ckpt.index", "model.ckpt.data-00000-of-00001"] {
                    try folder.copy(Fixture.tensorFlow("openai/\(name)"))
                }
                try folder.copy(Fixture.checkpoint("gpt2-tensorflow/hparams.json"))
                return try Checkpoint.open(folder.path).source
            case .peft: return try Adapter.open(Fixture.adapter("llama-plain")).source
            case .lora:
                let path = folder.path("adapter.lora")
                try Adapter.open(Fixture.adapter("llama-plain")).copy(to: path, as: .lora, replaces: false, tool: "test 1")
                return try Adapter.open(path).source
            case .gguf: return try GGUFSource(path: Fixture.path("gguf/types.gguf"))
            case .ggufParts: return try Checkpoint.open(Fixture.path("gguf/container/split-00002-of-00003.gguf")).source
            case .pickles: return try PyTorchFile(path: Fixture.path("pickle/zip.bin"))
            case .oldPickles: return try PyTorchFile(path: Fixture.path("pickle/legacy.bin"))
            case .bigEndianPickles: return try PyTorchFile(path: Fixture.path("pickle/zip-big-endian.bin"))
            case .pickledShards: return try Checkpoint.open(Fixture.path("pickle/mistral")).source
            case .mistral: return try Checkpoint.open(Fixture.path("layouts/mistral")).source
            case .metaPieces: return try Checkpoint.open(Fixture.path("layouts/meta-llama")).source
            case .nanoGPT: return try Checkpoint.open(Fixture.path("layouts/nanogpt")).source
            case .llmC: return try Checkpoint.open(Fixture.path("layouts/llm.c")).source
            case .llama2C: return try Checkpoint.open(Fixture.path("layouts/llama2.c")).source
            case .ggufBigEndian:
                var image = GGUFImage(isBigEndian: true)
                for (name, type, byteCount) in [("i8", 24, 33), ("f16", 1, 66), ("f32", 0, 132), ("f64", 28, 264)] {
                    image.add(tensor: name, [11, 3], type: UInt32(type), (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 * 7) })
                }
                return try GGUFSource(path: folder.write(image.bytes, to: "m"))
            }
        }
    }

    @Test(arguments: Kind.allCases) func keepsItsPromises(_ kind: Kind) throws {
        let folder = try TemporaryFolder()
        let source = try kind.open(in: folder)
        #expect(checkTensorSource(source) == [])
        #expect(!source.tensors.isEmpty && !source.files.isEmpty)
    }

    /// A read past the end of a tensor is a mistake of ours: it traps and gives no bytes of the next one.
    @Test(arguments: Kind.allCases) func trapsPastTheEnd(_ kind: Kind) async {
        #if arch(x86_64)
            let trap = SIGILL
        #else
            let trap = SIGTRAP
        #endif
        await #expect(processExitsWith: .signal(trap)) { [kind] in
            let folder = try TemporaryFolder()
            let source = try kind.open(in: folder)
            var bytes = [UInt8](repeating: 0, count: source.tensors[0].byteCount)
            try bytes.withUnsafeMutableBytes { try source.read(tensor: 0, atByteOffset: 1, into: $0) }
        }
    }
}
