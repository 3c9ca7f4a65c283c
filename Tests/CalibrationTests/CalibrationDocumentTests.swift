import ByteIO
import CKernels
import Calibration
import Glibc
import Quantization
import TestSupport
import Testing
import Transformer

/// The worked example of `formats/calibration.md`, number by number.
@Suite struct CalibrationDocumentTests {
    /// Rows of a line of the example.
    private static func rows(_ name: String, example: Int = 1) throws -> [[Double]] {
        let document = try Fixture.document("calibration.md")
        let lines = document.split(separator: "```")[2 * example - 1].split(separator: "\n").filter { $0.hasPrefix(name + " ") }
        let line = try #require(lines.count == 1 ? lines.first : nil, "one line of the example begins with '\(name) '")
        return try line.dropFirst(name.count).split(separator: "/").map { row in
            try row.split(separator: " ").map { try #require(Double($0), "\(name): '\($0)' is no number") }
        }
    }

    private static func agrees(_ found: Double, _ stated: Double) -> Bool { (found - stated).magnitude <= 5e-6 * max(1, stated.magnitude) }

    private static func unpacked(_ codes: [UInt8]) -> [Double] { codes.flatMap { [Double($0 >> 4), Double($0 & 15)] } }

    @Test func exampleIsWhatTheQuantizerDoes() throws {
        let engine = MatrixEngine.test(), columns = 4
        let x = try Self.rows("x").flatMap(\.self).map(Float.init), weight = try Self.rows("W").flatMap(\.self).map(Float.init)
        let moments = InputMoments(width: columns, heldOutCount: 4)
        x.withUnsafeBufferPointer { x in
            guard let start = x.baseAddress else { return }
            moments.add(start, rowCount: 4, MomentMemory(), engine)
            moments.hold(start, rowCount: 4)
        }
        moments.finish(engine)
        for (i, row) in try Self.rows("H").enumerated() {
            for (j, stated) in row.enumerated() { #expect(moments.matrix[i, j] == stated) }
        }

        let settings = try QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: false)
        let quantizer = CalibratedQuantizer(settings, engine: engine)
        let inputs = try #require(quantizer.inputs(moments))
        let order = try Self.rows("order")[0]
        #expect(inputs.passing[0].order.map(Double.init) == order)
        for (i, row) in try Self.rows("a").enumerated() {
            for (j, stated) in row.enumerated() { #expect(Self.agrees(inputs.passing[0][i, j], stated), "a \(i) \(j)") }
        }
        let (calibrated, plain) = try weight.withUnsafeBufferPointer { weight in
            (try #require(quantizer.quantize(weight, inputs)), try #require(FourBitWeight(nearest: weight, settings)))
        }
        let scale = try Self.rows("scale")[0][0]
        #expect(calibrated.absmax.count == 1 && Self.agrees(Double(calibrated.absmax[0]), scale))
        let codes = try Self.rows("codes").flatMap(\.self), nearest = try Self.rows("nearest").flatMap(\.self)
        #expect(Self.unpacked(calibrated.codes) == codes && Self.unpacked(plain.codes) == nearest)
        var restored = [Float](repeating: 0, count: weight.count)
        restored.withUnsafeMutableBufferPointer { calibrated.dequantize(settings, into: $0) }
        for (found, stated) in zip(restored, try Self.rows("restored").flatMap(\.self)) { #expect(Self.agrees(Double(found), stated)) }
        let judge = OutputError(on: moments, engine: engine), stated = [try Self.rows("error")[0][0], try Self.rows("plain")[0][0]]
        weight.withUnsafeBufferPointer { weight in
            let all = judge.squares(of: weight, columns: columns)
            for (quantized, stated) in zip([calibrated, plain], stated) {
                let error = (judge.squares(of: quantized, settings, against: weight, columns: columns) / all).squareRoot()
                #expect(Self.agrees(error, stated))
            }
        }
    }

    /// The layer as a head: divergence from the dense one, its gradient by kernels, and a step.
    @Test func distillationIsWhatTheKernelsDo() throws {
        let x = try Self.rows("x").map { $0.map(Float.init) }, weight = try Self.rows("W"), restored = try Self.rows("restored")
        let codes = try Self.rows("codes").flatMap(\.self).map { UInt8($0) }, scale = Float(try Self.rows("scale")[0][0])
        func logits(_ w: [[Double]], _ factor: Double = 1) -> [[Float]] {
            x.map { x in w.map { row in Float(zip(row, x).reduce(0) { $0 + factor * $1.0 * Double($1.1) }) } }
        }
        func divergences(_ z: Double) -> (mean: Double, gradients: [[Float]]) {
            var sum = 0.0
            let gradients = zip(logits(restored, 1 + z), logits(weight)).map { own, wanted in
                var row = own, other = wanted, found = 0.0
                qk_divergence_at(qk_simd_best(), &row, &other, 2, 0.25, 0, &found)
                sum += found
                return row
            }
            return (sum / 4, gradients)
        }
        func first(_ logits: [[Float]]) -> [Double] { logits.map { 1 / (1 + exp(Double($0[1] - $0[0]))) } }
        for (name, found) in [("p", first(logits(weight))), ("q", first(logits(restored)))] {
            for (found, stated) in zip(found, try Self.rows(name, example: 2)[0]) { #expect(Self.agrees(found, stated), "\(name)") }
        }
        let (mean, dy) = divergences(0), stated = try Self.rows("divergence", example: 2)[0][0]
        #expect((mean - stated).magnitude < 2e-8)
        var dw = [Float](repeating: 0, count: 8)
        for (row, dy) in zip(x, dy) { for i in 0..<8 { dw[i] += dy[i / 4] * row[i % 4] } }
        for (found, stated) in zip(dw, try Self.rows("dW", example: 2).flatMap(\.self)) { #expect(Self.agrees(Double(found), stated)) }
        let map = (0..<16).map { QuantType.nf4.quantMap.values[$0] },
            packed = stride(from: 0, to: 8, by: 2).map { codes[$0] << 4 | codes[$0 + 1] }
        var dz: Float = 0
        withUnsafePointer(to: scale) { qk_scaleGradients(map, packed, 0, 8, 64, dw, $0, &dz) }
        let statedSlope = try Self.rows("dz", example: 2)[0][0]
        #expect(Self.agrees(Double(dz), statedSlope) && dz < 0)
        let z = try Self.rows("z", example: 2)[0][0]
        let after = try Self.rows("after", example: 2)[0][0]
        #expect(z == 0.001 && (divergences(z).mean - after).magnitude < 2e-8)
        #expect(divergences(0.0151).mean < min(divergences(0.0141).mean, divergences(0.0161).mean))
    }

    @Test func documentNamesFactorsDampingAndQuantizer() throws {
        let document = try Fixture.document("calibration.md")
        let factors = CalibratedQuantizer.factors.map { $0 == 1 ? "1" : $0 < 1 ? "\($0)".padding(to: 4) : "\($0)" }
        #expect(document.contains(factors.joined(separator: " ")))
        #expect(document.contains("d = \(CalibratedQuantizer.defaultDamping) mean(h)"))
        #expect(document.contains("\"\(CalibratedQuantizer.name)\""))
    }

    /// What is calibrated with it depends on every byte.
    @Test func defaultTextIsWhatTheDocumentSays() throws {
        let text = Array(DefaultText.text.utf8)
        #expect((45_000...64 << 10).contains(text.count))
        var digest = SHA256()
        digest.append((0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text)
        let found = "sha256:" + digest.finish(), document = try Fixture.document("calibration.md")
        #expect(document.contains(found), "formats/calibration.md should say \(found)")
        #expect(!DefaultText.text.contains("        The ferry") && DefaultText.text.hasPrefix("The ferry"))
    }
}

extension String {
    /// With zeros at its end.
    fileprivate func padding(to count: Int) -> String { self + String(repeating: "0", count: max(0, count - self.count)) }
}
