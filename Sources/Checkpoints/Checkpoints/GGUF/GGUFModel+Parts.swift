import Architectures
import GGUFFormat
import TensorCore

/// Tensors of a file that are several ones of the model, and those of which two are one.
extension GGUFModel {
    /// Of a layer that has experts with a matrix of each by itself.
    static func mixture(_ key: ModuleKey, _ part: ExpectedTensor.Part, _ description: ModelDescription) -> Mixture? {
        guard part == .weight, let layer = key.layer, layer < description.layers.count,
            let mixture = description.layers[layer].feedForward.mixture, mixture.storage == .separate
        else { return nil }
        return mixture
    }

    /// The matrices of all experts of a layer, one after the other in the file.
    static func experts(
        _ info: TensorInfo, _ key: ModuleKey, _ layer: Int, _ mixture: Mixture, _ spelling: Spelling
    ) throws(GGUFNotFollowed) -> [TensorInfo] {
        let dimensions = info.shape.dimensions
        guard dimensions.count == 3, dimensions[0] == mixture.expertCount else {
            throw GGUFNotFollowed(
                message: "tensor '\(info.name)' has shape \(info.shape), but holds a matrix for each of \(mixture.expertCount) experts")
        }
        return (0..<mixture.expertCount).map { expert in
            let name = spelling.tensor(ModuleKey(key.role, layer: layer, expert: expert), .weight)
            guard let shape = Shape(Array(dimensions.dropFirst())),
                let part = TensorInfo(name: name, scalarType: info.scalarType, shape: shape)
            else { preconditionFailure("a part of a tensor can be counted") }
            return part
        }
    }

    /// How many rows the weights of a norm have, where Hugging Face stores each of them by itself; nil of everything else.
    static func normRows(_ key: ModuleKey, _ part: ExpectedTensor.Part, _ description: ModelDescription) -> Int? {
        guard part == .weight, key.role == .queryNorm || key.role == .keyNorm, let number = key.layer, number < description.layers.count
        else { return nil }
        let layer = description.layers[number]
        guard layer.attention.headNorm != nil, layer.attention.headNormScope == .headsInParts else { return nil }
        return layer.norm(key.role, width: description.width).rows
    }

    /// The rows of a norm's weights, one after the other in the file.
    static func rows(
        _ info: TensorInfo, _ key: ModuleKey, _ rowCount: Int, _ spelling: Spelling
    ) throws(GGUFNotFollowed) -> [TensorInfo] {
        let dimensions = info.shape.dimensions
        guard dimensions.count == 2, dimensions[0] == rowCount else {
            throw GGUFNotFollowed(message: "tensor '\(info.name)' has shape \(info.shape), but holds a norm for each of \(rowCount) heads")
        }
        return (0..<rowCount).map { row in
            guard let shape = Shape([dimensions[1]]),
                let part = TensorInfo(name: "\(spelling.part(row, of: key)).weight", scalarType: info.scalarType, shape: shape)
            else { preconditionFailure("a part of a tensor can be counted") }
            return part
        }
    }

    /// Gates or ups of all experts of a layer, and where the others are; nil of everything else.
    static func gateUp(
        _ index: Int, _ key: ModuleKey, _ part: ExpectedTensor.Part, _ file: GGUFSource, _ description: ModelDescription
    ) throws(GGUFNotFollowed) -> (rows: GateUpRows, info: TensorInfo)? {
        guard key.role == .expertGate || key.role == .expertUp, let layer = key.layer, layer < description.layers.count,
            let mixture = description.layers[layer].feedForward.mixture, mixture.storage != .separate
        else { return nil }
        let rowCount = description.layers[layer].feedForward.innerWidth
        let info = file.tensors[index]
        let other = description.nameInGGUF(ModuleKey(key.role == .expertGate ? .expertUp : .expertGate, layer: layer), part)
        guard let second = file.tensors.firstIndex(where: { $0.name == other }) else {
            throw GGUFNotFollowed(message: "tensor '\(other)' is missing beside '\(info.name)'")
        }
        let dimensions = info.shape.dimensions, own = file.blocks(ofTensor: index)?.type, others = file.blocks(ofTensor: second)?.type
        guard file.tensors[second].shape == info.shape, file.tensors[second].scalarType == info.scalarType, own == others else {
            throw GGUFNotFollowed(
                message:
                    "tensors '\(info.name)' and '\(other)' are one elsewhere, but have different shapes or types, which is not followed")
        }
        guard dimensions.count == (part == .weight ? 3 : 2), dimensions[0] == mixture.expertCount, dimensions[1] == rowCount else {
            throw GGUFNotFollowed(
                message: "tensor '\(info.name)' has shape \(info.shape), but holds \(rowCount) rows for each of "
                    + "\(mixture.expertCount) experts")
        }
        let name = description.spelling.tensor(ModuleKey(.expertGateUp, layer: layer), part)
        guard let shape = Shape([dimensions[0], 2 * dimensions[1]] + dimensions.dropFirst(2)),
            let both = TensorInfo(name: name, scalarType: info.scalarType, shape: shape)
        else { throw GGUFNotFollowed(message: "tensors '\(info.name)' and '\(other)' together are more than can be counted") }
        let isGate = key.role == .expertGate
        let rows = GateUpRows(
            gate: isGate ? index : second, up: isGate ? second : index, rowCount: rowCount,
            rowByteCount: info.byteCount / (mixture.expertCount * rowCount), alternates: mixture.alternates)
        return (rows, both)
    }
}
