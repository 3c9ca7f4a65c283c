import ByteIO
import TensorCore

/// What a file of llm.c begins with: 256 numbers of 32 bits, of which eight are used.
///
///     0     20240326                    4  L, layers
///     1     3 (F32) or 5 (BF16)         5  NH, heads
///     2     T, positions                6  C, width
///     3     V, tokens                   7  Vp, rows of the embedding: V and what fills them up
///
/// Then the weights of a GPT-2, each kind of all layers after the other; matrices lie as [out, in].
///
///     wte [Vp, C] | wpe [T, C] | L x ln_1.weight [C] | L x ln_1.bias [C] | L x c_attn.weight [3C, C] | L x c_attn.bias [3C]
///     | L x attn.c_proj.weight [C, C] | bias [C] | ln_2.weight [C] | bias [C] | c_fc.weight [4C, C] | bias [4C]
///     | mlp.c_proj.weight [C, 4C] | bias [C] | ln_f.weight [C] | ln_f.bias [C]
///
/// Source: train_gpt2.py of llm.c.
package struct LLMCHeader: Sendable, Hashable {
    package let contextLength: Int
    package let vocabularySize: Int
    package let layerCount: Int
    package let headCount: Int
    package let width: Int
    let rowCount: Int
    let scalarType: ScalarType

    static let byteCount = 1024
    private static let magic = 20_240_326
    /// GPT-2's largest has 48 layers and is 1600 wide.
    private static let limit = 1 << 24
    private static let layerLimit = 1 << 10

    static func begins(_ head: [UInt8]) -> Bool {
        let numbers = HeaderNumbers(Array(head.prefix(4)), path: "")
        return numbers.count == 1 && numbers[0] == magic
    }

    init(_ file: InputFile) throws(FileError) {
        let path = file.path
        guard file.byteCount >= Self.byteCount else {
            throw FileError(
                path, "has \(file.byteCount) bytes, but the header of llm.c alone has \(Self.byteCount)",
                hint: "the download is incomplete; fetch the file again")
        }
        let numbers = HeaderNumbers(try file.bytes(atOffset: 0, count: 32), path: path)
        guard numbers[0] == Self.magic else {
            throw FileError(path, at: numbers.place(0), "is \(numbers[0]), but a file of llm.c begins with \(Self.magic)")
        }
        switch numbers[1] {
        case 3: scalarType = .f32
        case 5: scalarType = .bf16
        case let version:
            throw FileError(
                path, at: numbers.place(1), "is of version \(version) of llm.c's files, but 3 (F32) and 5 (BF16) are read",
                hint: "write it anew with llm.c's train_gpt2.py")
        }
        contextLength = try numbers.value(2, "the number of positions", limit: Self.limit)
        vocabularySize = try numbers.value(3, "the number of tokens", limit: Self.limit)
        layerCount = try numbers.value(4, "the number of layers", limit: Self.layerLimit)
        headCount = try numbers.value(5, "the number of heads", limit: Self.limit)
        width = try numbers.value(6, "the width", limit: Self.limit)
        rowCount = try numbers.value(7, "the number of rows of the embedding", limit: Self.limit)
        guard rowCount >= vocabularySize else {
            throw FileError(path, at: numbers.place(7), "the embedding has \(rowCount) rows, but there are \(vocabularySize) tokens")
        }
        guard width % headCount == 0 else {
            throw FileError(path, at: numbers.place(5), "there are \(headCount) heads, which do not share a width of \(width)")
        }
    }

    /// Under the names that nanoGPT has for them.
    func layout() -> FlatLayout {
        var layout = FlatLayout(from: Self.byteCount, scalarType)
        func addLayers(_ name: String, _ rows: Int, _ columns: Int? = nil) {
            for layer in 0..<layerCount { layout.add("transformer.h.\(layer).\(name).weight", [rows] + (columns.map { [$0] } ?? [])) }
            for layer in 0..<layerCount { layout.add("transformer.h.\(layer).\(name).bias", [rows]) }
        }
        layout.add("transformer.wte.weight", [vocabularySize, width], unusedRowCount: rowCount - vocabularySize)
        layout.add("transformer.wpe.weight", [contextLength, width])
        addLayers("ln_1", width)
        addLayers("attn.c_attn", 3 * width, width)
        addLayers("attn.c_proj", width, width)
        addLayers("ln_2", width)
        addLayers("mlp.c_fc", 4 * width, width)
        addLayers("mlp.c_proj", width, 4 * width)
        layout.add("transformer.ln_f.weight", [width])
        layout.add("transformer.ln_f.bias", [width])
        return layout
    }
}
