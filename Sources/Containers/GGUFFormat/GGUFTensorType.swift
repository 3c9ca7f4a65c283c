import Quantization
package import TensorCore

/// A type of tensors, by its number in the file: blocks of how many elements, in how many bytes. Scalar types have blocks of one.
package struct GGUFTensorType: Sendable, Hashable, CustomStringConvertible {
    package let id: UInt32
    /// `F32`, `Q4_K`.
    package let name: String
    package let elementsPerBlock: Int
    package let bytesPerBlock: Int
    /// What one element is stored as; nil where elements share a block.
    package let scalarType: ScalarType?

    private init(id: UInt32, name: String, elementsPerBlock: Int, bytesPerBlock: Int, scalarType: ScalarType?) {
        self.id = id
        self.name = name
        self.elementsPerBlock = elementsPerBlock
        self.bytesPerBlock = bytesPerBlock
        self.scalarType = scalarType
    }

    package var description: String { name }

    /// Bytes of a row of so many elements; nil where they fill no whole blocks, or overflow.
    package func byteCount(rowElementCount: Int) -> Int? {
        guard rowElementCount >= 0, rowElementCount % elementsPerBlock == 0 else { return nil }
        let (bytes, overflow) = (rowElementCount / elementsPerBlock).multipliedReportingOverflow(by: bytesPerBlock)
        return overflow ? nil : bytes
    }

    /// All that are read, in the order of their numbers.
    package static let all = (scalars + BlockFormat.allCases.map(GGUFTensorType.init)).sorted { $0.id < $1.id }

    private static let scalars = [
        scalar(0, .f32), scalar(1, .f16), scalar(24, .i8), scalar(25, .i16), scalar(26, .i32), scalar(27, .i64), scalar(28, .f64),
        scalar(30, .bf16),
    ]

    /// The type of a number; nil where it is not read.
    package static func type(id: UInt32) -> GGUFTensorType? { id < table.count ? table[Int(id)] : nil }

    /// The type of a name; nil where there is none.
    package static func named(_ name: String) -> GGUFTensorType? { all.first { $0.name == name } }

    /// The type of blocks of one such element; nil where the format has none.
    package static func scalar(_ scalarType: ScalarType) -> GGUFTensorType? { all.first { $0.scalarType == scalarType } }

    private static let table: [GGUFTensorType?] = {
        var table = [GGUFTensorType?](repeating: nil, count: 43)
        for type in all { table[Int(type.id)] = type }
        return table
    }()

    /// Why a number is not read, for messages.
    static func refusal(id: UInt32) -> (message: String, hint: String?) {
        if let name = intermediate[id] {
            return ("type \(id) (\(name)) exists while a product is computed only, and no weight is of it", "quantize the model again")
        }
        if let (name, hint) = removed[id] { return ("type \(id) (\(name)) was taken out of the format", hint) }
        return (
            "type \(id) is unknown; the types are 0 to \(table.count - 1)",
            "if a newer version of the format has it, quantize the model to another type"
        )
    }

    private static let intermediate: [UInt32: String] = [9: "Q8_1", 15: "Q8_K"]

    /// Types of early versions, and types whose blocks were reordered for one processor.
    private static let removed: [UInt32: (name: String, hint: String)] = {
        let early = "convert the model again, from its safetensors files"
        func reordered(_ name: String) -> String { "take the \(name) file of the same model: what loads it reorders the blocks by itself" }
        return [
            4: ("Q4_2", early), 5: ("Q4_3", early), 31: ("Q4_0_4_4", reordered("Q4_0")), 32: ("Q4_0_4_8", reordered("Q4_0")),
            33: ("Q4_0_8_8", reordered("Q4_0")), 36: ("IQ4_NL_4_4", reordered("IQ4_NL")), 37: ("IQ4_NL_4_8", reordered("IQ4_NL")),
            38: ("IQ4_NL_8_8", reordered("IQ4_NL")),
        ]
    }()

    private static func scalar(_ id: UInt32, _ type: ScalarType) -> GGUFTensorType {
        GGUFTensorType(id: id, name: type.rawValue, elementsPerBlock: 1, bytesPerBlock: type.bitCount / 8, scalarType: type)
    }

    private init(_ format: BlockFormat) {
        self.init(
            id: format.rawValue, name: format.name, elementsPerBlock: format.elementsPerBlock, bytesPerBlock: format.bytesPerBlock,
            scalarType: nil)
    }
}
