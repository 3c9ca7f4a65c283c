import Architectures
package import Calibration
import Checkpoints
import ModelLoading
import Platform
package import Streaming
import TensorCore

/// What calibrating has made of the weights of a model.
package struct CalibrationReport: Sendable {
    package struct Row: Sendable {
        package let name: String
        package let errors: ModelCalibration.Errors
        package let isCalibrated: Bool
        /// One, or one for each expert in the tensor.
        package let matrices: [ModelCalibration.Matrix]
        package let isOfExperts: Bool
        package let elementCount: Int

        package init(_ outcome: ModelCalibration.Outcome) {
            name = outcome.tensor.name
            errors = outcome.errors
            isCalibrated = outcome.isCalibrated
            matrices = outcome.matrices
            isOfExperts = outcome.isOfExperts
            elementCount = outcome.tensor.elementCount
        }
    }

    /// In the order of the forward pass.
    package let rows: [Row]
    /// Of all moments; nil where none were made.
    package let momentsDigest: String?
    /// Weights that were quantized as they always are: not of linear layers that are run.
    package let unreachedCount: Int

    /// The geometric mean of calibrated errors over plain ones, of those weights that are calibrated; nil where none is.
    package var meanRatio: Double? {
        let ratios = rows.compactMap { row in
            row.isCalibrated && row.errors.plain > 0 ? row.errors.calibrated.map { $0 / row.errors.plain } : nil
        }
        guard !ratios.isEmpty else { return nil }
        return exp(ratios.reduce(0) { $0 + log($1) } / Double(ratios.count))
    }

    package var calibratedCount: Int { rows.count { $0.isCalibrated } }

    /// Matrices of experts, by how their codes were chosen.
    package func expertCount(_ choice: ModelCalibration.Choice) -> Int {
        rows.reduce(0) { $0 + ($1.isOfExperts ? $1.matrices.count { $0.choice == choice } : 0) }
    }
}

/// How codes are chosen for all of a weight at once: by calibration, or by an imatrix.
package struct ConversionCalibration {
    /// Hands out what becomes of the weights of these names, always in the same order; returns the digest of all moments.
    private let choose: (_ names: Set<String>, _ body: (ModelCalibration.Outcome) throws -> Void) throws -> String?
    /// Where finished layers are kept, and found; its folder goes when the file is complete.
    package let journal: CalibrationJournal?
    /// Weights that are chosen, by name; more than the plan quantizes, where a budget keeps some of them.
    package let names: Set<String>
    /// What was chosen before the plan was made; nil where that is still to be done.
    private var chosen: (outcomes: [ModelCalibration.Outcome], digest: String?)?

    /// By calibration.
    ///
    /// - Parameters:
    ///   - importance: takes what layers see; nil where nobody asks for it.
    ///   - progress: told of each layer that is done.
    package init(
        _ model: ModelCalibration, of names: Set<String>, journal: CalibrationJournal? = nil, importance: ImportanceMatrix? = nil,
        progress: @escaping () -> Void = {}
    ) {
        self.names = names
        self.journal = journal
        choose = { names, body in
            try model.run(
                wanted: { names.contains($0) }, journal: journal, observer: { importance?.add($0) }, progress: progress, body)
        }
    }

    /// By an imatrix.
    ///
    /// - Parameter progress: told of each weight that is done.
    package init(_ search: ImportanceSearch, of names: Set<String>, progress: @escaping () -> Void = {}) {
        self.names = names
        journal = nil
        choose = { names, body in
            try search.run(wanted: { names.contains($0) }, progress: progress, body)
            return nil
        }
    }

    /// Chooses all codes and holds on to them, some 0.6 bytes for each weight.
    package func choosing() throws -> ConversionCalibration {
        var outcomes: [ModelCalibration.Outcome] = []
        let digest = try run { outcomes.append($0) }
        var result = self
        result.chosen = (outcomes, digest)
        return result
    }

    /// Where all codes were chosen, what became of each weight, by name.
    package var outcomes: [String: ModelCalibration.Outcome] {
        Dictionary((chosen?.outcomes ?? []).map { ($0.tensor.name, $0) }) { first, _ in first }
    }

    /// Hands out what becomes of each weight, in the order of the forward pass; returns the digest of all moments.
    func run(_ body: (ModelCalibration.Outcome) throws -> Void) throws -> String? {
        if let chosen {
            for outcome in chosen.outcomes { try body(outcome) }
            return chosen.digest
        }
        return try choose(names, body)
    }
}

extension ConversionPlan {
    /// Items that are to be quantized, of tensors of these names.
    func quantizedItems(_ names: Set<String>) -> [String: Int] {
        var result: [String: Int] = [:]
        for (index, item) in items.enumerated() where names.contains(item.tensor.name) {
            if case .quantize = item.step { result[item.tensor.name] = index }
        }
        return result
    }

    /// Weights of linear layers, experts included, that a calibration would choose the codes of: items by the names of their tensors.
    ///
    /// - Throws: where there are none.
    package func calibratedItems(_ calibration: ModelCalibration) throws(OperationError) -> [String: Int] {
        let model = calibration.pass.model
        let description = model.configuration
        let reached = Set((description.linearWeights + description.expertWeights).map { model.weight(of: $0.key).name })
        let result = quantizedItems(reached)
        guard !result.isEmpty else {
            throw OperationError(
                "\(checkpoint.path): there is nothing to calibrate: no weight of a linear layer is to be quantized",
                hint: "a model that is 4-bit already is repacked as it is: start from the one before")
        }
        return result
    }
}
