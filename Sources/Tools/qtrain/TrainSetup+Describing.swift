import CommandLineKit
import JSONText
import Prompts
import Records
import Tokenization
import ToolSupport
import Training

extension TrainSetup {
    /// Tokens of one epoch, and those of them that are learned.
    private var tokenCounts: (all: Int, learned: Int) {
        samples.samples.reduce((0, 0)) { ($0.0 + $1.tokens.count, $0.1 + $1.learnedCount) }
    }

    /// What `--dry-run` prints; the time of a step is that of one that is measured.
    func describe(asJSON: Bool, _ console: Console) throws -> ExitCode {
        let seconds = try measureStep()
        let counts = tokenCounts
        let total = seconds * Double(run.plan.stepCount)
        if asJSON {
            try console.writeJSON([
                "trained_parameters": .integer(model.parameters.elementCount), "samples": .integer(samples.samples.count),
                "tokens": .integer(counts.all), "learned_tokens": .integer(counts.learned), "steps": .integer(run.plan.stepCount),
                "memory": .integer(memory.total), "checkpointing": .bool(model.recomputes), "seconds_per_step": .double(seconds),
            ])
            return .done
        }
        var table = Table([.init(""), .init("", .right)])
        table.addRow(["trained parameters", .init(NumberText.grouped(model.parameters.elementCount))])
        table.addRow(["samples", .init(NumberText.grouped(samples.samples.count))])
        table.addRow(["tokens, an epoch", .init(NumberText.grouped(counts.all))])
        table.addRow(["learned tokens, an epoch", .init(NumberText.grouped(counts.learned))])
        table.addRow(["steps", .init(NumberText.grouped(run.plan.stepCount))])
        table.addRow(["memory: base", .init(NumberText.byteCount(memory.base))])
        table.addRow(["memory: trained parameters", .init(NumberText.byteCount(memory.training))])
        table.addRow(["memory: activations\(model.recomputes ? ", recomputed" : "")", .init(NumberText.byteCount(memory.activations))])
        table.addRow(["memory in all, about", .init(NumberText.byteCount(memory.total))])
        table.addRow(["time of a step, measured", .init(NumberText.duration(seconds: seconds))])
        table.addRow(["time of all steps, about", .init(NumberText.duration(seconds: total))])
        try console.write(table)
        return .done
    }

    /// As many times the first batch as a step has batches; nothing is changed but gradients.
    private func measureStep() throws -> Double {
        let batch = Batch(firstBatch.map { samples.samples[$0] })
        let start = ContinuousClock().now
        _ = try model.accumulate(batch, lossWeight: 1, seed: options.seed, batchNumber: 0)
        let elapsed = (ContinuousClock().now - start).components
        return (Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18) * Double(options.accumulation)
    }

    /// One sample as the model sees it, what is learned in brackets: so that a person can see whether it is what was meant.
    func showSample(_ console: Console) {
        guard let index = samples.samples.indices.first else { return }
        let sample = samples.samples[index]
        var text = ""
        var position = 0
        while position < sample.tokens.count {
            let isLearned = sample.isLearned[position] && position > 0
            var end = position + 1
            while end < sample.tokens.count, sample.isLearned[end] == isLearned { end += 1 }
            let part = data.tokenizer.decode(sample.tokens[position..<end], showsSpecialTokens: true)
            text += isLearned ? "[[\(part)]]" : part
            position = end
        }
        let counts = tokenCounts
        console.note(
            "\(samples.samples.count) samples of \(NumberText.grouped(counts.all)) tokens, \(NumberText.grouped(counts.learned)) of them "
                + "learned; template \(data.template.name); \(run.plan.stepCount) steps")
        console.note("\(data.place(samples.records[index])), learned is what stands in [[ ]]: \(text.debugDescription)")
    }
}
