import CKernels
import TestSupport
import Testing

/// What a call to `qk_quantize4` gives.
private struct Result {
    var packed: [UInt8]
    var absmaxBits: [UInt32]
    var firstNonFinite: Int

    init<T>(_ level: qk_simd, _ code: qk_code4, _ type: qk_float, _ source: [T], blockSize: Int) {
        let count = source.count
        // One guard element behind each.
        var packed = [UInt8](repeating: 0xaa, count: (count + 1) / 2 + 1)
        var absmax = [Float](repeating: -77, count: (count + blockSize - 1) / blockSize + 1)
        firstNonFinite = source.withUnsafeBytes {
            qk_quantize4_at(level, code, type, $0.baseAddress, count, blockSize, &packed, &absmax)
        }
        self.packed = packed
        absmaxBits = absmax.map(\.bitPattern)
    }

    init(naivelyFrom values: [Float], _ code: qk_code4, blockSize: Int) {
        packed = []
        absmaxBits = []
        firstNonFinite = values.firstIndex { !$0.isFinite } ?? values.count
        var codes: [UInt8] = []
        for start in stride(from: 0, to: values.count, by: blockSize) {
            let block = values[start..<min(start + blockSize, values.count)]
            let largest = block.contains { $0.isNaN } ? Float.nan : block.reduce(0) { max($0, $1.magnitude) }
            let divisor = largest.isNaN ? largest : max(largest, Float(bitPattern: 0x006ce3ee))
            let isWhole = block.count == blockSize
            absmaxBits.append((isWhole ? largest : divisor).bitPattern)
            for value in block {
                codes.append(Self.naiveCode(isWhole ? value * (1 / divisor) : value / divisor, code))
            }
        }
        if codes.count % 2 == 1 { codes.append(Self.naiveCode(0, code)) }
        for k in 0..<codes.count / 2 { packed.append(codes[2 * k] << 4 | codes[2 * k + 1]) }
        packed.append(0xaa)
        absmaxBits.append(Float(-77).bitPattern)
    }

    static func naiveCode(_ scaled: Float, _ code: qk_code4) -> UInt8 {
        let thresholds = UnsafeBufferPointer(start: qk_quantize4_thresholds(code), count: 15)
        let codes = UnsafeBufferPointer(start: qk_quantize4_codes(code), count: 16)
        return codes[thresholds.firstIndex { Float(bitPattern: $0) >= scaled } ?? 15]
    }
}

struct Quantize4Tests {
    static let codes = [QK_NF4, QK_FP4]

