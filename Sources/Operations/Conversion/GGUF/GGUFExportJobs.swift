import Architectures
import ByteIO
import Checkpoints
import Parts
import Streaming
import TensorCore

extension GGUFExportRun {
    /// What can be done at the same time: whole rows, or what a change takes together.
    func jobs(of share: Partition.Share?) throws(FileError) -> [Job] {
        var jobs: [Job] = []
        for index in share?.units ?? Array(plan.outputs.indices) { jobs += try self.jobs(ofOutput: index) }
        for run in share?.runs ?? [] { jobs += try self.jobs(ofOutput: run.unit, only: run.elements) }
        return jobs
    }

    private func jobs(ofOutput index: Int, only run: Range<Int>? = nil) throws(FileError) -> [Job] {
        let output = plan.outputs[index]
        if output.tensors.isEmpty { return [Job(output: index, range: 0..<output.values.count)] }
        let rows =
            switch output.change {
            case .paired(let width): width
            case .grouped(let heads): heads.headWidth
            case .none, .plusOne, .half: 1
            }
        if case .half(let half) = output.change { return halfJobs(output, half).map { Job(output: index, range: $0) } }
        var jobs: [Job] = []
        for (part, tensor) in output.tensors.enumerated() {
            let reader = try plan.checkpoint.reader(of: tensor, order: .outputsByInputs)
            let unit = Chunks.leastCommonMultiple(max(1, rows * output.rowElementCount), reader.granularity)
            let turned = tensor.orientation == .inputsByOutputs ? Resources.transposedChunkFactor : 1
            jobs += Chunks.ranges(run ?? 0..<output.partElementCount, limit: turned * resources.chunkElementCount, unit: unit).map {
                Job(output: index, part: part, range: $0)
            }
        }
        return jobs
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
