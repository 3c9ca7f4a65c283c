// Speed of the kernels on one thread, on data larger than the caches. Build with -c release.
import CKernels
import Glibc
import Quantization
import TensorCore

/// Elements of each tensor: 128 MiB as float32.
let count = 1 << 25
let blockSize = 64

let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
let restored = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
let halves = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * count, alignment: 64)
let packed = UnsafeMutableRawBufferPointer.allocate(byteCount: count / 2, alignment: 64)
let absmax = UnsafeMutableBufferPointer<Float>.allocate(capacity: count / blockSize)

var state: UInt32 = 1
for i in 0..<count {
    state = state &* 1_664_525 &+ 1_013_904_223
    values[i] = Float(Int32(bitPattern: state)) * 0x1p-31
}
restored.initialize(repeating: 0)
absmax.initialize(repeating: 0)
packed.initializeMemory(as: UInt8.self, repeating: 0)
qk_narrow(QK_BF16, values.baseAddress, count, halves.baseAddress)

func quantize(_ source: UnsafeRawBufferPointer, _ type: ScalarType, _ quantType: QuantType, doubly: Bool) {
    var packedSpan = packed.mutableBytes, absmaxSpan = absmax.mutableSpan
    let firstNonFinite = BlockQuantizer.quantize(
        source.bytes, of: type, as: quantType, blockSize: blockSize, packed: &packedSpan, absmax: &absmaxSpan)
    precondition(firstNonFinite == nil)
    if doubly { precondition(DoubleQuantization.quantize(absmax.span).codes.count == count / blockSize) }
}

func dequantize(_ type: ScalarType) {
    let destination = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(restored)[..<(count * type.bitCount / 8)])
    var span = destination.mutableBytes
    BlockDequantizer.dequantize(
        UnsafeRawBufferPointer(packed).bytes, absmax: absmax.span, quantMap: QuantType.nf4.quantMap, blockSize: blockSize,
        to: type, into: &span)
}

func dequantizeInChunks() {
    let chunk = 1 << 16
    for start in stride(from: 0, to: count, by: chunk) {
        var span = UnsafeMutableBufferPointer(rebasing: restored[..<chunk]).mutableSpan
        let codes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(packed)[(start / 2)..<((start + chunk) / 2)])
        let scales = UnsafeMutableBufferPointer(rebasing: absmax[(start / blockSize)..<((start + chunk) / blockSize)])
        BlockDequantizer.dequantize(
            codes.bytes, absmax: scales.span, quantMap: QuantType.nf4.quantMap, blockSize: blockSize, into: &span)
    }
}

let source = UnsafeRawBufferPointer(values), halfSource = UnsafeRawBufferPointer(halves)
let copySeconds = Measurement { memcpy(restored.baseAddress!, values.baseAddress!, 4 * count) }.seconds
let report = Report(copyBytesPerSecond: Double(8 * count) / copySeconds)
let levelName = ["scalar", "AVX2", "AVX-512"][Int(qk_simd_best().rawValue)]
print("\(levelName), \(count) values, blocks of \(blockSize), one thread, medians of 9")
report.line("", "G values/s", "GB/s", "% of copy")
report.print("copy (memcpy)", valueCount: count, bytesPerValue: 8) {
    memcpy(restored.baseAddress!, values.baseAddress!, 4 * count)
}
report.print("quantize NF4 + double, from F32", valueCount: count, bytesPerValue: 4.5625) {
    quantize(source, .f32, .nf4, doubly: true)
}
report.print("quantize NF4 + double, from BF16", valueCount: count, bytesPerValue: 2.5625) {
    quantize(halfSource, .bf16, .nf4, doubly: true)
}
report.print("quantize NF4, from F16", valueCount: count, bytesPerValue: 2.5625) {
    quantize(halfSource, .f16, .nf4, doubly: false)
}
report.print("quantize FP4 + double, from F32", valueCount: count, bytesPerValue: 4.5625) {
    quantize(source, .f32, .fp4, doubly: true)
}
report.print("double quantization of absmax alone", valueCount: count / blockSize, bytesPerValue: 5) {
    precondition(DoubleQuantization.quantize(absmax.span).codes.count == count / blockSize)
}
quantize(source, .f32, .nf4, doubly: false)
report.print("dequantize to F32", valueCount: count, bytesPerValue: 4.5625) { dequantize(.f32) }
report.print("dequantize to F32, chunks of 65536 reused", valueCount: count, bytesPerValue: 0.5625) { dequantizeInChunks() }
report.print("dequantize to BF16", valueCount: count, bytesPerValue: 2.5625) { dequantize(.bf16) }
report.print("dequantize to F16", valueCount: count, bytesPerValue: 2.5625) { dequantize(.f16) }
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
report.print("crc32c", valueCount: 4 * count, bytesPerValue: 1) {
    precondition(qk_crc32c(0, values.baseAddress, 4 * count) != 0)
}
