import Checkpoints
import Quantization
import TensorCore

/// Chooses the codes of one tensor: the weight of a linear layer, or the matrices of all experts of a layer.
///
/// The matrices of a tensor share its constants, which are quantized together: what readers will see of one's scales is known only when
/// those of all are chosen. So scales come first, then codes by what readers will see; where a matrix keeps the nearest codes after all,
/// the scales of the others are restored anew, and their codes chosen once more.
struct WeightCalibration {
    typealias Choice = ModelCalibration.Choice

    /// A matrix [out, in] of the tensor, and what is known of its inputs.
    struct Matrix {
        /// At best.
        let choice: Choice
        /// h, damped; asked for unless the nearest codes are chosen.
        let importance: () -> [Double]
        /// Asked for where codes are chosen by feedback.
        let passing: () -> [PassingMatrix]?
        let judge: () -> OutputError
    }

    struct Result {
        let weight: FourBitWeight
        let errors: ModelCalibration.Errors
        /// Of each matrix.
        let choices: [Choice]
    }

    let quantizer: CalibratedQuantizer
    /// in.
    let columns: Int
    let elementCount: Int
    let matrices: [Matrix]
    /// Elements of the tensor in the order of [out, in], finite.
    let values: (Range<Int>) throws -> [Float]

    private typealias NearestCodes = (codes: [UInt8], absmax: [Float])

    private var settings: QuantizationSettings { quantizer.settings }
    private var matrixCount: Int { elementCount / matrices.count }

    private func elements(_ number: Int) -> Range<Int> { number * matrixCount..<(number + 1) * matrixCount }

    private func blocks(_ number: Int) -> Range<Int> {
        guard matrices.count > 1 else { return 0..<(elementCount + settings.blockSize - 1) / settings.blockSize }
        return number * (matrixCount / settings.blockSize)..<(number + 1) * (matrixCount / settings.blockSize)
    }

    /// - Returns: nil where the constants cannot be quantized.
    func run() throws -> Result? {
        precondition(matrices.count == 1 || matrixCount % settings.blockSize == 0, "a block belongs to one matrix")
        // Of one matrix there is room for all of it.
        let whole = matrices.count == 1 ? try values(0..<elementCount) : nil
        func weight(_ number: Int) throws -> [Float] { try whole ?? values(elements(number)) }

        var nearest: [NearestCodes] = [], scales: [Float] = []
        for (number, matrix) in matrices.enumerated() {
            let weight = try weight(number)
            guard let codes = weight.withUnsafeBufferPointer({ FourBitWeight.nearest(to: $0, settings) }) else { return nil }
            nearest.append(codes)
            scales +=
                matrix.choice == .nearest
                ? codes.absmax : weight.withUnsafeBufferPointer { quantizer.scales(of: $0, matrix.importance()) }
        }
        let absmax = nearest.flatMap(\.absmax)
        guard let plain = FourBitWeight.restored(absmax, settings) else { return nil }
        guard matrices.contains(where: { $0.choice != .nearest }), let seen = FourBitWeight.restored(scales, settings) else {
            return try unchosen(nearest, absmax, plain, weight)
        }
        var (choices, codes, sums) = (matrices.map(\.choice), nearest.map(\.codes), Sums())
        for (number, matrix) in matrices.enumerated() {
            let weight = try weight(number), judge = matrix.judge()
            let all = judge.squares(of: weight, columns: columns)
            let plainError = error(nearest[number].codes, absmax, plain, number, judge, weight)
            sums.all += all
            sums.plain += plainError
            guard matrix.choice != .nearest else {
                sums.chosen += error(codes[number], scales, seen, number, judge, weight)
                continue
            }
            let chosen = self.codes(of: weight, number, seen)
            let chosenError = error(chosen, scales, seen, number, judge, weight)
            sums.chosen += chosenError
            if Sums.share(chosenError, of: all) < Sums.share(plainError, of: all) {
                codes[number] = chosen
            } else {
                choices[number] = .nearest
            }
        }
        let lost = matrices.indices.filter { choices[$0] != matrices[$0].choice }
        guard !lost.isEmpty else {
            return Result(
                weight: .init(codes: codes.flatMap { $0 }, absmax: scales, restored: seen), errors: sums.errors, choices: choices)
        }
        guard choices.contains(where: { $0 != .nearest }) else {
            return Result(
                weight: .init(codes: nearest.flatMap(\.codes), absmax: absmax, restored: plain), errors: sums.errors, choices: choices)
        }
        for number in lost { scales.replaceSubrange(blocks(number), with: absmax[blocks(number)]) }
        return try chooseAgain(scales, choices, nearest, sums, weight)
    }

