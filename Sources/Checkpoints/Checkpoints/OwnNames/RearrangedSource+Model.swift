import Architectures
import ByteIO
import JSONText
import TensorCore

extension RearrangedSource {
    /// How the program that made the files names and stores the tensors of a model.
    struct Habits {
        /// Its names.
        let spelling: Spelling
        /// Whether rows of queries and keys lie in pairs.
        let pairsRows: Bool
        /// Whether biases that are not stored are zeros.
        var hasOptionalBiases = false
        /// What the names of scales end with in the place of `.weight`: each is one number, of a weight of 8-bit floats.
        var scaleEnd: String?
        /// Names that are no weights.
        let leavesOut: @Sendable (String) -> Bool
        /// What says how large the model is: `params.json`.
        let authority: String
    }

    /// The model of a description in files of other names.
    ///
    /// - Parameters:
    ///   - isInPieces: every source has a piece of every tensor; else each tensor is in one of them.
    ///   - path: of the model, for errors.
    /// - Throws: where a tensor is missing, stands twice, has another shape, or is none of the model.
    init(
        _ sources: [any TensorSource], isInPieces: Bool, as description: ModelDescription, _ habits: Habits, path: String
    ) throws(FileError) {
        var holders = try Holders(sources, isInPieces: isInPieces, leavesOut: habits.leavesOut)
        var plans: [Tensor] = []
        var missing: [String] = []
        for expected in description.expectedTensors {
            let name = habits.spelling.tensor(expected.key, expected.part)
            let dimensions = expected.orientation.turned(expected.dimensions)
            guard let pieces = holders.take(name) else {
                guard habits.hasOptionalBiases, expected.part == .bias else {
                    missing.append(name)
                    continue
                }
                guard let shape = Shape(dimensions), let info = TensorInfo(name: expected.name, scalarType: .f32, shape: shape) else {
                    preconditionFailure("a bias can be counted")
                }
                plans.append(Tensor(info: info, pieces: [], joint: .none))
                continue
            }
            var plan = try Self.plan(pieces, of: expected, dimensions, sources, authority: habits.authority)
            if habits.pairsRows, [.query, .key].contains(expected.key.role), let layer = expected.key.layer {
                plan.headWidth = description.layers[layer].attention.headWidth
            }
            plans.append(plan)
            if let scale = try Self.scale(of: name, as: expected.name, habits, &holders, sources) { plans.append(scale) }
        }
        if let stranger = holders.rest.first {
            throw FileError(
                sources[stranger.source].path, at: "tensor '\(sources[stranger.source].tensors[stranger.tensor].name)'",
                "is none of a \(description.modelType) with \(description.layers.count) layers as \(habits.authority) describes it",
                hint: "\(habits.authority) is that of another model, or it computes something that is not known")
        }
        if let first = missing.first {
            throw FileError(
                path, "lacks \(missing.count) of the tensors that \(habits.authority) asks for, the first is '\(first)'",
                hint: "fetch all files of the model, of one revision")
        }
        // Of no other type than their layers: a bias of zeros is one in any.
        let type = plans.first { !$0.pieces.isEmpty }?.info.scalarType ?? .f32
        plans = plans.map { plan in
            guard plan.pieces.isEmpty, let info = TensorInfo(name: plan.info.name, scalarType: type, shape: plan.info.shape) else {
                return plan
            }
            return Tensor(info: info, pieces: [], joint: .none)
        }
        self.init(sources, plans, path: path)
    }

    /// The scale of a weight, under the name that Hugging Face's models have for it; nil where there is none.
    private static func scale(
        of name: String, as expectedName: String, _ habits: Habits, _ holders: inout Holders, _ sources: [any TensorSource]
    ) throws(FileError) -> Tensor? {
        let end = ".weight"
        guard let scaleEnd = habits.scaleEnd, name.hasSuffix(end), expectedName.hasSuffix(end),
            let piece = holders.take(String(name.dropLast(end.count)) + scaleEnd)?.first
        else { return nil }
        let info = sources[piece.source].tensors[piece.tensor]
        guard info.elementCount == 1, let shape = Shape([]),
            let renamed = TensorInfo(name: expectedName + "_scale", scalarType: info.scalarType, shape: shape)
        else {
            throw FileError(
                sources[piece.source].path, at: "tensor '\(info.name)'",
                "has shape \(info.shape), but of such files only weights with one scale are read: rows of others lie in another order",
                hint: "take the Hugging Face files of the same model (model*.safetensors), if it has some")
        }
        return Tensor(info: renamed, pieces: [piece], joint: .rows)
    }

