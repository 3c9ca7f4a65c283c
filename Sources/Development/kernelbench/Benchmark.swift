import CKernels
import Quantization
import TensorCore

/// Tensors and their quantized forms in memory, and the kernels run over them.
struct Benchmark {
    private let count: Int
    private let blockSize = 64
    private let values: UnsafeMutableBufferPointer<Float>
    private let restored: UnsafeMutableBufferPointer<Float>
    private let halves: UnsafeMutableRawBufferPointer
    private let packed: UnsafeMutableRawBufferPointer
    private let absmax: UnsafeMutableBufferPointer<Float>

    /// - Parameter elementCount: a multiple of 65536.
    init(elementCount: Int) {
        count = elementCount
        values = .allocate(capacity: count)
        restored = .allocate(capacity: count)
        halves = .allocate(byteCount: 2 * count, alignment: 64)
        packed = .allocate(byteCount: count / 2, alignment: 64)
        absmax = .allocate(capacity: count / blockSize)
        var state: UInt32 = 1
        for i in 0..<count {
            state = state &* 1_664_525 &+ 1_013_904_223
            values.initializeElement(at: i, to: Float(Int32(bitPattern: state)) * 0x1p-31)
        }
        restored.initialize(repeating: 0)
        absmax.initialize(repeating: 0)
        packed.initializeMemory(as: UInt8.self, repeating: 0)
        qk_narrow(QK_BF16, values.baseAddress, count, halves.baseAddress)
    }

    func run() {
        let copySeconds = Measurement { copy() }.seconds
        let report = Report(copyBytesPerSecond: Double(8 * count) / copySeconds)
        let level = String(cString: qk_simd_name(qk_simd_best()))
        print("\(level), \(count) elements, blocks of \(blockSize), one thread, medians of 9 runs")
        report.line("", "G values/s", "target", "GB/s", "% of copy")
        report.print("copy (memcpy)", valueCount: count, bytesPerValue: 8) { copy() }
        quantizing(report)
        dequantizing(report)
        others(report)
    }

    private func copy() {
        UnsafeMutableRawBufferPointer(restored).copyMemory(from: UnsafeRawBufferPointer(values))
    }

    private func quantizing(_ report: Report) {
        let singles = UnsafeRawBufferPointer(values), halves = UnsafeRawBufferPointer(halves)
        report.print("quantize NF4 + double, from F32", valueCount: count, bytesPerValue: 4.5625, target: 1.5) {
            quantize(singles, .f32, .nf4, doubly: true)
        }
        report.print("quantize FP4 + double, from F32", valueCount: count, bytesPerValue: 4.5625) {
            quantize(singles, .f32, .fp4, doubly: true)
        }
        report.print("quantize NF4 + double, from BF16", valueCount: count, bytesPerValue: 2.5625, target: 1.5) {
            quantize(halves, .bf16, .nf4, doubly: true)
        }
        report.print("quantize NF4, from BF16", valueCount: count, bytesPerValue: 2.5625) {
            quantize(halves, .bf16, .nf4, doubly: false)
        }
        report.print("quantize NF4, from F32", valueCount: count, bytesPerValue: 4.5625) {
            quantize(singles, .f32, .nf4, doubly: false)
        }
        report.print("double quantization of absmax alone", valueCount: count / blockSize, bytesPerValue: 5) {
            precondition(DoubleQuantization.quantize(absmax.span).codes.count == count / blockSize)
        }
    }

    private func quantize(_ source: UnsafeRawBufferPointer, _ type: ScalarType, _ quantType: QuantType, doubly: Bool) {
        var packedSpan = packed.mutableBytes, absmaxSpan = absmax.mutableSpan
        let firstNonFinite = BlockQuantizer.quantize(
            source.bytes, of: type, as: quantType, blockSize: blockSize, packed: &packedSpan, absmax: &absmaxSpan)
        precondition(firstNonFinite == nil)
        if doubly { precondition(DoubleQuantization.quantize(absmax.span).codes.count == count / blockSize) }
    }

    private func dequantizing(_ report: Report) {
        report.print("dequantize to F32", valueCount: count, bytesPerValue: 4.5625, target: 2.5) {
            dequantize(to: .f32, chunk: count)
        }
        report.print("dequantize to F32, 65536 at a time, reused", valueCount: count, bytesPerValue: 0.5625) {
            dequantize(to: .f32, chunk: 1 << 16)
        }
        report.print("dequantize to BF16", valueCount: count, bytesPerValue: 2.5625) { dequantize(to: .bf16, chunk: count) }
        report.print("dequantize to F16", valueCount: count, bytesPerValue: 2.5625) { dequantize(to: .f16, chunk: count) }
    }

    /// All elements, `chunk` at a time into the same memory.
    private func dequantize(to type: ScalarType, chunk: Int) {
        let byteCount = chunk * type.bitCount / 8
        let destination = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(restored)[..<byteCount])
        for start in stride(from: 0, to: count, by: chunk) {
            let codes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(packed)[start / 2..<(start + chunk) / 2])
            let scales = UnsafeMutableBufferPointer(rebasing: absmax[start / blockSize..<(start + chunk) / blockSize])
            var span = destination.mutableBytes
            BlockDequantizer.dequantize(
                codes.bytes, absmax: scales.span, quantMap: QuantType.nf4.quantMap, blockSize: blockSize, to: type,
                into: &span)
        }
    }

    private func others(_ report: Report) {
        report.print("widen BF16", valueCount: count, bytesPerValue: 6) {
            qk_widen(QK_BF16, halves.baseAddress, count, restored.baseAddress)
        }
        report.print("narrow to BF16", valueCount: count, bytesPerValue: 6) {
            qk_narrow(QK_BF16, values.baseAddress, count, halves.baseAddress)
        }
        report.print("error statistics", valueCount: count, bytesPerValue: 8) {
            var statistics = ErrorStatistics()
            statistics.add(reference: values.span, actual: restored.span)
            precondition(statistics.elementCount == count)
        }
        report.print("crc32c of bytes", valueCount: 4 * count, bytesPerValue: 1, target: 8) {
            precondition(qk_crc32c(0, values.baseAddress, 4 * count) != 0)
        }
    }
}
