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

    package var description: String { name }

    /// Bytes of a row of so many elements; nil where they fill no whole blocks, or overflow.
    package func byteCount(rowElementCount: Int) -> Int? {
        guard rowElementCount >= 0, rowElementCount % elementsPerBlock == 0 else { return nil }
        let (bytes, overflow) = (rowElementCount / elementsPerBlock).multipliedReportingOverflow(by: bytesPerBlock)
        return overflow ? nil : bytes
    }

    /// All that are read, in the order of their numbers.
    package static let all: [GGUFTensorType] = [
        scalar(0, .f32), scalar(1, .f16), block(2, "Q4_0", 32, 18), block(3, "Q4_1", 32, 20), block(6, "Q5_0", 32, 22),
        block(7, "Q5_1", 32, 24), block(8, "Q8_0", 32, 34), block(10, "Q2_K", 256, 84), block(11, "Q3_K", 256, 110),
        block(12, "Q4_K", 256, 144), block(13, "Q5_K", 256, 176), block(14, "Q6_K", 256, 210), block(16, "IQ2_XXS", 256, 66),
        block(17, "IQ2_XS", 256, 74), block(18, "IQ3_XXS", 256, 98), block(19, "IQ1_S", 256, 50), block(20, "IQ4_NL", 32, 18),
        block(21, "IQ3_S", 256, 110), block(22, "IQ2_S", 256, 82), block(23, "IQ4_XS", 256, 136), scalar(24, .i8), scalar(25, .i16),
        scalar(26, .i32), scalar(27, .i64), scalar(28, .f64), block(29, "IQ1_M", 256, 56), scalar(30, .bf16),
        block(34, "TQ1_0", 256, 54), block(35, "TQ2_0", 256, 66), block(39, "MXFP4", 32, 17), block(40, "NVFP4", 64, 36),
        block(41, "Q1_0", 128, 18), block(42, "Q2_0", 64, 18),
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

    private static func block(_ id: UInt32, _ name: String, _ elementCount: Int, _ byteCount: Int) -> GGUFTensorType {
        GGUFTensorType(id: id, name: name, elementsPerBlock: elementCount, bytesPerBlock: byteCount, scalarType: nil)
    }
}
