import ByteIO
package import Checkpoints
import ModelLoading
package import Quantization
import TensorCore

/// Chooses the codes of all linear layers of a model by what their inputs are on a text, layer by layer.
package struct ModelCalibration {
    /// What becomes of a weight.
    package struct Outcome {
        /// The tensor of the checkpoint that is quantized.
        package let tensor: LogicalTensor
        package let weight: FourBitWeight
        package let errors: Errors
        /// Of a linear layer one; of a tensor that holds the matrices of all experts as many.
        package let matrices: [Matrix]
        /// Whether they are of experts, which see a part of the tokens.
        package let isOfExperts: Bool

        /// Whether any code is another than the nearest one of a true scale: these stay where others are no better on the tokens held out.
        package var isCalibrated: Bool { matrices.contains { $0.choice != .nearest } }
    }

    /// How the codes of a matrix were chosen.
    package enum Choice: String, Sendable, Hashable {
        /// By feedback, of scales that were searched for by what inputs matter.
        case calibrated
        /// The nearest ones, of such scales: of inputs too few are known for feedback.
        case searched
        /// The nearest ones, of the true scales.
        case nearest
    }

    package struct Matrix: Sendable, Hashable {
        package let choice: Choice
        /// That it was chosen by.
        package let tokenCount: Int

        package init(_ choice: Choice, tokenCount: Int) {
            self.choice = choice
            self.tokenCount = tokenCount
        }
    }

    /// Errors of a layer's outputs on held-out tokens, as shares of the outputs: root of |X (Q - W)'|^2 / |X W'|^2.
    package struct Errors: Sendable, Hashable {
        /// Of calibrated codes; nil where there are none.
        package let calibrated: Double?
        /// Of the nearest codes.
        package let plain: Double
    }

    /// Tokens that an expert has to see, or its codes are the nearest ones.
    static let leastTokenCount = 32
    /// Tokens for each of its inputs that an expert has to see for feedback: of fewer the moments say too little of how inputs go
    /// together.
    static let tokensForEachInput = 1

    package let pass: CalibrationPass
    package let quantizer: CalibratedQuantizer

    package init(_ pass: CalibrationPass, _ settings: QuantizationSettings, damping: Double = CalibratedQuantizer.defaultDamping) {
        self.pass = pass
        quantizer = CalibratedQuantizer(settings, damping: damping, engine: pass.engine)
    }

    /// Hands out every wanted weight, in the order of the forward pass.
    ///
    /// - Parameters:
    ///   - wanted: the tensors that are to be quantized, by name.
    ///   - journal: what was done before, and where what is done now is kept.
    ///   - observer: is shown the moments of all layers that are run now.
    ///   - progress: told of each layer that is done.
    /// - Returns: `sha256:...` of all moments, those of weights that are not wanted included.
    package func run(
        wanted: (String) -> Bool, journal: CalibrationJournal? = nil, observer: (CalibrationInputs) -> Void = { _ in },
        progress: () -> Void = {}, _ body: (Outcome) throws -> Void
    ) throws -> String {
        let checkpoint = pass.model.checkpoint
        return try run(
            wanted: wanted, values: { try checkpoint.reader(of: $0, order: .outputsByInputs).elements($1) }, journal: journal,
            observer: observer, progress: progress, body)
    }

    /// The same of other weights than those that are run.
    ///
    /// - Parameter values: elements of what a tensor is to hold, in the order of [out, in].
    package func run(
        wanted: (String) -> Bool, values: (LogicalTensor, Range<Int>) throws -> [Float], journal: CalibrationJournal? = nil,
        observer: (CalibrationInputs) -> Void = { _ in }, progress: () -> Void = {}, _ body: (Outcome) throws -> Void
    ) throws -> String {
        var digest = SHA256()
        for layer in 0..<(journal?.finishedCount ?? 0) {
            for line in try replay(layer, of: journal, wanted, body) { digest.append(Array(line.utf8)) }
            progress()
        }
        let start = journal.flatMap { journal in
            journal.finishedCount > 0 ? CalibrationPass.Start(layer: journal.finishedCount) { try journal.readStates(into: $0) } : nil
        }
        var (lines, kept): ([String], [CalibrationJournal.Layer.Weight]) = ([], [])
        func deal(with outcome: Outcome) throws {
            if journal != nil { kept.append(.init(outcome)) }
            try body(outcome)
        }
        try pass.run(from: start) { layer, states in
            try journal?.add(layer, .init(lines: lines, weights: kept), states: states)
            for line in lines { digest.append(Array(line.utf8)) }
            (lines, kept) = ([], [])
            progress()
        } experts: { group in
            observer(.experts(group))
            lines += group.digestLines
            for tensor in group.tensors where wanted(tensor.tensor.name) {
                try deal(with: outcome(of: tensor.tensor, tensor.experts.map { matrix(of: group, expert: $0) }, isOfExperts: true, values))
            }
        } _: { group in
            observer(.all(group))
            lines += group.moments.matrices.map { "\(group.layer) \(group.modules[0].name) \($0.checksum)\n" }
            let modules = group.modules.filter { wanted($0.weight.name) }
            guard !modules.isEmpty else { return }
            let matrix = matrix(of: group.moments)
            for module in modules { try deal(with: outcome(of: module.weight, [matrix], isOfExperts: false, values)) }
        }
        return "sha256:" + digest.finish()
    }

    /// What is known of a matrix that sees every token.
    private func matrix(of moments: InputMoments) -> KnownMatrix {
        let inputs = quantizer.inputs(moments), judge = OutputError(on: moments, engine: pass.engine)
        return KnownMatrix(
            matrix: .init(
                choice: inputs == nil ? .nearest : .calibrated, importance: { inputs?.importance ?? [] }, passing: { inputs?.passing },
                judge: { judge }),
            tokenCount: moments.tokenCount)
    }

    /// What is known of a matrix of an expert.
    private func matrix(of group: ExpertGroup, expert: Int) -> KnownMatrix {
        let count = group.tokenCount(ofExpert: expert), engine = pass.engine, damping = quantizer.damping
        let choice: Choice =
            count < Self.leastTokenCount || !group.hasInputs(ofExpert: expert)
            ? .nearest : count < group.width * Self.tokensForEachInput ? .searched : .calibrated
        return KnownMatrix(
            matrix: .init(
                choice: choice,
                importance: {
                    let diagonal = group.diagonal(ofExpert: expert)
                    let added = damping * (diagonal.reduce(0, +) / Double(diagonal.count))
                    return diagonal.map { $0 + added }
                },
                passing: {
                    group.moments(ofExpert: expert, engine).flatMap { PassingMatrix.ofChunks(of: $0, damping: damping, engine: engine) }
                },
                judge: { OutputError(on: group.heldOut(ofExpert: expert), engine: engine) }),
            tokenCount: count)
    }

    private struct KnownMatrix {
        let matrix: WeightCalibration.Matrix
        let tokenCount: Int
    }

    /// Hands out the weights of a layer that was done before; returns what the digest is made of.
    private func replay(
        _ number: Int, of journal: CalibrationJournal?, _ wanted: (String) -> Bool, _ body: (Outcome) throws -> Void
    ) throws -> [String] {
        guard let journal else { return [] }
        let layer = try journal.layer(number), checkpoint = pass.model.checkpoint, settings = quantizer.settings
        for weight in layer.weights {
            guard wanted(weight.name), let tensor = checkpoint.tensors.first(where: { $0.name == weight.name }),
                weight.codes.count == (tensor.elementCount + 1) / 2,
                weight.absmax.count == (tensor.elementCount + settings.blockSize - 1) / settings.blockSize,
                let restored = FourBitWeight.restored(weight.absmax, settings)
            else { throw FileError(journal.folder, "its weight '\(weight.name)' is not one that is to be calibrated") }
            try body(
                Outcome(
                    tensor: tensor, weight: FourBitWeight(codes: weight.codes, absmax: weight.absmax, restored: restored),
                    errors: weight.errors, matrices: weight.matrices, isOfExperts: weight.isOfExperts))
        }
        return layer.lines
    }

    private func outcome(
        of tensor: LogicalTensor, _ known: [KnownMatrix], isOfExperts: Bool, _ values: (LogicalTensor, Range<Int>) throws -> [Float]
    ) throws -> Outcome {
        let checkpoint = pass.model.checkpoint
        let columns = try checkpoint.reader(of: tensor, order: .outputsByInputs).columns
        let result = try withoutActuallyEscaping(values) { values in
            try WeightCalibration(
                quantizer: quantizer, columns: columns, elementCount: tensor.elementCount, matrices: known.map(\.matrix)
            ) { range in
                let elements = try values(tensor, range)
                try requireFinite(elements, from: range.lowerBound, of: tensor)
                return elements
            }.run()
        }
        guard let result else {
            throw FileError(
                checkpoint.path, at: "tensor '\(tensor.name)'", "its constants cannot be quantized: their mean is not finite",
                hint: "its values are too large to be averaged; use `plainConstants`")
        }
        return Outcome(
            tensor: tensor, weight: result.weight, errors: result.errors,
            matrices: zip(result.choices, known).map { Matrix($0, tokenCount: $1.tokenCount) }, isOfExperts: isOfExperts)
    }

    private func requireFinite(_ elements: [Float], from start: Int, of tensor: LogicalTensor) throws(FileError) {
        let first = elements.withUnsafeBytes { FiniteScan.firstNonfinite(RawSpan(_unsafeBytes: $0), of: .f32) }
        guard let first else { return }
        throw FileError(
            pass.model.checkpoint.path, at: "tensor '\(tensor.name)'",
            "element \(tensor.orientation.place(ofElement: start + first, in: tensor.shape.dimensions)) is not a finite number",
            hint: "nothing can be calibrated with such a weight: the file is damaged, or was made of a model with such values")
    }
}

extension CalibrationJournal.Layer.Weight {
    fileprivate init(_ outcome: ModelCalibration.Outcome) {
        self.init(
            name: outcome.tensor.name, matrices: outcome.matrices, isOfExperts: outcome.isOfExperts, errors: outcome.errors,
            codes: outcome.weight.codes, absmax: outcome.weight.absmax)
    }
}