    private func expectSame(
        _ values: [Float], _ code: qk_code4, blockSize: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let expected = Result(naivelyFrom: values, code, blockSize: blockSize)
        for level in levels {
            let result = Result(level, code, QK_F32, values, blockSize: blockSize)
            let comment: Comment = "\(level.name), blocks of \(blockSize)"
            #expect(difference(result.packed, expected.packed) == nil, comment, sourceLocation: sourceLocation)
            #expect(difference(result.absmaxBits, expected.absmaxBits) == nil, comment, sourceLocation: sourceLocation)
            #expect(result.firstNonFinite == expected.firstNonFinite, comment, sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: codes, [32, 64, 128, 4096])
    func followsTheRule(_ code: qk_code4, _ blockSize: Int) {
        var random = SeededGenerator(seed: 1)
        expectSame(random.floats(9000), code, blockSize: blockSize)
        expectSame(random.finitePatterns(9001), code, blockSize: blockSize)
    }

    /// Each threshold times an absmax and the floats around it, in whole blocks and in the partial one.
    @Test(arguments: codes, [1, 3, 0.1, 0.7, 1e38, 3.4028235e38, 0x1p-126, 0x1p-127, 0x1p-130, 0x1p-147] as [Float])
    func decidesTiesExactly(_ code: qk_code4, _ absmax: Float) {
        let thresholds = qk_quantize4_thresholds(code)!
        var values: [Float] = []
        for i in 0..<15 {
            let tie = Float(bitPattern: thresholds[i]) * absmax
            for step in -3...3 {
                if values.count % 32 == 0 { values.append(absmax) }
                // From one float to the next across zero, too.
                let key = Int64(tie.bitPattern & 0x7fff_ffff) * (tie.sign == .minus ? -1 : 1) + Int64(step)
                values.append(Float(bitPattern: UInt32(key.magnitude) | (key < 0 ? 0x8000_0000 : 0)))
            }
        }
        expectSame(values, code, blockSize: 32)
        expectSame(values + [absmax], code, blockSize: 128)
    }

    /// Every float32 pattern up to 1 in steps, each beside a 1 in its block. (All of them were checked once.)
    @Test(arguments: codes)
    func codesTheWholeRange(_ code: qk_code4) {
        var values: [Float] = []
        for pattern in stride(from: UInt32(0), through: 0x3f80_0000, by: 32_771) {
            if values.count % 64 == 0 { values.append(1) }
            values += [Float(bitPattern: pattern), -Float(bitPattern: pattern)]
        }
        expectSame(values, code, blockSize: 64)
    }

    @Test(arguments: codes, [QK_F16, QK_BF16])
    func codesEverySixteenBitValue(_ code: qk_code4, _ type: qk_float) {
        let patterns = (0...UInt16.max).map { $0 }
        var values = [Float](repeating: 0, count: patterns.count)
        patterns.withUnsafeBytes { qk_widen(type, $0.baseAddress, patterns.count, &values) }
        for blockSize in [32, 64, 4096] {
            let expected = Result(QK_SCALAR, code, QK_F32, values, blockSize: blockSize)
            for level in levels {
                let result = Result(level, code, type, patterns, blockSize: blockSize)
                #expect(difference(result.packed, expected.packed) == nil)
                #expect(result.firstNonFinite == expected.firstNonFinite)
            }
        }
        // Beside a 1, so that small ones are not scaled up: the finite ones from -1 to 1.
        let one: UInt16 = type == QK_F16 ? 0x3c00 : 0x3f80
        var small: [UInt16] = []
        for pattern in patterns where pattern & 0x7fff <= one {
            if small.count % 64 == 0 { small.append(one) }
            small.append(pattern)
        }
        var smallValues = [Float](repeating: 0, count: small.count)
        small.withUnsafeBytes { qk_widen(type, $0.baseAddress, small.count, &smallValues) }
        let expected = Result(naivelyFrom: smallValues, code, blockSize: 64)
        for level in levels {
            let result = Result(level, code, type, small, blockSize: 64)
            #expect(difference(result.packed, expected.packed) == nil)
            #expect(difference(result.absmaxBits, expected.absmaxBits) == nil)
        }
    }

    @Test(arguments: codes)
    func handlesEveryLength(_ code: qk_code4) {
        var random = SeededGenerator(seed: 2)
        let values = random.floats(200)
        for count in 0...200 { expectSame(Array(values.prefix(count)), code, blockSize: 32) }
    }

    @Test(arguments: codes, [Float.nan, .infinity, -.infinity])
    func reportsTheFirstNonFiniteValue(_ code: qk_code4, _ value: Float) {
        for index in [0, 1, 31, 63, 64, 100, 127, 128, 130, 199] {
            var random = SeededGenerator(seed: 3)
            var values = random.floats(200)
            values[index] = value
            values[199] = .infinity
            let expected = Result(naivelyFrom: values, code, blockSize: 64)
            for level in levels {
                let result = Result(level, code, QK_F32, values, blockSize: 64)
                #expect(result.firstNonFinite == index)
                #expect(difference(result.packed, expected.packed) == nil)
                #expect(
                    isSame(
                        result.absmaxBits.map { Float(bitPattern: $0) }, expected.absmaxBits.map { Float(bitPattern: $0) }))
            }
        }
    }

    @Test(arguments: codes)
    func codesZerosAndSigns(_ code: qk_code4) {
        expectSame([Float](repeating: 0, count: 130), code, blockSize: 64)
        expectSame([Float](repeating: -0.0, count: 130), code, blockSize: 64)
        expectSame((0..<300).map { Float($0 % 3 - 1) }, code, blockSize: 64)
        expectSame([Float](repeating: .leastNonzeroMagnitude, count: 100), code, blockSize: 64)
        expectSame([Float](repeating: -.greatestFiniteMagnitude, count: 100), code, blockSize: 64)
    }

    @Test func readsAtAnyAddress() {
        var random = SeededGenerator(seed: 4)
        let values = random.floats(500)
        let bytes = [0, 0, 0] + values.withUnsafeBytes { Array($0) }
        let expected = Result(QK_SCALAR, QK_NF4, QK_F32, values, blockSize: 64)
        for level in levels {
            var packed = [UInt8](repeating: 0, count: 250), absmax = [Float](repeating: 0, count: 8)
            bytes.withUnsafeBytes {
                _ = qk_quantize4_at(level, QK_NF4, QK_F32, $0.baseAddress! + 3, 500, 64, &packed, &absmax)
            }
            #expect(difference(packed, expected.packed.dropLast()) == nil)
        }
    }
}