    /// How the pieces of a tensor come together to what is expected.
    ///
    /// What a layer gives is cut: rows of queries, keys, values, gate, up and head; of the two that take such parts in, columns. The
    /// embedding is cut into columns in older models (Llama 1 and 2), and into rows in later ones. Norms are whole in every piece.
    private static func plan(
        _ pieces: [Piece], of expected: ExpectedTensor, _ dimensions: [Int], _ sources: [any TensorSource], authority: String
    ) throws(FileError) -> Tensor {
        func info(_ piece: Piece) -> TensorInfo { sources[piece.source].tensors[piece.tensor] }
        let first = info(pieces[0])
        for piece in pieces.dropFirst() where info(piece).shape != first.shape || info(piece).scalarType != first.scalarType {
            throw FileError(
                sources[piece.source].path, at: "tensor '\(first.name)'",
                "is \(info(piece).scalarType.rawValue) \(info(piece).shape), but in \(sources[pieces[0].source].files[0].name) it is "
                    + "\(first.scalarType.rawValue) \(first.shape)", hint: "the pieces are not of one model; fetch all of them again")
        }
        var pieces = pieces
        var joints: [Joint] = [.rows]
        switch expected.key.role {
        case .attentionOutput, .down: joints = [.columns]
        case .embedding: joints = [.columns, .rows]
        default: if dimensions.count == 1 { pieces = [pieces[0]] }
        }
        let joint = joints.first { first.shape.dimensions == dimensions.cut(into: pieces.count, $0 == .columns ? 1 : 0) }
        guard let joint, let shape = Shape(dimensions),
            let whole = TensorInfo(name: expected.name, scalarType: first.scalarType, shape: shape)
        else {
            let part = pieces.count == 1 ? "" : " in each of \(pieces.count) pieces"
            throw FileError(
                sources[pieces[0].source].path, at: "tensor '\(first.name)'",
                "has shape \(first.shape)\(part), but by \(authority) all of it is \(dimensions)")
        }
        return Tensor(info: whole, pieces: pieces, joint: joint)
    }
}

extension [Int] {
    /// With one of them an even part of what it is; nil where it is not even.
    fileprivate func cut(into count: Int, _ axis: Int) -> [Int]? {
        guard indices.contains(axis) else { return count == 1 ? self : nil }
        guard self[axis] % count == 0 else { return nil }
        var cut = self
        cut[axis] /= count
        return cut
    }
}

/// Where the tensors of a name are.
private struct Holders {
    private var pieces: [ByteKey: [RearrangedSource.Piece]] = [:]
    /// In the order of the files.
    private var order: [(key: ByteKey, piece: RearrangedSource.Piece)] = []

    init(_ sources: [any TensorSource], isInPieces: Bool, leavesOut: (String) -> Bool) throws(FileError) {
        for (number, source) in sources.enumerated() {
            for (index, info) in source.tensors.enumerated() where !leavesOut(info.name) {
                let key = ByteKey(info.name), piece = RearrangedSource.Piece(source: number, tensor: index)
                let others = pieces[key, default: []]
                guard others.allSatisfy({ isInPieces && $0.source != number }) else {
                    throw FileError(
                        source.path, at: "tensor '\(info.name)'", "is also in '\(sources[others[0].source].files[0].name)'",
                        hint: "the files are not of one model; fetch all of them again")
                }
                if others.isEmpty { order.append((key, piece)) }
                pieces[key] = others + [piece]
            }
        }
        guard isInPieces else { return }
        for (key, first) in order where pieces[key]?.count != sources.count {
            let found = Set(pieces[key, default: []].map(\.source))
            let without = sources.indices.first { !found.contains($0) } ?? first.source
            throw FileError(
                sources[without].path, at: "tensor '\(key.text)'",
                "is missing, but '\(sources[first.source].files[0].name)' has a piece of it",
                hint: "the pieces are not of one model; fetch all of them again")
        }
    }

    /// The pieces of a tensor, which are not asked for again.
    mutating func take(_ name: String) -> [RearrangedSource.Piece]? { pieces.removeValue(forKey: ByteKey(name)) }

    /// One of each tensor that nobody took.
    var rest: [RearrangedSource.Piece] { order.filter { pieces[$0.key] != nil }.map(\.piece) }
}
