import ByteIO
import TensorCore

/// What a file of llama2.c's version 0 begins with: seven numbers of 32 bits, and no word that says what it is.
///
///     0  dim, width                   4  heads of keys and values
///     1  hidden_dim                   5  V, tokens; less than 0 where the head has weights of its own
///     2  L, layers                    6  T, positions
///     3  heads
///
/// Then the weights in F32, each kind of all layers after the other; rows of wq and wk lie in pairs, as Meta has them.
///
///     tok_embeddings [V, dim] | L x attention_norm [dim] | L x wq [dim, dim] | L x wk [kv, dim] | L x wv [kv, dim] | L x wo [dim, dim]
///     | L x ffn_norm [dim] | L x w1 [hidden, dim] | L x w2 [dim, hidden] | L x w3 [hidden, dim] | norm [dim]
///     | cosines [T, head / 2] | sines [T, head / 2] | output [V, dim], where V is less than 0
///
/// Source: export.py of llama2.c (`legacy_export`).
package struct Llama2CHeader: Sendable, Hashable {
    package let width: Int
    package let innerWidth: Int
    package let layerCount: Int
    package let headCount: Int
    package let keyValueHeadCount: Int
    package let vocabularySize: Int
    package let contextLength: Int
    package let hasHead: Bool

    static let byteCount = 28
    private static let limit = 1 << 20
    private static let layerLimit = 1 << 10
    private static let vocabularyLimit = 1 << 24

    /// Whether a file can be one: nothing else tells them.
    static func begins(_ head: [UInt8]) -> Bool { (try? Llama2CHeader(head, path: "")) != nil }

    init(_ file: InputFile) throws(FileError) {
        try self.init(file.bytes(atOffset: 0, count: min(Self.byteCount, file.byteCount)), path: file.path)
    }

    private init(_ bytes: [UInt8], path: String) throws(FileError) {
        guard bytes.count >= Self.byteCount else {
            throw FileError(path, "has \(bytes.count) bytes, but the header of llama2.c alone has \(Self.byteCount)")
        }
        let numbers = HeaderNumbers(bytes, path: path)
        width = try numbers.value(0, "the width", limit: Self.limit)
        innerWidth = try numbers.value(1, "the inner width", limit: Self.limit)
        layerCount = try numbers.value(2, "the number of layers", limit: Self.layerLimit)
        headCount = try numbers.value(3, "the number of heads", limit: Self.limit)
        keyValueHeadCount = try numbers.value(4, "the number of heads of keys", limit: headCount)
        hasHead = numbers[5] < 0
        vocabularySize = abs(numbers[5])
        guard (1...Self.vocabularyLimit).contains(vocabularySize) else {
            throw FileError(
                path, at: numbers.place(5),
                "the number of tokens is \(numbers[5]), but 1 to \(Self.vocabularyLimit) is expected, or less than 0")
        }
        contextLength = try numbers.value(6, "the number of positions", limit: Self.vocabularyLimit)
        guard headCount % keyValueHeadCount == 0 else {
            throw FileError(path, at: numbers.place(4), "\(keyValueHeadCount) heads of keys do not share \(headCount) heads")
        }
        guard width % headCount == 0, width / headCount % 2 == 0 else {
            throw FileError(path, at: numbers.place(3), "\(headCount) heads do not share a width of \(width) in even parts")
        }
    }

    /// Under the names that Meta's program has for them.
    func layout() -> FlatLayout {
        var layout = FlatLayout(from: Self.byteCount, .f32)
        func addLayers(_ name: String, _ dimensions: [Int]) {
            for layer in 0..<layerCount { layout.add("layers.\(layer).\(name).weight", dimensions) }
        }
        let headWidth = width / headCount, keyWidth = keyValueHeadCount * headWidth
        layout.add("tok_embeddings.weight", [vocabularySize, width])
        addLayers("attention_norm", [width])
        addLayers("attention.wq", [width, width])
        addLayers("attention.wk", [keyWidth, width])
        addLayers("attention.wv", [keyWidth, width])
        addLayers("attention.wo", [width, width])
        addLayers("ffn_norm", [width])
        addLayers("feed_forward.w1", [innerWidth, width])
        addLayers("feed_forward.w2", [width, innerWidth])
        addLayers("feed_forward.w3", [innerWidth, width])
        layout.add("norm.weight", [width])
        layout.skip([2, contextLength, headWidth / 2])
        if hasHead { layout.add("output.weight", [vocabularySize, width]) }
        return layout
    }
}
