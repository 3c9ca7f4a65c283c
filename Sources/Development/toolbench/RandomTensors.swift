import ByteIO
import SafetensorsFormat
import TensorCore

/// Tensors of random weights to measure on, written once.
enum RandomTensors {
    typealias List = [(name: String, dimensions: [Int])]

    /// 100,000 matrices of 8 x 64.
    static func manySmall() -> List {
        (0..<100_000).map { ("model.layers.\($0 / 10).part\($0 % 10).proj.weight", [8, 64]) }
    }

    /// Writes a bf16 safetensors file of such tensors, unless it is there already.
    static func write(_ tensors: List, to path: String) throws {
        guard FilePath.kind(of: path) != .file else { return }
        let plan = tensors.compactMap { tensor in
            Shape(tensor.dimensions).flatMap { TensorInfo(name: tensor.name, scalarType: .bf16, shape: $0) }
        }
        let output = try AtomicOutput(destination: path, replaces: false)
        let file = try output.file()
        let writer = try SafetensorsWriter(file: file, plan: plan, metadata: [("format", "pt")])
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        // One tensor's worth of noise is drawn and written shifted from tensor to tensor: random enough to be quantized.
        let noise = (0..<1 << 20).map { _ in Self.normal(&state) }
        for (index, info) in plan.enumerated() {
            var offset = 0
            while offset < info.byteCount {
                let count = min(noise.count * 2 - 2 * (index % 512), info.byteCount - offset)
                try noise.withUnsafeBytes { bytes in
                    let start = 2 * (index % 512)
                    try writer.write(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]), tensor: index, atByteOffset: offset)
                }
                offset += count
            }
        }
        try writer.finish { _ in [("format", "pt")] }
        try output.commit([file])
    }

    /// A bf16 of about normal distribution with deviation 0.02: the sum of twelve uniform numbers.
    private static func normal(_ state: inout UInt64) -> UInt16 {
        var sum: Float = 0
        for _ in 0..<12 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            sum += Float(state >> 40) * 0x1p-24
        }
        return UInt16(truncatingIfNeeded: ((sum - 6) * 0.02).bitPattern >> 16)
    }
}
