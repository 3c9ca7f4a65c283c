import Architectures
import ByteIO
import CKernels
import Checkpoints
import Glibc
import ModelLoading
import Quantization
import TensorCore
import TestSupport
import Testing
import Transformer

@testable import Calibration

/// What experts see of a text, and the codes that are chosen by it.
@Suite struct ExpertCalibrationTests {
    private static let mixtures = ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "granitemoehybrid", "gpt_oss", "llama4"]

    /// - Parameter windows: one of four is held out.
    private static func samples(_ model: LayeredModel, windows: Int = 8) -> CalibrationSamples {
        CalibrationSamples(
            (0..<windows).map { number in
                .init(
                    ids: randomIDs(48, below: model.configuration.vocabularySize, seed: UInt64(40 + number)), isHeldOut: number % 4 == 1)
            })
    }

    private static func pass(_ name: String, windows: Int = 8, threads: Int = 2, level: qk_simd = qk_simd_best()) throws -> CalibrationPass
    {
        let model = try layeredModel(Fixture.mixture(name))
        return try CalibrationPass(model, samples(model, windows: windows), engine: .test(threads: threads, level: level))
    }

    private static func groups(_ pass: CalibrationPass) throws -> [ExpertGroup] {
        var groups: [ExpertGroup] = []
        try pass.run(experts: { groups.append($0) }, { _ in })
        return groups
    }

    /// Of all experts of a tensor one after another, [out, in] each.
    private static func elements(_ pass: CalibrationPass, _ tensor: LogicalTensor) throws -> [Float] {
        try pass.model.checkpoint.reader(of: tensor, order: .outputsByInputs).allElements()
    }

    /// Each token asks so many experts, which are those of the greatest scores, and what goes into `down` is what comes of the rows of x.
    @Test(arguments: mixtures)
    func rowsAreThoseThatTheRouterSends(name: String) throws {
        let pass = try Self.pass(name), description = pass.model.configuration, groups = try Self.groups(pass)
        for (layer, parts) in description.layers.enumerated() {
            let own = groups.filter { $0.layer == layer }
            guard let mixture = parts.feedForward.mixture else {
                #expect(own.isEmpty)
                continue
            }
            #expect(own.map(\.width) == [description.width, parts.feedForward.innerWidth])
            let (inner, down) = (own[0], own[1])
            let engine = pass.engine, heldOutCount = pass.samples.heldOutCount
            for group in own {
                #expect(group.expertCount == mixture.expertCount && group.isStacked == (mixture.storage != .separate))
                let counts = (0..<group.expertCount).map { group.tokenCount(ofExpert: $0) }
                #expect(counts.reduce(0, +) == pass.samples.calibratingCount * mixture.chosenCount)
                let held = (0..<group.expertCount).map { group.heldOut(ofExpert: $0).count / group.width }
                #expect(held.reduce(0, +) == heldOutCount * mixture.chosenCount)
            }
            let router = try pass.model.layer(layer)[linear: .router]
            let rows = try Self.elements(pass, pass.model.weight(of: ModuleKey(.router, layer: layer)))
            for expert in 0..<mixture.expertCount {
                let x = inner.heldOut(ofExpert: expert), width = description.width
                for start in stride(from: 0, to: x.count, by: width) where mixture.weighting != .sigmoidOfInput {
                    let bias = router.bias.map { $0.map { Double($0) } } ?? Array(repeating: 0, count: mixture.expertCount)
                    let scores = zip(bias, Self.products(Array(x[start..<start + width]), rows)).map { $0 + $1 }
                    #expect(scores.count { $0 > scores[expert] + 1e-5 } < mixture.chosenCount)
                }
                try Self.checkDown(of: expert, inner, down, parts, pass)
                // Moments of the same rows.
                guard let moments = inner.moments(ofExpert: expert, engine) else { continue }
                let diagonal = inner.diagonal(ofExpert: expert)
                for (a, b) in zip(moments.matrix.diagonal, diagonal) { #expect((a - b).magnitude <= 1e-5 * (1 + b)) }
                #expect(moments.heldOut == x && moments.tokenCount == inner.tokenCount(ofExpert: expert))
            }
        }
    }

    private static func checkDown(
        of expert: Int, _ inner: ExpertGroup, _ down: ExpertGroup, _ layer: LayerDescription, _ pass: CalibrationPass
    ) throws {
        // Clamped gates have tests of their own.
        guard layer.feedForward.clamp == nil else { return }
        let x = inner.heldOut(ofExpert: expert), z = down.heldOut(ofExpert: expert), (width, units) = (inner.width, down.width)
        // Gate, then up.
        var weight: [Float] = []
        for (tensor, experts) in inner.tensors {
            guard let place = experts.firstIndex(of: expert) else { continue }
            let elements = try elements(pass, tensor), size = elements.count / experts.count
            weight += elements[place * size..<(place + 1) * size]
        }
        #expect(weight.count == 2 * units * width && z.count == x.count / width * units)
        for row in 0..<x.count / width {
            let products = products(Array(x[row * width..<(row + 1) * width]), weight)
            for unit in 0..<units {
                let gate = products[unit], expected = gate / (1 + exp(-gate)) * products[units + unit]
                #expect((Double(z[row * units + unit]) - expected).magnitude < 1e-4 * (1 + expected.magnitude))
            }
        }
    }

    /// W x.
    private static func products(_ x: [Float], _ weight: [Float]) -> [Double] {
        stride(from: 0, to: weight.count, by: x.count).map { start in
            var sum = 0.0
            for column in x.indices { sum += Double(weight[start + column]) * Double(x[column]) }
            return sum
        }
    }

    /// Outcomes of the tensors of experts.
    private static func outcomes(
        _ pass: CalibrationPass, _ settings: QuantizationSettings = .standard
    ) throws -> (outcomes: [ModelCalibration.Outcome], digest: String) {
        var outcomes: [ModelCalibration.Outcome] = []
        let digest = try ModelCalibration(pass, settings).run(wanted: { _ in true }) { if $0.isOfExperts { outcomes.append($0) } }
        return (outcomes, digest)
    }

    /// Every matrix is what a layer with these inputs would get by itself: by feedback where there are tokens enough, by scales alone where
    /// there are few, else the nearest codes; and what is not better on held-out rows is not taken.
    @Test(arguments: mixtures, [4, 12])
    func codesAreThoseOfLayersWithSuchInputs(name: String, windows: Int) throws {
        let pass = try Self.pass(name, windows: windows), engine = pass.engine
        let settings = try QuantizationSettings(quantType: .nf4, blockSize: 64, isDoubleQuantized: false)
        let quantizer = CalibratedQuantizer(settings, engine: engine)
        let found = try Self.outcomes(pass, settings).outcomes
        var numbers: [String: Int] = [:]
        for (number, outcome) in found.enumerated() { numbers[outcome.tensor.name] = number }
        var choices: Set<ModelCalibration.Choice> = []
        for group in try Self.groups(pass) {
            for (tensor, experts) in group.tensors {
                let outcome = found[try #require(numbers[tensor.name])], elements = try Self.elements(pass, tensor)
                let size = elements.count / experts.count
                #expect(outcome.matrices.count == experts.count)
                for (place, expert) in experts.enumerated() {
                    let matrix = outcome.matrices[place], count = group.tokenCount(ofExpert: expert)
                    #expect(matrix.tokenCount == count)
                    let weight = Array(elements[place * size..<(place + 1) * size])
                    let nearest = try #require(weight.withUnsafeBufferPointer { FourBitWeight(nearest: $0, settings) })
                    let best: FourBitWeight? = weight.withUnsafeBufferPointer { weight in
                        if count >= group.width {
                            return group.moments(ofExpert: expert, engine).flatMap { quantizer.inputs($0) }
                                .flatMap { quantizer.quantize(weight, $0) }
                        }
                        guard count >= 32 else { return nil }
                        let h = group.diagonal(ofExpert: expert), mean = h.reduce(0, +) / Double(h.count)
                        return quantizer.quantize(weight, importance: h.map { $0 + 0.02 * mean })
                    }
                    let judge = OutputError(on: group.heldOut(ofExpert: expert), engine: engine)
                    func error(_ quantized: FourBitWeight) -> Double {
                        weight.withUnsafeBufferPointer { judge.squares(of: quantized, settings, against: $0, columns: group.width) }
                    }
                    let isBetter = best.map { error($0) < error(nearest) } ?? false
                    let expected = isBetter ? best ?? nearest : nearest
                    #expect(matrix.choice == (isBetter ? (count >= group.width ? .calibrated : .searched) : .nearest))
                    #expect(outcome.weight.codes[place * size / 2..<(place + 1) * size / 2] == expected.codes[...])
                    #expect(outcome.weight.absmax[place * size / 64..<(place + 1) * size / 64] == expected.absmax[...])
                    choices.insert(matrix.choice)
                }
            }
        }
        #expect(windows == 4 ? choices.contains(.searched) || choices.contains(.nearest) : choices.contains(.calibrated))
    }

    /// Matrices of one tensor share what their constants are quantized with: codes are chosen by what readers will see.
    @Test(arguments: ["granitemoe", "llama4"])
    func codesOfStacksAreChosenByRestoredScales(name: String) throws {
        let pass = try Self.pass(name, windows: 8), engine = pass.engine, quantizer = CalibratedQuantizer(engine: engine)
        let found = try Self.outcomes(pass).outcomes
        for group in try Self.groups(pass) {
            let tensor = group.tensors[0].tensor, outcome = try #require(found.first { $0.tensor.name == tensor.name })
            let restored = try #require(FourBitWeight.restored(outcome.weight.absmax, .standard))
            #expect(outcome.weight.restored == restored && restored != outcome.weight.absmax)
            let elements = try Self.elements(pass, tensor), size = elements.count / group.expertCount
            for (expert, matrix) in outcome.matrices.enumerated() where matrix.choice == .calibrated {
                let own = expert * size..<(expert + 1) * size, scales = Array(restored[own.lowerBound / 64..<own.upperBound / 64])
                let passing = try #require(group.moments(ofExpert: expert, engine).flatMap { quantizer.inputs($0)?.passing })
                let codes = elements[own].withUnsafeBufferPointer { quantizer.codes(of: $0, scales, passing) }
                #expect(outcome.weight.codes[own.lowerBound / 2..<own.upperBound / 2] == codes[...])
            }
            #expect(outcome.matrices.contains { $0.choice == .calibrated } || group.width > 100)
            #expect((outcome.errors.calibrated ?? 1) < outcome.errors.plain)
        }
    }

    @Test(arguments: ["granitemoe", "qwen3_moe"])
    func bytesAreTheSameForAnyThreadsAndLevel(name: String) throws {
        func content(_ threads: Int, _ level: qk_simd) throws -> ([[UInt8]], [[Float]], String) {
            let found = try Self.outcomes(Self.pass(name, threads: threads, level: level))
            return (found.outcomes.map(\.weight.codes), found.outcomes.map(\.weight.absmax), found.digest)
        }
        let expected = try content(2, qk_simd_best())
        for (threads, level) in levels.map({ (1, $0) }) + [(3, qk_simd_best())] { #expect(try content(threads, level) == expected) }
    }

    /// What a finished layer left is taken up again, experts included.
    @Test(arguments: ["granitemoe", "mixtral"])
    func goesOnAfterAFinishedLayer(name: String) throws {
        struct Stop: Error {}
        let folder = try TemporaryFolder(), calibration = ModelCalibration(try Self.pass(name), .standard)
        func rows(_ outcome: ModelCalibration.Outcome) -> String {
            "\(outcome.tensor.name) \(outcome.matrices) \(outcome.errors) \(CRC32C(of: outcome.weight.codes)) \(outcome.isOfExperts)"
        }
        var whole: [String] = []
        let digest = try calibration.run(wanted: { _ in true }) { whole.append(rows($0)) }
        var count = 0
        #expect(throws: Stop.self) {
            let journal = try CalibrationJournal(folder: folder.path("layers"), identity: "a")
            _ = try calibration.run(wanted: { _ in true }, journal: journal) { outcome in
                count += outcome.tensor.name.contains("layers.1") ? 1 : 0
                if count > 5 { throw Stop() }
            }
        }
        let journal = try CalibrationJournal(folder: folder.path("layers"), identity: "a")
        #expect(journal.finishedCount == 1)
        var again: [String] = []
        #expect(try calibration.run(wanted: { _ in true }, journal: journal) { again.append(rows($0)) } == digest)
        #expect(again == whole)
    }

    /// Every row that experts see is kept: as many as tokens by experts that each asks.
    @Test func memoryCountsWhatExpertsSee() throws {
        let model = try layeredModel(Fixture.mixture("mixtral"))
        let samples = Self.samples(model), memory = CalibrationMemory(model, samples)
        let description = model.configuration, parts = description.layers[0]
        let width = description.width, inner = parts.feedForward.innerWidth
        let own = 4 * samples.heldOutCount * (width + parts.attention.queryWidth)
        #expect(memory.heldOut == own + 4 * samples.tokenCount * 2 * (width + inner))
        let stored = model.checkpoint.tensors.filter {
            $0.name.contains("layers.0.") && $0.shape.dimensions.count == 2 && !$0.name.contains("gate.w")
        }
        #expect(memory.weights >= stored.reduce(0) { $0 + $1.storedByteCount(in: model.checkpoint.source) })
    }
}
