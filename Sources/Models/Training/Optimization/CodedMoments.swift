import ByteIO
import CKernels
import Quantization

/// Both moments of AdamW in 8 bits: blocks of 256 elements, each divided by its largest magnitude and coded by a dynamic map.
final class CodedMoments: @unchecked Sendable {
    static let blockSize = 256

    private let count: Int
    private let codes: UnsafeMutableRawBufferPointer
    /// Of the first moments, then of the second ones.
    private let absmax: FloatMemory
    private let signedMap: [Float]

    init(count: Int) throws(FileError) {
        self.count = count
        // Code 0 of a block whose absmax is 0 means 0, whatever the map says.
        codes = .allocate(byteCount: max(1, 2 * count), alignment: 64)
        codes.initializeMemory(as: UInt8.self, repeating: 0)
        absmax = try FloatMemory(count: 2 * ((count + Self.blockSize - 1) / Self.blockSize))
        signedMap = DynamicMap.values
    }

    deinit { codes.deallocate() }

    var state: [Optimizer.StateTensor] {
        [
            .init(name: "optimizer.codes", bytes: UnsafeMutableRawBufferPointer(rebasing: codes[..<(2 * count)]), isFloat: false),
            .init(name: "optimizer.absmax", bytes: absmax.bytes, isFloat: true),
        ]
    }

    /// Both moments of the elements `range`, which begins at a block.
    func decode(_ range: Range<Int>, _ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>) {
        forEachMoment(range, first, second) { map, codes, absmax, values in
            qk_moments_decode(map, codes, absmax, range.count, Self.blockSize, values)
        }
    }

    func encode(_ range: Range<Int>, _ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>) {
        forEachMoment(range, first, second) { map, codes, absmax, values in
            qk_moments_encode(map, values, range.count, Self.blockSize, codes, absmax)
        }
    }

    private func forEachMoment(
        _ range: Range<Int>, _ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>,
        _ body: ([Float], UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let blockCount = absmax.count / 2
        let block = range.lowerBound / Self.blockSize
        guard let base = codes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        body(signedMap, base + range.lowerBound, absmax.pointer + block, first)
        body(UnsignedDynamicMap.values, base + count + range.lowerBound, absmax.pointer + blockCount + block, second)
    }
}
