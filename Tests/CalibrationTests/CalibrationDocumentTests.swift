import ByteIO
import Calibration
import Quantization
import TestSupport
import Testing
import Transformer

/// The worked example of `formats/calibration.md`, number by number.
@Suite struct CalibrationDocumentTests {
    /// Rows of a line of the example.
    private static func rows(_ name: String) throws -> [[Double]] {
        let document = try Fixture.document("calibration.md")
        let lines = document.split(separator: "```")[1].split(separator: "\n").filter { $0.hasPrefix(name + " ") }
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
