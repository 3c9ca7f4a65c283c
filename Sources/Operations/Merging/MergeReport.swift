import JSONText
import Platform

/// What became of the adapters in a merge, tensor by tensor.
package struct MergeReport: Sendable {
    /// How much of a delta is in the merged weight, and how much else.
    package struct Measures: Sendable, Hashable {
        package let elementCount: Int
        /// ||D|| / ||W||
        package let deltaRatio: Double
        /// <W' - W, D> / <D, D>: 1 where all of the delta arrived, 0 where none did; 1 of a delta that is zero.
        package let survival: Double
        /// Norm of what changed besides: ||(W' - W) - survival * D|| / ||D||; 0 of a delta that is zero.
        package let noise: Double
        /// Codes of a 4-bit weight, or elements of a dense one, that are others than before; nil where the two are of other forms.
        package let changedShare: Double?
        /// ||W' - (W + D)|| / ||W + D||
        package let relativeRMSE: Double

        init(_ sums: MergeSums, elementCount: Int, changedCount: Int?) {
            self.elementCount = elementCount
            deltaRatio = sums.delta == 0 ? 0 : (sums.delta / sums.base).squareRoot()
            survival = sums.delta == 0 ? 1 : sums.changeTimesDelta / sums.delta
            let rest = max(0, sums.change - sums.changeTimesDelta * survival)
            noise = sums.delta == 0 ? 0 : (rest / sums.delta).squareRoot()
            changedShare = changedCount.map { elementCount == 0 ? 0 : Double($0) / Double(elementCount) }
            relativeRMSE = sums.error == 0 ? 0 : (sums.error / sums.target).squareRoot()
        }
    }

    /// What was found of a weight that was brought to the delta by flips, on inputs that had no part in them.
    package struct Flips: Sendable, Hashable {
        /// <(W' - W) X, D X> / <D X, D X>
        package let survival: Double
        /// |(W' - W - D) X| / |D X|
        package let error: Double
        /// How much the effect was wanted against noise, and how much of it was aimed at on the inputs that codes were flipped by; of a tensor of
        /// several experts, the most of them.
        package let mu: Double
        package let aim: Double
        /// `Measures.survival` if it had been quantized again.
        package let requantized: Double

        /// - Parameter sums: nil where there were no inputs to measure on, as no token of them asked the experts: no more is promised then
        ///   than quantizing again gives.
        init(_ sums: ActivationSums?, mu: Double, aim: Double, requantized: Double) {
            survival = sums?.survival ?? requantized
            error = sums?.relativeError ?? 1
            self.mu = mu
            self.aim = aim
            self.requantized = requantized
        }
    }

    /// What was found of a weight that was quantized by what its inputs are, on inputs that had no part in it: root of
    /// |(W' - (W + D)) X|^2 / |(W + D) X|^2.
    package struct Calibration: Sendable, Hashable {
        package let error: Double
        /// Of the nearest codes; these were taken where they are as good.
        package let nearestError: Double
    }

    package struct Row: Sendable {
        package let name: String
        /// `LoRA, rank 16`
        package let change: String
        /// `NF4`, `BF16`: what the merged tensor is.
        package let typeName: String
        package let measures: Measures
        /// Nil where it was not flipped.
        package let flips: Flips?
        /// Nil where it was not quantized so.
        package let calibration: Calibration?

        /// Of the delta's effect where that was measured, else of the delta itself.
        package var survival: Double { flips?.survival ?? measures.survival }
    }

    /// Of the weights that were flipped, all with the same weight: what is left of the effect at the mean, and at the least.
    package struct FlipTotal: Sendable, Hashable {
        package let count: Int
        package let survival: Double
        package let leastSurvival: Double
        package let error: Double
        package let requantized: Double
    }

    /// In the natural order of their names.
    package let rows: [Row]
    /// Of all changed tensors together.
    package let total: Measures

    /// Nil where nothing was flipped.
    package var flips: FlipTotal? {
        let found = rows.compactMap(\.flips)
        guard !found.isEmpty else { return nil }
        func mean(_ value: (Flips) -> Double) -> Double { found.reduce(0) { $0 + value($1) } / Double(found.count) }
        return FlipTotal(
            count: found.count, survival: mean(\.survival), leastSurvival: found.map(\.survival).min() ?? 0, error: mean(\.error),
            requantized: mean(\.requantized))
    }

    /// What the lineage keeps; every number to six digits, so that the file does not depend on how sums were rounded.
    var document: JSONValue {
        .object(["total": Self.document(total), "tensors": .array(rows.map { Self.document($0.measures, $0) })])
    }

    /// Of weights that were quantized by what their inputs are: how many, and the geometric mean of their errors as shares of those of
    /// the nearest codes; nil where there are none.
    package var calibration: (count: Int, ratio: Double)? {
        let found = rows.compactMap(\.calibration)
        guard !found.isEmpty else { return nil }
        let logarithms = found.map { $0.nearestError > 0 && $0.error > 0 ? log($0.error / $0.nearestError) : 0 }
        return (found.count, exp(logarithms.reduce(0, +) / Double(found.count)))
    }

    private static func document(_ measures: Measures, _ row: Row? = nil) -> JSONValue {
        var object = JSONObject()
        if let row {
            object["name"] = .string(row.name)
            object["change"] = .string(row.change)
        }
        object["delta_ratio"] = rounded(measures.deltaRatio)
        object["survival"] = rounded(measures.survival)
        object["noise"] = rounded(measures.noise)
        if let share = measures.changedShare { object["changed_share"] = rounded(share) }
        object["relative_rmse"] = rounded(measures.relativeRMSE)
        if let flips = row?.flips {
            object["mu"] = .double(flips.mu)
            object["aim"] = rounded(flips.aim)
            object["activation_survival"] = rounded(flips.survival)
            object["activation_error"] = rounded(flips.error)
            object["requantized_survival"] = rounded(flips.requantized)
        }
        if let calibration = row?.calibration {
            object["activation_error"] = rounded(calibration.error)
            object["nearest_activation_error"] = rounded(calibration.nearestError)
        }
        return .object(object)
    }

    private static func rounded(_ value: Double) -> JSONValue {
        guard value.isFinite, value != 0 else { return .double(value) }
        let digits = Int(floor(log10(value.magnitude)))
        guard abs(digits) < 200 else { return .double(value) }
        // Both powers are exact up to 10^22; beyond, the last digits are what they are on every machine with this C library.
        let scale = pow(10, Double(5 - digits))
        return .double((value * scale).rounded() / scale)
    }

    /// A document as long as any of the same tensors.
    ///
    /// - Parameter isMeasured: whether more may be known of a weight of this name.
    static func placeholder(names: [(name: String, change: String)], isMeasured: (String) -> Bool) -> JSONValue {
        func numbers(_ object: JSONObject, isMeasured: Bool = false) -> JSONValue {
            var object = object
            let measured = ["mu", "aim", "activation_survival", "activation_error", "requantized_survival", "nearest_activation_error"]
            let keys = ["delta_ratio", "survival", "noise", "changed_share", "relative_rmse"]
            for key in keys + (isMeasured ? measured : []) {
                object[key] = .double(-1.797_693_134_862_315_7e+307)
            }
            return .object(object)
        }
        return .object([
            "total": numbers(JSONObject()),
            "tensors": .array(
                names.map {
                    numbers(JSONObject(["name": .string($0.name), "change": .string($0.change)]), isMeasured: isMeasured($0.name))
                }),
        ])
    }
}
