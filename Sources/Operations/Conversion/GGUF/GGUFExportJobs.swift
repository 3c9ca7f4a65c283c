import Architectures
import ByteIO
import Checkpoints
import Streaming
import TensorCore

extension GGUFExportRun {
    /// What can be done at the same time: whole rows, or what a change takes together.
    func jobs(_ chosen: [Int]?) throws(FileError) -> [Job] {
        var jobs: [Job] = []
        for index in chosen ?? Array(plan.outputs.indices) {
            let output = plan.outputs[index]
            if output.tensors.isEmpty { jobs.append(Job(output: index, range: 0..<output.values.count)) }
            let count = output.partElementCount, row = rowElementCount(output)
            let rows =
                switch output.change {
                case .paired(let width): width
                case .grouped(let heads): heads.headWidth
                case .none, .plusOne, .half: 1
                }
            if case .half(let half) = output.change {
                jobs += halfJobs(output, half).map { Job(output: index, range: $0) }
                continue
            }
            for (part, tensor) in output.tensors.enumerated() {
                let reader = try plan.checkpoint.reader(of: tensor, order: .outputsByInputs)
                let unit = Chunks.leastCommonMultiple(max(1, rows * row), reader.granularity)
                let turned = tensor.orientation == .inputsByOutputs ? Resources.transposedChunkFactor : 1
                jobs += Chunks.ranges(count: count, limit: turned * resources.chunkElementCount, unit: unit).map {
                    Job(output: index, part: part, range: $0)
                }
            }
        }
        return jobs
    }

    /// Of a bias, whose rows are single elements where they are paired, all.
    func rowElementCount(_ output: GGUFExportPlan.Output) -> Int {
        output.shape.dimensions.count >= 2 ? output.shape.dimensions.last ?? 1 : 1
    }

    /// Rows of one expert at a time.
    private func halfJobs(_ output: GGUFExportPlan.Output, _ half: StackHalf) -> [Range<Int>] {
        let rows = StackRows(output.shape, half), count = rows.rowCount * rows.columns
        let turned = output.tensors[0].orientation == .inputsByOutputs ? Resources.transposedChunkFactor : 1
        let limit = turned * resources.chunkElementCount / (half.alternates ? 2 : 1)
        return (0..<output.shape.dimensions[0]).flatMap { expert in
            Chunks.ranges(count: count, limit: limit, unit: rows.columns).map {
                expert * count + $0.lowerBound..<expert * count + $0.upperBound
            }
        }
    }
}
