import Architectures
import ByteIO
import Calibration
import Checkpoints
import Glibc
import JSONText
import ModelLoading
import Parallelism
import Quantization
import TensorCore
import TestSupport
import Testing

@testable import Records
@testable import Sensitivity
@testable import Training

/// What quantizing one weight does to predictions, beside the gradient of the weight itself.
@Suite struct SensitivityTests {
    private static func row(_ name: String, _ layer: Int, _ kind: String, _ measured: Double) -> Sensitivity.Row {
        Sensitivity.Row(name: name, layer: layer, kind: kind, elementCount: 64, measured: measured)
    }

    /// c^2 / 2 T of one sequence, with <gradient, Q - W> from the gradients that training the weight has.
    @Test(arguments: ["llama-hf", "gpt2-tensorflow"])
    func isOfTheWeightsGradient(sample: String) throws {
        let checkpoint = try Checkpoint.open(Fixture.sample(sample))
        let model = try LayeredModel(checkpoint), loaded = try LoadedModel(checkpoint)
        let ids = randomIDs(40, below: model.configuration.vocabularySize, seed: 7)
        let resources = ComputeResources(pool: WorkerPool(threadCount: 2))
        let measurement = try SensitivityMeasurement(
            model, on: CalibrationSamples([.init(ids: ids, isHeldOut: false)]), .standard, resources: resources)
        #expect(measurement.sequenceCount == 1 && measurement.tokenCount == 39)
        func nearest(_ elements: [Float]) throws -> FourBitWeight {
            try #require(elements.withUnsafeBufferPointer { FourBitWeight(nearest: $0, .standard) })
        }
        let found = try measurement.run(loaded, wanted: { _ in true }, quantized: { try nearest($1) })
        #expect(found.rows.count == model.configuration.linearWeights.count)

        let network = try Network(loaded, tuning: .full)
        let trained = try TrainableModel(network, positionLimit: 39, longestSample: 39, recomputes: false, resources: resources)
        _ = trained.differentiateDrawnLabels(
            Batch([Sample(tokens: ids, isLearned: ids.map { _ in true })]), seed: 1, batchNumber: 0)
        for (row, expected) in zip(found.rows, model.configuration.linearWeights) {
            let slot = try #require(trained.parameters.slots.firstIndex { $0.name == expected.name })
            let gradient = UnsafeBufferPointer(start: trained.parameters.gradient(slot), count: row.elementCount)
            let tensor = model.weight(ofModule: expected.module)
            let elements = try checkpoint.reader(of: tensor, order: .outputsByInputs).allElements()
            var difference = elements
            try difference.withUnsafeMutableBufferPointer { try nearest(elements).dequantize(.standard, into: $0) }
            for i in difference.indices { difference[i] -= elements[i] }
            // A gradient lies as the weight does.
            let (outputs, inputs) = expected.sizes
            var c = 0.0
            for i in difference.indices {
                let place = tensor.orientation == .outputsByInputs ? i : i % inputs * outputs + i / inputs
                c += Double(gradient[place]) * Double(difference[i])
            }
            let value = c * c / (2 * 39)
            #expect(abs(row.measured - value) <= 1e-3 * value + 1e-9, "\(row.name): \(row.measured), \(value)")
        }
    }

    @Test func piecesAreSpreadOverAllWindows() {
        let windows = (0..<10).map { window in
            CalibrationSamples.Sample(ids: (0..<512).map { Int32(1000 * window + $0) }, isHeldOut: window == 4)
        }
        let found = SensitivityMeasurement.sequences(of: CalibrationSamples(windows))
        #expect(found.count == 40 && found.allSatisfy { $0.count == 65 })
        #expect(Set(found.map { $0[0] / 1000 }).count == 10)
        let short = CalibrationSamples([.init(ids: [1, 2, 3], isHeldOut: false), .init(ids: [4], isHeldOut: true)])
        #expect(SensitivityMeasurement.sequences(of: short) == [[1, 2, 3]])
    }

    /// Labels come up as often as they are likely.
    @Test func labelsAreDrawnFromThePredictions() {
        let logits: [Float] = [0, logf(3), -.infinity, logf(4)], count = 4000
        let labels = DrawnLabels(count: count, seed: 3, batchNumber: 0)
        var counts = [0, 0, 0, 0]
        for number in 0..<count { counts[Int(labels.label(number, logits, count: 4, cap: nil))] += 1 }
        for (found, share) in zip(counts, [0.125, 0.375, 0, 0.5]) {
            #expect(abs(Double(found) - share * Double(count)) <= 4 * (share * Double(count)).squareRoot())
        }
        // Capped logits are nearer to each other.
        var first = 0
        for number in 0..<count where labels.label(number, [20, 0], count: 2, cap: 1) == 0 { first += 1 }
        let share = 1 / (1 + exp(-1.0))
        #expect(abs(Double(first) - share * Double(count)) <= 4 * (share * Double(count)).squareRoot())
    }

    /// What layer and kind explain stays; what is odd is drawn half-way.
    @Test func noiseIsDrawnHalfWay() {
        func rows(_ odd: Double) -> [Sensitivity.Row] {
            (0..<16).flatMap { layer in
                ["a", "b", "c"].enumerated().map { number, kind in
                    Self.row(
                        "\(layer)\(kind)", layer, kind,
                        exp(Double(layer) / 4 + Double(number)) * (layer == 3 && kind == "b" ? odd : 1))
                }
            }
        }
        for row in Sensitivity(rows(1)).rows { #expect(abs(row.divergence / row.measured - 1) < 1e-9) }
        let drawn = Sensitivity(rows(exp(2.0))).rows.first { $0.name == "3b" }
        // 2 less half of what is not in the means of 3 kinds and 16 layers: (1 - 1/3)(1 - 1/16).
        let expected = exp(0.75 + 1 + 2 - (1 - 1.0 / 3) * (1 - 1.0 / 16))
        #expect(abs((drawn?.divergence ?? 0) / expected - 1) < 1e-6)
        let none = Sensitivity([Self.row("x", 0, "a", 0), Self.row("y", 0, "b", 2)])
        #expect(none.rows.map(\.divergence) == [0, 2])
    }

    @Test func fileComesBackAndIsOfItsModel() throws {
        let folder = try TemporaryFolder(), path = folder.path("s.json")
        let subject = JSONObject(["settings": .string("nf4"), "files": .integer(3)])
        let sensitivity = Sensitivity([Self.row("x", 0, "a", 0.25), Self.row("y", 1, "a", 1e-9)])
        try SensitivityFile(subject: subject, circumstances: .null, sensitivity: sensitivity).write(to: path)
        #expect(try SensitivityFile(path: path, subject: subject).sensitivity == sensitivity)
        #expect(throws: FileError.self) {
            _ = try SensitivityFile(path: path, subject: JSONObject(["settings": .string("fp4"), "files": .integer(3)]))
        }
        let good = try String(decoding: folder.bytes("s.json"), as: UTF8.self)
        for (old, new, message) in [
            ("\"schema\": 1", "\"schema\": 2", "is no file of sensitivities"), ("\"y\"", "\"x\"", "'x' is there twice"),
            ("0.25", "-0.25", "has no name, layer, kind"), ("0.25", "1e999", "has no name, layer, kind"), ("{", "", "byte"),
        ] {
            let bad = try folder.write(good.replacing(old, with: new), to: "bad.json")
            let error = #expect(throws: FileError.self) { _ = try SensitivityFile(path: bad, subject: subject) }
            #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
        }
    }
}
