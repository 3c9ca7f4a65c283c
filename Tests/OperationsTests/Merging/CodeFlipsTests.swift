import Quantization
import TestSupport
import Testing

@testable import Merging

/// Against numpy: `Tests/Fixtures/make_flip_fixtures.py`.
struct CodeFlipsTests {
    private struct Layer {
        let tensors: [String: StoredTensor]
        let name: String

        func floats(_ part: String) throws -> [Float] { try #require(tensors["\(name).\(part)"]).floats }
        func codes(_ part: String) throws -> [UInt8] { try #require(tensors["\(name).\(part)"]).bytes }
        func sums(_ mu: Int) throws -> [Double] {
            try #require(tensors["\(name).sums.\(mu)"]).bytes.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
        }
        func inputs() throws -> LayerInputs {
            let columns = try #require(tensors["\(name).moments"]).dimensions[0]
            return LayerInputs(columnCount: columns, moments: try floats("moments"), heldOut: try floats("heldout"))
        }

        /// Codes after flipping, and the sums over held-out inputs.
        func flip(_ mu: Int, rows: Range<Int>? = nil) throws -> ([UInt8], ActivationSums) {
            let inputs = try inputs(), n = inputs.columnCount
            let flips = CodeFlips(inputs, steps: CodeSteps((name == "fp4" ? QuantType.fp4 : .nf4).quantMap), mu: Double(mu))
            var codes = try codes("codes"), scales = try floats("scales"), delta = try floats("delta")
            if let rows {
                codes = Array(codes[rows.lowerBound * n..<rows.upperBound * n])
                scales = Array(scales[rows.lowerBound * n..<rows.upperBound * n])
                delta = Array(delta[rows.lowerBound * n..<rows.upperBound * n])
            }
            let sums = codes.withUnsafeMutableBufferPointer { codes in
                scales.withUnsafeBufferPointer { scales in
                    delta.withUnsafeBufferPointer { flips.flip(codes: codes, scales: scales, delta: $0) }
                }
            }
            return (codes, sums)
        }
    }

    private func layer(_ name: String) throws -> Layer {
        Layer(tensors: try storedTensors(at: Fixture.path("merge/flips.safetensors")), name: name)
    }

    @Test(arguments: ["even", "odd", "fp4"], [0, 10, 100])
    func codesAreThoseOfNumpy(_ name: String, _ mu: Int) throws {
        let layer = try layer(name)
        let (codes, sums) = try layer.flip(mu)
        #expect(try codes == layer.codes("flipped.\(mu)"))
        let expected = try layer.sums(mu)
        for (found, expected) in zip([sums.delta, sums.changeTimesDelta, sums.error], expected) {
            #expect(abs(found - expected) <= 1e-10 * abs(expected))
        }
        let base = try layer.codes("codes")
        #expect(zip(codes, base).contains { $0 != $1 })
        guard mu == 100 else { return }
        #expect(sums.survival > 0.9)
        #expect(try layer.flip(0).1.survival < 0.7)
    }

    @Test func rowsDoNotDependOnEachOther() throws {
        let layer = try layer("even"), n = 72
        let (all, _) = try layer.flip(10)
        for rows in [0..<1, 3..<5, 15..<18, 19..<20] {
            #expect(try layer.flip(10, rows: rows).0 == Array(all[rows.lowerBound * n..<rows.upperBound * n]))
        }
    }

    @Test func aDeltaThatIsZeroChangesNothing() throws {
        let layer = try layer("odd"), n = 33
        let (codes, sums) = try layer.flip(10, rows: 3..<4)
        #expect(try codes == Array(layer.codes("codes")[3 * n..<4 * n]))
        #expect(sums == ActivationSums() && sums.survival == 1 && sums.relativeError == 0)
    }

    @Test func inputsThatAreAllZeroChangeNothing() throws {
        let inputs = LayerInputs(columnCount: 4, moments: [Float](repeating: 0, count: 16), heldOut: [])
        let flips = CodeFlips(inputs, steps: CodeSteps(QuantType.nf4.quantMap), mu: 10)
        var codes: [UInt8] = [1, 2, 3, 4]
        let scales: [Float] = [1, 1, 1, 1], delta: [Float] = [0.5, 0.5, 0.5, 0.5]
        let sums = codes.withUnsafeMutableBufferPointer { codes in
            scales.withUnsafeBufferPointer { scales in
                delta.withUnsafeBufferPointer { flips.flip(codes: codes, scales: scales, delta: $0) }
            }
        }
        #expect(codes == [1, 2, 3, 4] && sums == ActivationSums())
    }

    @Test func stepsGoByValueNotByCode() {
        let steps = CodeSteps(QuantType.fp4.quantMap)
        // 0, .0052, .667, 1, .333, .5, .167, .25 and their negatives; both zeros step to the first code of their neighbours.
        #expect(steps.greater == [1, 6, 3, 3, 5, 2, 7, 4, 1, 0, 13, 10, 15, 12, 9, 14])
        #expect(steps.smaller == [9, 0, 5, 2, 7, 4, 1, 6, 9, 14, 11, 11, 13, 10, 15, 12])
    }
}
