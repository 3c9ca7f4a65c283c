import CKernels
import Quantization
import TensorCore

/// Blocks of GGUF files, decoded and encoded in memory, 65536 elements at a time into the same memory.
struct BlockBenchmark {
    private let count = 1 << 22
    private let chunk = 1 << 16
    private let values: [Float]

    init() {
        // Sums of four uniform values: near to normal ones.
        var state: UInt32 = 1
        values = (0..<count).map { _ in
            (0..<4).reduce(Float(0)) { sum, _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return sum + Float(Int32(bitPattern: state)) * 0x1p-37
            }
        }
    }

    func run() {
        var copy = values
        let copySeconds = Measurement {
            copy.withUnsafeMutableBytes { copy in values.withUnsafeBytes { copy.copyMemory(from: $0) } }
        }.seconds
        let report = Report(copyBytesPerSecond: Double(8 * count) / copySeconds)
        print("blocks of GGUF files, \(count) elements, one thread, medians of 9 runs")
        report.line("", "G values/s", "target", "GB/s", "% of copy")
        for format in BlockFormat.allCases { decode(format, report) }
        for format in BlockFormat.writable { encode(format, report) }
    }

    private func decode(_ format: BlockFormat, _ report: Report) {
        let bytes = chunk / format.elementsPerBlock * format.bytesPerBlock
        let blocks = [UInt8](repeating: 0x5a, count: bytes * (count / chunk))
        var decoded = [Float](repeating: 0, count: chunk)
        let isCommon = [.q40, .q80, .q4K, .q6K].contains(format)
        report.print(
            "decode \(format.name)", valueCount: count, bytesPerValue: Double(bytes) / Double(chunk), target: isCommon ? 1.5 : 0.5
        ) {
            for index in 0..<count / chunk {
                var destination = decoded.mutableSpan
                format.decode(blocks.span.extracting(index * bytes..<(index + 1) * bytes).bytes, into: &destination)
            }
        }
    }

    private func encode(_ format: BlockFormat, _ report: Report) {
        var blocks = [UInt8](repeating: 0, count: chunk / format.elementsPerBlock * format.bytesPerBlock)
        report.print("encode \(format.name)", valueCount: count, bytesPerValue: 4) {
            for start in stride(from: 0, to: count, by: chunk) {
                var span = blocks.mutableSpan
                var destination = span.mutableBytes
                do { try format.quantize(values.span.extracting(start..<start + chunk), into: &destination) } catch {
                    preconditionFailure("\(error)")
                }
            }
        }
    }
}
