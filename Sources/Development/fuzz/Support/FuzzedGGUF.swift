import GGUFFormat

/// A GGUF file put together from records, so that its counts, lengths and offsets are right whatever the records say.
///
/// The input: a byte of flags (1 big-endian, 2 version 2, 4 no padding at the end), then records, each a byte that says what it is:
/// 0 a key with a value, 1 a tensor, others an array of strings.
struct FuzzedGGUF {
    private var input: FuzzInput
    private let isBigEndian: Bool
    private var keys: [UInt8] = []
    private var keyCount: Int64 = 0
    private var tensors: [UInt8] = []
    private var tensorCount: Int64 = 0
    private var dataByteCount = 0
    private var lastPadding = 0

    private(set) var bytes: [UInt8] = []

    private static let alignment = 32
    private static let dataByteCountLimit = 1 << 16

    init(_ bytes: [UInt8]) {
        input = FuzzInput(bytes)
        let flags = input.byte()
        isBigEndian = flags & 1 != 0
        while !input.isEmpty {
            switch input.byte() % 3 {
            case 0: addKey()
            case 1: addTensor()
            default: addStrings()
            }
        }
        var file = Array("GGUF".utf8) + number(UInt32(flags & 2 != 0 ? 2 : 3)) + number(tensorCount) + number(keyCount) + keys + tensors
        file += [UInt8](repeating: 0, count: Self.padding(file.count))
        file += [UInt8](repeating: 0x5a, count: dataByteCount - (flags & 4 != 0 ? lastPadding : 0))
        self.bytes = file
    }

    private func number(_ value: some FixedWidthInteger) -> [UInt8] {
        isBigEndian ? Wire.littleEndian(value.byteSwapped) : Wire.littleEndian(value)
    }

    private func string(_ text: [UInt8]) -> [UInt8] { number(UInt64(text.count)) + text }

    private mutating func addKey() {
        let name = input.run(Int(input.byte() % 24))
        let type = input.byte() % 14
        keys += string(name) + number(UInt32(type)) + value(type, depth: 0)
        keyCount += 1
    }

    private mutating func value(_ type: UInt8, depth: Int) -> [UInt8] {
        switch type {
        case 0, 1, 7: return [input.byte()]
        case 2, 3: return number(UInt16(truncatingIfNeeded: input.uint16()))
        case 4, 5, 6: return number(UInt32(truncatingIfNeeded: input.uint16()) << UInt32(input.byte() % 32))
        case 8: return string(input.run(Int(input.byte())))
        case 9 where depth < 12:
            let itemType = input.byte() % 13
            let count = Int(input.byte() % 5)
            let items = (0..<count).map { _ in value(itemType, depth: depth + 1) }
            return number(UInt32(itemType)) + number(UInt64(count)) + items.flatMap { $0 }
        default: return number(UInt64(truncatingIfNeeded: input.uint16()) << UInt64(input.byte() % 64))
        }
    }

    private mutating func addStrings() {
        let name = input.run(Int(input.byte() % 24))
        let items = (0..<Int(input.byte())).map { _ in string(input.run(Int(input.byte() % 8))) }
        keys += string(name) + number(UInt32(9)) + number(UInt32(8)) + number(UInt64(items.count)) + items.flatMap { $0 }
        keyCount += 1
    }

    private mutating func addTensor() {
        let name = input.run(Int(input.byte() % 70))
        let type = GGUFTensorType.all[Int(input.byte()) % GGUFTensorType.all.count]
        let rank = Int(input.byte() % 5)
        var dimensions = (0..<rank).map { _ in Int64(input.byte() % 9) }
        if rank > 0 { dimensions[0] *= Int64(type.elementsPerBlock) }
        let elementCount = dimensions.reduce(1, *)
        let byteCount = Int(elementCount) / type.elementsPerBlock * type.bytesPerBlock
        guard byteCount <= Self.dataByteCountLimit - dataByteCount else { return }
        tensors += string(name) + number(UInt32(rank)) + dimensions.flatMap { number($0) } + number(type.id) + number(UInt64(dataByteCount))
        lastPadding = Self.padding(byteCount)
        dataByteCount += byteCount + lastPadding
        tensorCount += 1
    }

    private static func padding(_ byteCount: Int) -> Int { (alignment - byteCount % alignment) % alignment }
}