    /// All codes by scales that are settled.
    private func chooseAgain(
        _ scales: [Float], _ choices: [Choice], _ nearest: [NearestCodes], _ earlier: Sums, _ weight: (Int) throws -> [Float]
    ) throws -> Result? {
        guard let seen = FourBitWeight.restored(scales, settings) else { return nil }
        var (codes, sums): ([UInt8], Sums) = ([], earlier)
        sums.chosen = 0
        for (number, choice) in choices.enumerated() {
            let weight = try weight(number)
            let chosen = choice == .nearest ? nearest[number].codes : self.codes(of: weight, number, seen)
            sums.chosen += error(chosen, scales, seen, number, matrices[number].judge(), weight)
            codes += chosen
        }
        return Result(weight: .init(codes: codes, absmax: scales, restored: seen), errors: sums.errors, choices: choices)
    }

    /// The nearest codes of everything.
    private func unchosen(
        _ nearest: [NearestCodes], _ absmax: [Float], _ restored: [Float], _ weight: (Int) throws -> [Float]
    ) throws -> Result {
        var sums = Sums()
        for (number, matrix) in matrices.enumerated() {
            let weight = try weight(number), judge = matrix.judge()
            sums.all += judge.squares(of: weight, columns: columns)
            sums.plain += error(nearest[number].codes, absmax, restored, number, judge, weight)
        }
        return Result(
            weight: .init(codes: nearest.flatMap(\.codes), absmax: absmax, restored: restored),
            errors: .init(calibrated: nil, plain: Sums.share(sums.plain, of: sums.all)), choices: matrices.map { _ in .nearest })
    }

    private func codes(of weight: [Float], _ number: Int, _ restored: [Float]) -> [UInt8] {
        let own = Array(restored[blocks(number)])
        return weight.withUnsafeBufferPointer { weight in
            guard matrices[number].choice == .calibrated, let passing = matrices[number].passing() else {
                return quantizer.nearestCodes(of: weight, own)
            }
            return quantizer.codes(of: weight, own, passing)
        }
    }

    private func error(
        _ codes: [UInt8], _ absmax: [Float], _ restored: [Float], _ number: Int, _ judge: OutputError, _ weight: [Float]
    ) -> Double {
        let own = blocks(number)
        let quantized = FourBitWeight(codes: codes, absmax: Array(absmax[own]), restored: Array(restored[own]))
        return weight.withUnsafeBufferPointer { judge.squares(of: quantized, settings, against: $0, columns: columns) }
    }

    /// Of squares, over all matrices.
    private struct Sums {
        var all = 0.0
        var plain = 0.0
        var chosen = 0.0

        static func share(_ error: Double, of all: Double) -> Double { all > 0 ? (error / all).squareRoot() : 0 }

        var errors: ModelCalibration.Errors { .init(calibrated: Self.share(chosen, of: all), plain: Self.share(plain, of: all)) }
    }
}

extension OutputError {
    fileprivate func squares(of weight: [Float], columns: Int) -> Double {
        weight.withUnsafeBufferPointer { squares(of: $0, columns: columns) }
    }
}
