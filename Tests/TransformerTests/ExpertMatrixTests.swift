import Parallelism
import Quantization
import TensorCore
import TestSupport
import Testing
import Transformer

/// Matrices of experts that lie in one tensor.
@Suite struct ExpertMatrixTests {
    /// The same rows as those of one tall matrix, wherever an expert begins in a nested block, in floats and in integers.
    @Test(arguments: [[3, 40, 320], [5, 13, 64], [2, 64, 1024]], [64, 128])
    func expertsOfFourBitsAreRowsOfOneMatrix(_ shape: [Int], _ blockSize: Int) throws {
        let (count, rows, columns) = (shape[0], shape[1], shape[2])
        guard QuantState.areWholeBlocks(shape, blockSize: blockSize) else { return }
        var random = SeededGenerator(seed: 5)
        let blockCount = count * rows * columns / blockSize, nested = try QuantState.Nested(offset: 0.25)
        let codes = random.bytes(count * rows * columns / 2), constants = random.bytes(blockCount)
        let absmax = random.floats((blockCount + 255) / 256, 0.5...2), map = random.floats(256, -1...1)
        func state(_ shape: [Int]) throws -> QuantState {
            try QuantState(quantType: .nf4, blockSize: blockSize, scalarType: .f32, shape: shape, nested: nested)
        }
        let tall = try state([count * rows, columns]), stacked = try state(shape)
        let engine = MatrixEngine(pool: WorkerPool(threadCount: 2))
        let x = random.floats(3 * columns)
        codes.withUnsafeBytes { codes in
            constants.withUnsafeBytes { constants in
                absmax.withUnsafeBytes { absmax in
                    map.withUnsafeBytes { map in
                        let parts = WeightMatrix.Constants.nested(codes: constants, absmax: absmax, map: map, nested)
                        let quantMap = QuantType.nf4.quantMap
                        let whole = WeightMatrix(codes: codes, constants: parts, quantMap: quantMap, state: tall)
                        for number in 0..<count {
                            let expert = WeightMatrix(codes: codes, constants: parts, quantMap: quantMap, state: stacked, number: number)
                            #expect(expert.outputCount == rows && expert.inputCount == columns)
                            #expect(Self.rows(0..<rows, of: expert) == Self.rows(number * rows..<(number + 1) * rows, of: whole))
                            for precision in MatrixEngine.Precision.allCases {
                                let part = Self.product(x, expert, engine, precision), all = Self.product(x, whole, engine, precision)
                                for row in 0..<3 {
                                    let start = row * count * rows + number * rows
                                    let own = Array(part[row * rows..<(row + 1) * rows])
                                    #expect(own == Array(all[start..<start + rows]))
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    private static func rows(_ range: Range<Int>, of matrix: WeightMatrix) -> [Float] {
        var values = [Float](repeating: 0, count: range.count * matrix.inputCount)
        values.withUnsafeMutableBufferPointer { matrix.readRows(range, into: $0) }
        return values
    }

    private static func product(
        _ x: [Float], _ matrix: WeightMatrix, _ engine: MatrixEngine, _ precision: MatrixEngine.Precision
    ) -> [Float] {
        var y = [Float](repeating: 0, count: 3 * matrix.outputCount)
        x.withUnsafeBufferPointer { x in
            y.withUnsafeMutableBufferPointer { engine.multiply(x, rowCount: 3, by: matrix, precision: precision, into: $0) }
        }
        return y
    }

    /// Codes of 4-bit floats on every level of instructions.
    @Test func valuesOfMXFP4AreThoseOfItsEncoding() {
        var random = SeededGenerator(seed: 9)
        let (rows, columns) = (7, 96)
        let codes = random.bytes(rows * columns / 2)
        var scales: [UInt8] = []
        for block in 0..<rows * columns / 32 { scales.append(block % 3 == 0 ? 0 : UInt8(118 + block % 20)) }
        var expected: [Float] = []
        for place in 0..<rows * columns {
            let byte = codes[place / 2], code = Int(place % 2 == 0 ? byte & 15 : byte >> 4)
            expected.append(MXFP4.values[code] * MXFP4.scale(scales[place / 32]))
        }
        // Each row of x picks one column.
        var x = [Float](repeating: 0, count: columns * columns)
        for column in 0..<columns { x[column * columns + column] = 1 }
        for level in levels {
            let engine = MatrixEngine(pool: WorkerPool(threadCount: 2), level: level)
            var y = [Float](repeating: 0, count: columns * rows)
            codes.withUnsafeBytes { codes in
                scales.withUnsafeBytes { scales in
                    let matrix = WeightMatrix(codes: codes, scales: scales, ofMXFP4: rows, inputCount: columns)
                    x.withUnsafeBufferPointer { x in
                        y.withUnsafeMutableBufferPointer { engine.multiply(x, rowCount: columns, by: matrix, into: $0) }
                    }
                }
            }
            for row in 0..<rows {
                let found = (0..<columns).map { y[$0 * rows + row] }
                #expect(found == Array(expected[row * columns..<(row + 1) * columns]))
            }
        }
    }
}
