extension Checkpoint {
    /// How a checkpoint is stored: in which container, and in which layout its tensors lie there.
    package struct Kind: Sendable, Hashable {
        package enum Layout: Sendable, Hashable {
            /// Tensors under their own names.
            case plain
            /// A folder as transformers writes it, or the index of its shards.
            case huggingFace
            /// Weights in 4 bits with their constants beside them.
            case bitsandbytes
            case qnf
            /// OpenAI's GPT-2.
            case openAI
            /// Under names and in orders of whoever made it: `Mistral`.
            case own(String)
        }

        /// Name of its `ContainerFormat`.
        package let container: String
        package let layout: Layout

        package static let safetensors = Kind(container: "safetensors", layout: .plain)
        package static let huggingFace = Kind(container: "safetensors", layout: .huggingFace)
        package static let bitsandbytes = Kind(container: "safetensors", layout: .bitsandbytes)
        package static let qnf = Kind(container: "safetensors", layout: .qnf)
        package static let pyTorch = Kind(container: "PyTorch", layout: .plain)
        package static let pyTorchFolder = Kind(container: "PyTorch", layout: .huggingFace)
        package static let gguf = Kind(container: "GGUF", layout: .plain)
        package static let tensorFlow = Kind(container: "TensorFlow", layout: .plain)
        package static let gpt2TensorFlow = Kind(container: "TensorFlow", layout: .openAI)

        /// What is said of it.
        package var title: String {
            switch layout {
            case .plain where ["safetensors", "GGUF"].contains(container): container
            case .plain where ["llm.c", "llama2.c"].contains(container): "\(container) file"
            case .plain: "\(container) checkpoint"
            case .huggingFace where container == "PyTorch": "Hugging Face folder of pickled files"
            case .huggingFace: "Hugging Face folder"
            case .bitsandbytes: "bitsandbytes 4-bit checkpoint"
            case .qnf: "qnf"
            case .openAI: "OpenAI GPT-2 \(container) checkpoint"
            case .own(let maker): "\(container) checkpoint in \(maker)'s layout"
            }
        }
    }
}
