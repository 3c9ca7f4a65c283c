import Architectures
package import Calibration
import Checkpoints
import Glibc
import ModelLoading
package import Streaming
import TensorCore

/// What calibrating has made of the weights of a model.
package struct CalibrationReport: Sendable {
    package struct Row: Sendable {
        package let name: String
        package let errors: ModelCalibration.Errors
        package let isCalibrated: Bool
        package let elementCount: Int

        package init(_ outcome: ModelCalibration.Outcome) {
            name = outcome.tensor.name
            errors = outcome.errors
            isCalibrated = outcome.isCalibrated
            elementCount = outcome.tensor.elementCount
        }
    }

    /// In the order of the forward pass.
    package let rows: [Row]
    /// Of all moments.
    package let momentsDigest: String
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
}

/// A conversion's calibration: how it is done, and whom to tell.
package struct ConversionCalibration {
    package let model: ModelCalibration
    /// Where finished layers are kept, and found; its folder goes when the file is complete.
    package let journal: CalibrationJournal?
    /// Takes what layers see; nil where nobody asks for it.
    package let importance: ImportanceMatrix?
    /// Told of each layer that is done.
    package let progress: () -> Void
    /// Weights that are chosen, by name; more than the plan quantizes, where a budget keeps some of them.
    package let names: Set<String>
    /// What was chosen before the plan was made; nil where that is still to be done.
    private var chosen: (outcomes: [ModelCalibration.Outcome], digest: String)?

    package init(
        _ model: ModelCalibration, of names: Set<String>, journal: CalibrationJournal? = nil, importance: ImportanceMatrix? = nil,
        progress: @escaping () -> Void = {}
    ) {
        self.model = model
        self.names = names
        self.importance = importance
        self.journal = journal
        self.progress = progress
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
    func run(_ body: (ModelCalibration.Outcome) throws -> Void) throws -> String {
        if let chosen {
            for outcome in chosen.outcomes { try body(outcome) }
            return chosen.digest
        }
        return try model.run(
            wanted: { names.contains($0) }, journal: journal, observer: { importance?.add($0) }, progress: progress, body)
    }
}

extension ConversionPlan {
    /// Weights of linear layers that a calibration would choose the codes of: items by the names of their tensors.
    ///
    /// - Throws: where there are none.
    package func calibratedItems(_ calibration: ModelCalibration) throws(OperationError) -> [String: Int] {
        let model = calibration.pass.model
        let reached = Set(model.configuration.linearWeights.map { model.weight(ofModule: $0.module).name })
        var result: [String: Int] = [:]
        for (index, item) in items.enumerated() where reached.contains(item.tensor.name) {
            if case .quantize = item.step { result[item.tensor.name] = index }
        }
        guard !result.isEmpty else {
            throw OperationError(
                "\(checkpoint.path): there is nothing to calibrate: no weight of a linear layer is to be quantized",
                hint: "a model that is 4-bit already is repacked as it is: start from the one before")
        }
        return result
    }
}
