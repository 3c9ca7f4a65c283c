import ByteIO
import JSONText
import Parallelism
import TensorCore
import TestSupport
import Testing

@testable import Records
@testable import Training

@Suite struct CheckpointTests {
    private struct Run {
        let parameters: ParameterSet
        let optimizer: Optimizer
        var history = RunHistory()

        init(_ kind: OptimizerSettings.Kind) throws {
            parameters = try ParameterSet([
                (name: "a", shape: try #require(Shape([3, 7]))), (name: "b", shape: try #require(Shape([300]))),
            ])
            optimizer = try Optimizer(OptimizerSettings(kind: kind), parameterCount: parameters.values.count, folder: "/tmp")
            for slot in parameters.slots.indices {
                for i in 0..<parameters.slots[slot].count { parameters.value(slot)[i] = Float(i) * 0.01 }
            }
        }

        mutating func step() throws {
            for slot in parameters.slots.indices {
                for i in 0..<parameters.slots[slot].count { parameters.gradient(slot)[i] = parameters.value(slot)[i] - 1 }
            }
            try optimizer.step(parameters, learningRate: 0.1, gradientScale: 1, pool: WorkerPool(threadCount: 1))
            history.losses.append(Double(history.losses.count) * 0.25)
            history.evaluations.append(.init(step: history.losses.count, loss: 0.5))
        }

        var bits: [UInt32] { parameters.values.buffer.map(\.bitPattern) }
    }

    private let identity = RunIdentity(JSONObject(["seed": .integer(7), "lr": .double(0.1)]))

    @Test("goes on bit for bit", arguments: OptimizerSettings.Kind.allCases)
    func goesOn(_ kind: OptimizerSettings.Kind) throws {
        let folder = try TemporaryFolder()
        let checkpoints = CheckpointFolder(path: folder.path("run"))
        try checkpoints.create()
        var run = try Run(kind)
        for _ in 0..<5 { try run.step() }
        let path = checkpoints.path(step: 5)
        try TrainingCheckpoint.write(
            to: path, step: 5, identity: identity, parameters: run.parameters, optimizer: run.optimizer, history: run.history)
        var resumed = try Run(kind)
        let (step, history) = try TrainingCheckpoint.read(
            path, identity: identity, parameters: resumed.parameters, optimizer: resumed.optimizer)
        #expect(step == 5 && history == run.history)
        resumed.history = history
        for _ in 0..<5 {
            try run.step()
            try resumed.step()
        }
        let isEqual = resumed.bits == run.bits
        #expect(isEqual)
    }

    @Test func refusesWhatIsNotItsOwn() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("step-00000001.qtrain")
        var run = try Run(.adamw)
        try run.step()
        try TrainingCheckpoint.write(
            to: path, step: 1, identity: identity, parameters: run.parameters, optimizer: run.optimizer, history: run.history)
        let other = RunIdentity(JSONObject(["seed": .integer(7), "lr": .double(0.2), "clip": .integer(1)]))
        let error = #expect(throws: FileError.self) {
            try TrainingCheckpoint.read(path, identity: other, parameters: run.parameters, optimizer: run.optimizer)
        }
        #expect(error?.message == "belongs to another run: lr was 0.1, but is 0.2; clip was not set, but is 1")
        var bytes = try InputFile(path: path).allBytes(limit: 1 << 20)
        bytes[bytes.count - 1] ^= 1
        let damaged = try folder.file(bytes, named: "damaged.qtrain")
        let damage = #expect(throws: FileError.self) {
            try TrainingCheckpoint.read(damaged, identity: identity, parameters: run.parameters, optimizer: run.optimizer)
        }
        #expect(damage?.message.hasPrefix("its checksum is") == true)
        let short = try folder.file(Array(bytes.dropLast(100)), named: "short.qtrain")
        let truncation = #expect(throws: FileError.self) {
            try TrainingCheckpoint.read(short, identity: identity, parameters: run.parameters, optimizer: run.optimizer)
        }
        #expect(truncation?.hint == "remove this checkpoint, and `resume` goes on from the one before it")
    }

    @Test func refusesADiskWithoutRoom() throws {
        let folder = try TemporaryFolder()
        let checkpoints = CheckpointFolder(path: folder.path)
        try checkpoints.checkRoom(forCheckpointsOf: 1000, keeping: 2)
        try folder.write([1], to: FilePath.name(of: checkpoints.path(step: 1)))
        let error = #expect(throws: FileError.self) { try checkpoints.checkRoom(forCheckpointsOf: 1 << 60, keeping: 2) }
        // One of the three that will lie there does already.
        #expect(error?.message.hasPrefix("2 checkpoints of \(1 << 60) bytes each will lie in it at a time, but ") == true)
        #expect(throws: FileError.self) { try checkpoints.checkRoom(forCheckpointsOf: .max, keeping: 1_000_000) }
    }

    @Test func keepsTheNewest() throws {
        let folder = try TemporaryFolder()
        let checkpoints = CheckpointFolder(path: folder.path)
        for step in [10, 2, 300] { try folder.write([1], to: FilePath.name(of: checkpoints.path(step: step))) }
        try folder.write([1], to: "step-x.qtrain")
        #expect(try checkpoints.checkpoints().map(\.step) == [2, 10, 300])
        try checkpoints.removeOld(keeping: 2, step: 300)
        #expect(try checkpoints.checkpoints().map(\.step) == [10, 300])
        // Those of later steps are of a run that begins anew with --force.
        try folder.write([1], to: FilePath.name(of: checkpoints.path(step: 20)))
        try checkpoints.removeOld(keeping: 1, step: 20)
        #expect(try checkpoints.checkpoints().map(\.step) == [20])
    }
}
