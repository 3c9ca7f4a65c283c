import Testing

@testable import Records
@testable import Training

@Suite struct BatchTests {
    @Test func laysSamplesEndToEnd() {
        let batch = Batch([
            Sample(tokens: [1, 2, 3], isLearned: [false, false, true]), Sample(tokens: [9], isLearned: [true]),
            Sample(tokens: [4, 5, 6, 7], isLearned: [true, true, false, true]),
        ])
        #expect(batch.tokens == [1, 2, 4, 5, 6])
        #expect(batch.targets == [-100, 3, 5, -100, 7])
        #expect(batch.starts == [0, 2, 5])
        #expect(batch.learnedCount == 3)
        #expect(batch.longestSampleCount == 3)
    }

    @Test func goesThroughEverySampleOnceAnEpoch() {
        let lengths = (0..<23).map { 3 + $0 % 5 }
        for limit in [BatchSchedule.Limit.samples(4), .positions(20)] {
            var schedule = BatchSchedule(lengths: lengths, limit: limit, accumulation: 2, seed: 5)
            let count = schedule.stepCount(epochs: 1)
            let first = (0..<count).map { _ in schedule.next() }, second = schedule.next()
            #expect(first.allSatisfy { $0.epoch == 0 } && second.epoch == 1)
            #expect(first.flatMap { $0.batches.flatMap(\.self) }.sorted() == Array(0..<23))
            #expect(first.dropLast().allSatisfy { $0.batches.count == 2 })
            if case .positions(let limit) = limit {
                #expect(first.allSatisfy { $0.batches.allSatisfy { $0.reduce(0) { $0 + lengths[$1] } <= limit } })
            }
            var resumed = BatchSchedule(lengths: lengths, limit: limit, accumulation: 2, seed: 5)
            resumed.skip(count)
            #expect(resumed.next() == second)
        }
    }

    @Test func takesSamplesLongerThanTheLimitAlone() {
        var schedule = BatchSchedule(lengths: [50, 60], limit: .positions(20), accumulation: 1, seed: 1)
        #expect(schedule.stepCount(epochs: 1) == 2)
        #expect(schedule.next().batches[0].count == 1)
    }
}
