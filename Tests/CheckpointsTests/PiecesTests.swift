import ByteIO
import SafetensorsFormat
import TensorCore
import TestSupport
import Testing

@testable import Checkpoints

/// Tensors that were cut for several processors come together again.
@Suite struct PiecesTests {
    /// A model of one layer in pieces, of elements that count up, and the same in one.
    private struct Cut {
        /// Heads of 2, one each; a piece has one of them.
        static let parameters = #"{"dim": 6, "n_layers": 1, "n_heads": 3, "multiple_of": 4, "norm_eps": 1e-5, "vocab_size": -1}"#
        static let shapes: [(name: String, dimensions: [Int], axis: Int?)] = [
            ("tok_embeddings", [9, 6], 1), ("layers.0.attention.wq", [6, 6], 0), ("layers.0.attention.wk", [6, 6], 0),
            ("layers.0.attention.wv", [6, 6], 0), ("layers.0.attention.wo", [6, 6], 1), ("layers.0.attention_norm", [6], nil),
            ("layers.0.ffn_norm", [6], nil), ("layers.0.feed_forward.w1", [12, 6], 0), ("layers.0.feed_forward.w2", [6, 12], 1),
            ("layers.0.feed_forward.w3", [12, 6], 0), ("norm", [6], nil), ("output", [9, 6], 0),
        ]

        /// - Parameter embeddingAxis: along which the embedding is cut.
        static func pieces(_ count: Int, embeddingAxis: Int) -> [[StoredTensor]] {
            var pieces = [[StoredTensor]](repeating: [], count: count)
            for (number, (name, dimensions, axis)) in shapes.enumerated() {
                let columns = dimensions.last ?? 1, rows = dimensions.count == 2 ? dimensions[0] : 1
                let values = (0..<rows * columns).map { Float(1000 * number + $0) }
                let cut = number == 0 ? embeddingAxis : axis
                for piece in 0..<count {
                    let part = values.enumerated().filter { index, _ in
                        switch cut {
                        case 0: index / columns / (rows / count) == piece
                        case 1: index % columns / (columns / count) == piece
                        default: true
                        }
                    }
                    var shape = dimensions
                    if let cut { shape[cut] /= count }
                    pieces[piece].append(StoredTensor(name + ".weight", shape, part.map(\.element)))
                }
            }
            return pieces
        }

        static func model(_ count: Int, embeddingAxis: Int = 1) throws -> MetaModel {
            let folder = try TemporaryFolder()
            let parameters = try MetaParameters(InputFile(path: folder.write(parameters, to: "params.json")))
            var sources: [SafetensorsFile] = []
            for (number, piece) in pieces(count, embeddingAxis: embeddingAxis).enumerated() {
                sources.append(try SafetensorsFile(path: folder.write(piece.safetensors(), to: "\(number)")))
            }
            return try MetaModel(sources, isInPieces: true, parameters, path: "model")
        }
    }

    @Test(arguments: [0, 1]) func everyCutIsJoined(_ embeddingAxis: Int) throws {
        let whole = try Cut.model(1).source
        #expect(try whole.storedTensors().first { $0.name == "lm_head.weight" }?.floats == (0..<54).map { Float(11_000 + $0) })
        // Rows of a head lie in pairs: heads of two are the same either way.
        #expect(try whole.storedTensors().first { $0.name.contains("q_proj") }?.floats == (0..<36).map { Float(1000 + $0) })
        let joined = try Cut.model(3, embeddingAxis: embeddingAxis).source
        #expect(try joined.storedTensors() == whole.storedTensors() && checkTensorSource(joined) == [])
        #expect(joined.files.count == 3 && joined.place(ofTensor: 0) == nil)
    }

    private static func refusal(_ change: (inout [[StoredTensor]]) -> Void) throws -> String {
        let folder = try TemporaryFolder()
        let parameters = try MetaParameters(InputFile(path: folder.write(Cut.parameters, to: "params.json")))
        var pieces = Cut.pieces(3, embeddingAxis: 1)
        change(&pieces)
        var sources: [SafetensorsFile] = []
        for (number, piece) in pieces.enumerated() {
            sources.append(try SafetensorsFile(path: folder.write(piece.safetensors(), to: "\(number)")))
        }
        do throws(FileError) {
            _ = try MetaModel(sources, isInPieces: true, parameters, path: "model")
            return "opened"
        } catch { return error.description.replacing(folder.path + "/", with: "") }
    }

    @Test func piecesOfOtherModelsAreRefused() throws {
        #expect(
            try Self.refusal { $0[1].remove(at: 3) } == "1: tensor 'layers.0.attention.wv.weight': is missing, but '0' has a piece of it")
        #expect(
            try Self.refusal { $0[2][3] = StoredTensor($0[2][3].name, [1, 6], [0, 0, 0, 0, 0, 0]) }
                == "2: tensor 'layers.0.attention.wv.weight': is F32 [1, 6], but in 0 it is F32 [2, 6]")
        #expect(
            try Self.refusal { pieces in
                for piece in pieces.indices {
                    pieces[piece][4] = StoredTensor(pieces[piece][4].name, [2, 6], [Float](repeating: 0, count: 12))
                }
            } == "0: tensor 'layers.0.attention.wo.weight': has shape [2, 6] in each of 3 pieces, but by params.json all of it is [6, 6]")
    }
}
