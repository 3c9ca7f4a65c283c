import CKernels

/// Codes that share scales in groups, decoded in memory, 65536 elements at a time into the same memory.
struct GroupedBenchmark {
    private struct Row {
        let name: String
        let kind: qk_codeKind
        let bits: Int
        var arithmetic = QK_SCALED
        var rounding = QK_F32
        let groupSize: Int
        let target: Double?
    }

    private static let rows = [
        Row(
            name: "MLX, 4 bits in 64, BF16", kind: QK_CODES_STREAM, bits: 4, arithmetic: QK_SCALED_THEN_MOVED, rounding: QK_BF16,
            groupSize: 64, target: 1),
        Row(
            name: "MLX, 4 bits in 64, F16", kind: QK_CODES_STREAM, bits: 4, arithmetic: QK_SCALED_THEN_MOVED, rounding: QK_F16,
            groupSize: 64, target: 1),
        Row(
            name: "MLX, 8 bits in 64, BF16", kind: QK_CODES_STREAM, bits: 8, arithmetic: QK_SCALED_THEN_MOVED, rounding: QK_BF16,
            groupSize: 64, target: 1),
        Row(
            name: "MLX, 6 bits in 64, BF16", kind: QK_CODES_STREAM, bits: 6, arithmetic: QK_SCALED_THEN_MOVED, rounding: QK_BF16,
            groupSize: 64, target: nil),
        Row(
            name: "MLX, 3 bits in 64, BF16", kind: QK_CODES_STREAM, bits: 3, arithmetic: QK_SCALED_THEN_MOVED, rounding: QK_BF16,
            groupSize: 64, target: nil),
        Row(name: "packed int4 in 128", kind: QK_CODES_STREAM, bits: 4, arithmetic: QK_MOVED_THEN_SCALED, groupSize: 128, target: 1),
        Row(name: "packed int8 in 128", kind: QK_CODES_STREAM, bits: 8, arithmetic: QK_MOVED_THEN_SCALED, groupSize: 128, target: 1),
        Row(name: "int8 of a row", kind: QK_CODES_I8, bits: 8, groupSize: 4096, target: 1),
        Row(name: "MXFP4", kind: QK_CODES_E2M1, bits: 4, groupSize: 32, target: 1),
        Row(name: "NVFP4", kind: QK_CODES_E2M1, bits: 4, groupSize: 16, target: 1),
        Row(name: "MXFP8", kind: QK_CODES_E4M3, bits: 8, groupSize: 32, target: nil),
        Row(
            name: "HQQ, 4 bits in 64, F16", kind: QK_CODES_OF_BYTES, bits: 4, arithmetic: QK_MOVED_THEN_SCALED, rounding: QK_F16,
            groupSize: 64, target: nil),
    ]

    private static let others = [
        Row(name: "GPTQ, 4 bits in 128", kind: QK_CODES_STREAM, bits: 4, arithmetic: QK_MOVED_THEN_SCALED, groupSize: 128, target: 1),
        Row(name: "FP8, blocks of 128", kind: QK_CODES_E4M3, bits: 8, groupSize: 128, target: 1),
        Row(
            name: "MLX, 4 bits in 64, BF16", kind: QK_CODES_STREAM, bits: 4, arithmetic: QK_SCALED_THEN_MOVED, rounding: QK_BF16,
            groupSize: 64, target: 1),
        Row(name: "MXFP4", kind: QK_CODES_E2M1, bits: 4, groupSize: 32, target: 1),
    ]

    private let count = 1 << 22
    private let chunk = 1 << 16

    func run() {
        let codes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        let constants = (0..<chunk / 16).map { 0.01 + Float($0 % 97) * 0x1p-10 }
        var copy = codes
        let copySeconds = Measurement {
            copy.withUnsafeMutableBytes { copy in codes.withUnsafeBytes { copy.copyMemory(from: $0) } }
        }.seconds
        let report = Report(copyBytesPerSecond: Double(2 * count) / copySeconds)
        print("weights of codes in groups, \(count) elements, one thread, medians of 9 runs")
        report.line("", "G values/s", "target", "GB/s", "% of copy")
        for row in Self.rows { measure(row, as: QK_F32, codes, constants, report) }
        print("the same as BF16")
        for row in Self.others { measure(row, as: QK_BF16, codes, constants, report) }
    }

    private func measure(_ row: Row, as type: qk_float, _ codes: [UInt8], _ constants: [Float], _ report: Report) {
        let format = qk_grouped(
            kind: row.kind, bits: UInt32(row.bits), shift: 0, arithmetic: row.arithmetic, rounding: row.rounding,
            groupSize: row.groupSize)
        var values = [Float](repeating: 0, count: chunk)
        let chunkBytes = chunk * (row.kind == QK_CODES_OF_BYTES ? 8 : row.bits) / 8
        report.print("decode \(row.name)", valueCount: count, bytesPerValue: Double(row.bits) / 8, target: row.target) {
            codes.withUnsafeBufferPointer { codes in
                for index in 0..<count / chunk {
                    qk_grouped_decode(
                        format, codes.baseAddress.map { $0 + index * chunkBytes }, 0, chunk, constants, constants, type, &values)
                }
            }
        }
    }
}
