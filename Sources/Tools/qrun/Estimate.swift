import Architectures
import Checkpoints
import CommandLineKit
import JSONText
import ModelLoading
import ModelToolSupport
import ToolSupport
import Transformer

/// `--estimate`: what a run would take, before any of it is taken.
func estimate(_ options: RunOptions, asJSON: Bool, _ console: Console) throws -> ExitCode {
    guard options.model.adapters.isEmpty else { throw UsageError("--estimate is of the model alone, without --adapter") }
    let path = options.model.path, checkpoint = try console.openCheckpoint(path, for: .running)
    let model = try checkpoint.describedModel(), positions = try options.contextLength(model)
    let memory = MemoryEstimate(
        checkpoint, model, positions: positions, isExact: options.isExact, cacheType: options.cacheType)
    guard !memory.cacheLayers.isEmpty else {
        throw Failure("keys and values of \(NumberText.grouped(positions)) positions are more than any machine holds")
    }
    let view = EstimateView(path: path, model: model, memory: memory, isExact: options.isExact)
    if asJSON { try console.writeJSON(view.document) } else { try view.write(to: console) }
    return .done
}

private struct EstimateView {
    let path: String
    let model: ModelDescription
    let memory: MemoryEstimate
    let isExact: Bool

    /// Layers that keep as many positions, with what they take together, in the order of their first ones.
    private var cacheGroups: [(layers: [Int], positions: Int, byteCount: Int)] {
        var groups: [(layers: [Int], positions: Int, byteCount: Int)] = []
        for (number, size) in memory.cacheLayers.enumerated() {
            let place = groups.firstIndex { $0.positions == size.positions } ?? groups.count
            if place == groups.count { groups.append(([], size.positions, 0)) }
            groups[place].layers.append(number)
            groups[place].byteCount += size.byteCount
        }
        return groups
    }

    func write(to console: Console) throws {
        try console.writeLine("\(path): \(model.modelType), a context of \(NumberText.grouped(memory.positions))".terminalSafe)
        var table = Table([.init(""), .init("", .right), .init("")])
        func add(_ name: String, _ byteCount: Int, _ note: String) {
            table.addRow([.init(name), .init(NumberText.byteCount(byteCount)), .init(note)])
        }
        if memory.active < memory.weights {
            add("weights", memory.active, "those that a token needs, of \(NumberText.byteCount(memory.weights)) that are mapped")
        } else {
            add("weights", memory.weights, "mapped; every token needs all of them")
        }
        add("cache", memory.cache, "keys and values in \(memory.cacheType.rawValue.uppercased())")
        for group in cacheGroups {
            let count = group.layers.count, what = group.positions < memory.positions ? "what they see, and a pass" : "the whole context"
            add(
                count == 1 ? "  1 layer" : "  \(count) layers", group.byteCount,
                "\(NumberText.grouped(group.positions)) positions: \(what)")
        }
        add("work", memory.work, "buffers, \(isExact ? "" : "a head in 8 bits, ")the program; at most")
        table.addTotal([.init("together"), .init(NumberText.byteCount(memory.total)), .init(available)])
        try console.write(table)
    }

    private var available: String {
        AvailableMemory.byteCount.map { "\(NumberText.byteCount($0)) are available" } ?? ""
    }

    var document: JSONObject {
        let groups = cacheGroups.map { group -> JSONValue in
            .object([
                "layers": .array(group.layers.map { .integer($0) }), "positions": .integer(group.positions),
                "bytes": .integer(group.byteCount),
            ])
        }
        return JSONObject([
            "model": .string(path), "model_type": .string(model.modelType), "context": .integer(memory.positions),
            "weights": .integer(memory.weights), "active_weights": .integer(memory.active),
            "cache": .object([
                "type": .string(memory.cacheType.rawValue), "bytes": .integer(memory.cache), "layers": .array(groups),
            ]),
            "work": .integer(memory.work), "total": .integer(memory.total),
            "available": AvailableMemory.byteCount.map { .integer($0) } ?? .null,
        ])
    }
}
