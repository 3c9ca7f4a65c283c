package import JSONText
package import Streaming
package import TensorCore

/// What all parts of a conversion have in common: what is written in the end, and of what.
///
/// It is the same in each of them, to the byte: its digest says that parts belong together. The first part holds it.
package struct PartFrame: Sendable {
    /// What the joined output is.
    package enum Output: String, Sendable {
        case file
        case modelFolder = "model folder"
        case ggufFolder = "folder of GGUF files"
    }

    /// A file of the output that holds tensors.
    package struct File: Sendable {
        package enum Form: Sendable {
            /// All of its header but the tensors.
            case safetensors(metadata: [(key: String, value: String)])
            /// Everything before the data is known, and rides along in the first part.
            case gguf(byteCount: Int)
            /// A .qnf, whose header tells of the results of all parts.
            case qnf
        }

        /// Within a folder; of the files of a split GGUF model, what follows the name of the output without its ending.
        package let name: String
        package let form: Form

        package init(name: String, form: Form) {
            self.name = name
            self.form = form
        }
    }

    /// A tensor of the output, whole.
    package struct Tensor: Sendable {
        package let name: String
        /// As the output calls it: `BF16`, `Q4_K`.
        package let type: String
        package let shape: Shape
        package let byteCount: Int
        /// Index of the file that it belongs into.
        package let file: Int
        /// From the start of that file, where the form does not say it.
        package let offset: Int?

        package init(name: String, type: String, shape: Shape, byteCount: Int, file: Int, offset: Int? = nil) {
            self.name = name
            self.type = type
            self.shape = shape
            self.byteCount = byteCount
            self.file = file
            self.offset = offset
        }

        package init(_ info: TensorInfo, file: Int) {
            self.init(name: info.name, type: info.scalarType.rawValue, shape: info.shape, byteCount: info.byteCount, file: file)
        }

        /// As a safetensors file describes it; nil where the type is none of those.
        var info: TensorInfo? {
            guard let type = ScalarType(rawValue: type), let info = TensorInfo(name: name, scalarType: type, shape: shape),
                info.byteCount == byteCount
            else { return nil }
            return info
        }
    }

    /// What the header of a .qnf is made of, besides tensors and results.
    package struct Metadata: Sendable {
        /// Names and greatest lengths of the quant states.
        package let states: [(name: String, byteCountLimit: Int)]
        package let settings: JSONValue
        /// The steps so far; the last one's `source` is filled in.
        package let lineage: JSONValue
        package let source: SourceDescription

        package init(
            states: [(name: String, byteCountLimit: Int)], settings: JSONValue, lineage: JSONValue, source: SourceDescription
        ) {
            self.states = states
            self.settings = settings
            self.lineage = lineage
            self.source = source
        }
    }

    /// `qconvert 0.1.0`
    package let tool: String
    /// `to-nf4`
    package let command: String
    /// As they would be typed.
    package let options: [String]
    /// Digest of what the source is.
    package let source: String
    package let output: Output
    package let files: [File]
    package let tensors: [Tensor]
    /// Only of a .qnf.
    package let metadata: Metadata?

    package init(
        tool: String, command: String, options: [String], source: String, output: Output, files: [File], tensors: [Tensor],
        metadata: Metadata? = nil
    ) {
        self.tool = tool
        self.command = command
        self.options = options
        self.source = source
        self.output = output
        self.files = files
        self.tensors = tensors
        self.metadata = metadata
    }
}
