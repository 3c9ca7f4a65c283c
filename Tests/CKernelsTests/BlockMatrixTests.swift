import CKernels
import TestSupport
import Testing

/// Weights of blocks: rows in parts, and integer products at the ends of what blocks can hold.
struct BlockMatrixTests {
    /// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K.
    private static let integerFormats: [UInt32] = [2, 3, 6, 7, 8, 12, 13, 14]

    private static func matrix(_ identifier: UInt32, _ blocks: UnsafePointer<UInt8>?, rowCount: Int, columnCount: Int) -> qk_matrix {
        var matrix = qk_matrix()
        matrix.storage = QK_MATRIX_BLOCKS
        matrix.blockFormat = qk_blockFormat_of(identifier)
        matrix.values = blocks
        (matrix.rowCount, matrix.columnCount) = (rowCount, columnCount)
        return matrix
    }

    @Test(arguments: BlocksTests.identifiers)
    func expandsAnyPartOfARow(_ identifier: UInt32) throws {
        let format = try #require(qk_blockFormat_of(identifier)).pointee
        let elements = format.elementCount, columnCount = 3 * elements
        var random = SeededGenerator(seed: UInt64(identifier))
        let blocks = random.bytes(9 * format.byteCount)
        var all = [Float](repeating: 0, count: 9 * elements)
        format.decode(QK_SCALAR, blocks, 9, &all)
        var matrix = Self.matrix(identifier, nil, rowCount: 3, columnCount: columnCount)
        blocks.withUnsafeBufferPointer { blocks in
            matrix.values = blocks.baseAddress
            for level in levels {
                for (column, count) in [
                    (0, columnCount), (0, elements), (elements, 2 * elements), (0, 5), (7, 9), (elements - 1, 2),
                    (3, columnCount - 5), (elements, 1), (columnCount - 1, 1), (4, 0),
                ] {
                    // A value behind them that stays.
                    var part = [Float](repeating: 7, count: count + 1)
                    qk_matrix_expand_at(level, &matrix, 1, column, count, &part)
                    #expect(part.removeLast() == 7)
                    let start = columnCount + column
                    #expect(isSame(part, Array(all[start..<start + count])), "\(level.name), \(column)")
                }
            }
        }
    }

    @Test func hasIntegersForEightFormatsInWholeGroups() {
        for identifier in BlocksTests.identifiers {
            var whole = Self.matrix(identifier, nil, rowCount: 1, columnCount: 512)
            #expect(qk_matmul16_supports(&whole) == Self.integerFormats.contains(identifier))
        }
        var odd = Self.matrix(2, nil, rowCount: 1, columnCount: 96)
        #expect(!qk_matmul16_supports(&odd))
    }

    /// y of few rows of x, with the quantized x that belongs to it.
    private static func products(_ matrix: inout qk_matrix, _ x: [Float], _ level: qk_simd) -> [Float] {
        let columnCount = matrix.columnCount, vectorCount = x.count / columnCount
        var quantized = [Int16](repeating: 0, count: x.count), scales = [Float](repeating: 0, count: x.count / 64)
        quantized.withUnsafeMutableBufferPointer { quantized in
            scales.withUnsafeMutableBufferPointer { scales in
                x.withUnsafeBufferPointer { x in
                    guard let quantized = quantized.baseAddress, let scales = scales.baseAddress, let x = x.baseAddress else { return }
                    for t in 0..<vectorCount {
                        let start = t * columnCount
                        qk_matmul16_quantize_at(level, &matrix, x + start, quantized + start, scales + start / 64)
                    }
                }
            }
        }
        var y = [Float](repeating: .nan, count: vectorCount * matrix.rowCount)
        qk_matmul16_dots_at(level, &matrix, 0, matrix.rowCount, quantized, scales, vectorCount, &y, matrix.rowCount)
        return y
    }

    /// Scales that are one, and sub-scales and codes of the largest magnitude: their sums are the largest there are.
    @Test func largestSumsDoNotOverflow() {
        let q4K: [UInt8] = [0, 0x3c, 0, 0x3c] + [UInt8](repeating: 0xff, count: 140)
        let q5K: [UInt8] = [0, 0x3c, 0, 0x3c] + [UInt8](repeating: 0xff, count: 172)
        let q41: [UInt8] = [0, 0x3c, 0, 0x64] + [UInt8](repeating: 0xff, count: 16)
        let q50: [UInt8] = [0, 0x3c] + [UInt8](repeating: 0, count: 20)
        let q51: [UInt8] = [0, 0x3c, 0, 0x64] + [UInt8](repeating: 0xff, count: 20)
        let q6K = [UInt8](repeating: 0, count: 192) + [UInt8](repeating: 0x80, count: 16) + [0, 0x3c]
        let q80: [UInt8] = [0, 0x3c] + [UInt8](repeating: 0x80, count: 32)
        let q40: [UInt8] = [0, 0x3c] + [UInt8](repeating: 0, count: 16)
        for (identifier, block, value) in [
            (12, q4K, 63 * 15 - 63), (13, q5K, 63 * 31 - 63), (14, q6K, 128 * 32), (8, q80, -128), (2, q40, -8), (3, q41, 15 + 1024),
            (6, q50, -16), (7, q51, 31 + 1024),
        ] as [(UInt32, [UInt8], Int)] {
            let columnCount = 512
            var blocks: [UInt8] = []
            while blocks.count < 3 * columnCount * block.count / (block.count > 100 ? 256 : 32) { blocks += block }
            blocks.withUnsafeBufferPointer { blocks in
                var matrix = Self.matrix(identifier, blocks.baseAddress, rowCount: 3, columnCount: columnCount)
                for sign in [1, -1] as [Float] {
                    for level in levels {
                        let y = Self.products(&matrix, [Float](repeating: sign, count: 2 * columnCount), level)
                        let expected = sign * Float(columnCount * value)
                        #expect(y.allSatisfy { abs($0 / expected - 1) < 1e-5 }, "\(identifier), \(level.name): \(y) not \(expected)")
                    }
                }
            }
        }
    }

    /// What is not finite makes the products of its row, or of its x, NaN or infinite, and no others.
    @Test(arguments: integerFormats)
    func passesOnWhatIsNotFinite(_ identifier: UInt32) throws {
        let format = try #require(qk_blockFormat_of(identifier)).pointee, columnCount = 512
        let blockCount = 5 * columnCount / format.elementCount
        var random = SeededGenerator(seed: 1)
        let values = random.normals(count: 5 * columnCount)
        var blocks = [UInt8](repeating: 0, count: blockCount * format.byteCount)
        let encode = try #require(format.encode)
        #expect(encode(qk_simd_best(), values, blockCount, &blocks) == blockCount)
        // The first half of the second row's first block is its scale; that of Q6_K lies at its end.
        let place = blockCount / 5 * format.byteCount + (identifier == 14 ? 208 : 0)
        (blocks[place], blocks[place + 1]) = (0, 0x7e)
        var x = random.normals(count: 3 * columnCount)
        x[columnCount + 300] = .nan
        blocks.withUnsafeBufferPointer { blocks in
            var matrix = Self.matrix(identifier, blocks.baseAddress, rowCount: 5, columnCount: columnCount)
            for level in levels {
                let y = Self.products(&matrix, x, level)
                for (index, value) in y.enumerated() {
                    #expect(value.isFinite == (index % 5 != 1 && index / 5 != 1), "\(level.name), \(index)")
                }
            }
        }
    }
}
