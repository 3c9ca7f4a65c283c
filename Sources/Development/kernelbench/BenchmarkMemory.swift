import Parallelism
import Quantization
import TensorCore
import Transformer

/// A large piece of random bytes in which weights of any form lie.
final class BenchmarkMemory {
    private let buffer: UnsafeMutableRawBufferPointer
    /// Bytes taken so far.
    private(set) var used = 0

    init(byteCount: Int, pool: WorkerPool) {
        buffer = .allocate(byteCount: byteCount, alignment: 64)
        let words = buffer.bindMemory(to: UInt64.self), pieceCount = 64, pieceLength = words.count / pieceCount
        pool.forKernels(count: pieceCount) { piece, _ in
            var state = UInt64(piece) &* 0x9e37_79b9_7f4a_7c15 | 1
            for i in piece * pieceLength..<(piece + 1) * pieceLength {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                // Halves and floats of ordinary size: the exponents' upper bits are cleared.
                words[i] = state & 0xbbff_bbff_bbff_bbff
            }
        }
    }

    deinit { buffer.deallocate() }

    func rewind(to byteOffset: Int) { used = byteOffset }

    func nf4(outputCount: Int, inputCount: Int) -> WeightMatrix {
        do {
            let nested = try QuantState.Nested(offset: 0.02)
            let state = try QuantState(
                quantType: .nf4, blockSize: 64, scalarType: .f32, shape: [outputCount, inputCount], nested: nested)
            return WeightMatrix(
                codes: take(state.packedByteCount),
                constants: .nested(codes: take(state.blockCount), absmax: take(4 * state.nestedBlockCount), map: take(4 * 256), nested),
                quantMap: QuantType.nf4.quantMap, state: state, owner: self)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func dense(_ type: ScalarType, outputCount: Int, inputCount: Int, orientation: Orientation = .outputsByInputs) -> WeightMatrix {
        WeightMatrix(
            dense: take(outputCount * inputCount * type.bitCount / 8), of: type, outputCount: outputCount, inputCount: inputCount,
            orientation: orientation, owner: self)
    }

    func blocks(_ format: BlockFormat, outputCount: Int, inputCount: Int) -> WeightMatrix {
        guard let byteCount = format.byteCount(elementCount: outputCount * inputCount) else { preconditionFailure("no whole blocks") }
        return WeightMatrix(blocks: take(byteCount), of: format, outputCount: outputCount, inputCount: inputCount, owner: self)
    }

    /// The next bytes; from the start again where they do not suffice.
    private func take(_ byteCount: Int) -> UnsafeRawBufferPointer {
        let rounded = (byteCount + 63) / 64 * 64
        if used + rounded > buffer.count { used = 0 }
        defer { used += rounded }
        return UnsafeRawBufferPointer(rebasing: buffer[used..<used + byteCount])
    }

    /// What all threads together read of half of this memory.
    func readBytesPerSecond(pool: WorkerPool) -> Double {
        let vectors = buffer.bindMemory(to: SIMD8<UInt64>.self), pieceCount = 512, pieceLength = vectors.count / 2 / pieceCount
        let sums = UnsafeMutableBufferPointer<SIMD8<UInt64>>.allocate(capacity: pieceCount)
        defer { sums.deallocate() }
        let seconds = ClockMeasurement {
            pool.forKernels(count: pieceCount) { piece, _ in
                var first = SIMD8<UInt64>(), second = SIMD8<UInt64>(), third = SIMD8<UInt64>(), fourth = SIMD8<UInt64>()
                for i in stride(from: piece * pieceLength, to: (piece + 1) * pieceLength, by: 4) {
                    first ^= vectors[i]
                    second ^= vectors[i + 1]
                    third ^= vectors[i + 2]
                    fourth ^= vectors[i + 3]
                }
                sums.initializeElement(at: piece, to: first ^ second ^ third ^ fourth)
            }
        }.seconds
        precondition(!sums.allSatisfy { $0 == .zero }, "random bytes are not all zero")
        return Double(pieceCount * pieceLength * 64) / seconds
    }
}
