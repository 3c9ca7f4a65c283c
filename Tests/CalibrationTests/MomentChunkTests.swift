import CKernels
import ModelLoading
import Quantization
import TestSupport
import Testing
import Transformer

@testable import Calibration

/// H cut into diagonal chunks, where there is no memory for all of it.
@Suite struct MomentChunkTests {
    @Test func chunksAreWholeBlocksAndAsEqualAsTheyCanBe() {
        #expect(InputMoments.chunks(width: 192, chunkWidth: nil) == [0..<192])
        #expect(InputMoments.chunks(width: 192, chunkWidth: 192) == [0..<192])
        #expect(InputMoments.chunks(width: 192, chunkWidth: 128) == [0..<128, 128..<192])
        #expect(InputMoments.chunks(width: 200, chunkWidth: 64) == [0..<64, 64..<128, 128..<192, 192..<200])
        #expect(InputMoments.chunks(width: 14336, chunkWidth: 4800) == [0..<4800, 4800..<9600, 9600..<14336])
        #expect(InputMoments.byteCount(width: 14336, chunkWidth: 4800) < InputMoments.byteCount(width: 14336) * 35 / 100)
    }

    private static func moments(_ width: Int, chunkWidth: Int?, _ engine: MatrixEngine) -> InputMoments {
        var generator = SeededGenerator(seed: 7)
        let moments = InputMoments(width: width, heldOutCount: 0, chunkWidth: chunkWidth), rowCount = 600
        var x = [Float](repeating: 0, count: rowCount * width)
        for row in 0..<rowCount {
            let common = Float.random(in: -1...1, using: &generator)
            for column in 0..<width {
                x[row * width + column] = (common + Float.random(in: -1...1, using: &generator)) * Float(1 + column % 5)
            }
        }
        x.withUnsafeBufferPointer { x in
            guard let start = x.baseAddress else { return }
            moments.add(start, rowCount: rowCount, MomentMemory(), engine)
        }
        moments.finish(engine)
        return moments
    }

    /// Chunks are pieces of the whole, to the bit.
    @Test(arguments: [(200, 64), (200, 128), (320, 128)])
    func chunksAreThoseOfTheWhole(width: Int, chunkWidth: Int) {
        let engine = MatrixEngine.test()
        let whole = Self.moments(width, chunkWidth: nil, engine).matrix, cut = Self.moments(width, chunkWidth: chunkWidth, engine)
        #expect(cut.diagonal == whole.diagonal && cut.matrices.count > 1)
        for (chunk, matrix) in zip(cut.chunks, cut.matrices) {
            for i in chunk {
                for j in chunk where matrix[i - chunk.lowerBound, j - chunk.lowerBound] != whole[i, j] { Issue.record("\(i) \(j)") }
            }
        }
    }

    /// Codes are those that the whole H would give if nothing outside of the chunks were in it, on every level.
    @Test(arguments: [(200, 64), (320, 128)])
    func codesAreThoseOfADiagonalOfChunks(width: Int, chunkWidth: Int) throws {
        var generator = SeededGenerator(seed: 9)
        let weight = generator.normals(count: 70 * width, scale: 0.05)
        let engine = MatrixEngine.test(), cut = Self.moments(width, chunkWidth: chunkWidth, engine)
        let whole = Self.moments(width, chunkWidth: nil, engine), matrix = whole.matrix
        let allTogether = try codes(weight, whole, engine)
        func chunk(_ column: Int) -> Int? { cut.chunks.firstIndex { $0.contains(column) } }
        for row in 0..<matrix.blockRowCount {
            for column in 0...row where chunk(64 * row) != chunk(64 * column) {
                matrix.block(row, column).update(repeating: 0, count: 64 * 64)
            }
        }
        let expected = try codes(weight, whole, engine)
        #expect(expected.absmax == allTogether.absmax && expected.codes != allTogether.codes)
        for (threads, level) in levels.map({ (2, $0) }) + [(3, qk_simd_best())] {
            let engine = MatrixEngine.test(threads: threads, level: level)
            let found = try codes(weight, Self.moments(width, chunkWidth: chunkWidth, engine), engine)
            #expect(found.codes == expected.codes && found.absmax == expected.absmax)
        }
    }

    private func codes(_ weight: [Float], _ moments: InputMoments, _ engine: MatrixEngine) throws -> FourBitWeight {
        let quantizer = CalibratedQuantizer(engine: engine), inputs = try #require(quantizer.inputs(moments))
        return try #require(weight.withUnsafeBufferPointer { quantizer.quantize($0, inputs) })
    }

    /// A chunk of inputs that are all 0 is coded as any other.
    @Test func chunksOfNothingAreCoded() throws {
        let engine = MatrixEngine.test(), moments = InputMoments(width: 130, heldOutCount: 0, chunkWidth: 64)
        let x = (0..<300 * 130).map { index -> Float in index % 130 < 64 ? 0 : Float(index % 7) - 3 }
        x.withUnsafeBufferPointer { x in
            guard let start = x.baseAddress else { return }
            moments.add(start, rowCount: 300, MomentMemory(), engine)
        }
        moments.finish(engine)
        var generator = SeededGenerator(seed: 3)
        let weight = generator.normals(count: 3 * 130, scale: 1), found = try codes(weight, moments, engine)
        let nearest = weight.withUnsafeBufferPointer { CalibratedQuantizer(engine: engine).nearestCodes(of: $0, found.restored) }
        for row in 0..<3 { #expect(found.codes[row * 65..<row * 65 + 32] == nearest[row * 65..<row * 65 + 32]) }
        #expect(CalibratedQuantizer(engine: engine).inputs(InputMoments(width: 130, heldOutCount: 0, chunkWidth: 64)) == nil)
    }

    /// As few chunks as there have to be; what states and weights take is beyond them.
    @Test func chunksAreAsFewAsMemoryAllows() throws {
        let model = try layeredModel(Fixture.sample("llama-hf"))
        let samples = CalibrationSamples([.init(ids: Array(1...256), isHeldOut: false), .init(ids: Array(1...256), isHeldOut: true)])
        let whole = CalibrationMemory(model, samples)
        #expect(CalibrationMemory.fitting(nil, model, samples) == whole && whole.chunkCount == 1)
        #expect(CalibrationMemory.fitting(whole.total, model, samples) == whole)
        let halves = CalibrationMemory.fitting(whole.total - 1, model, samples)
        #expect(halves.chunkWidth == 192 && halves.chunkCount == 2 && halves.total < whole.total && halves.states == whole.states)
        let least = CalibrationMemory.fitting(1, model, samples)
        #expect(least.chunkWidth == 64 && least.chunkCount == 6 && least.total > 1)
    }
}
