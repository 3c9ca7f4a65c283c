import Streaming
import Testing

@testable import Parts

/// Which part a task does is read, or refused by name, and never guessed.
@Suite struct PartNumberTests {
    private static let slurm = ["SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "64", "SLURM_ARRAY_TASK_COUNT": "64"]

    private static func array(_ task: Int, _ first: Int, _ last: Int, _ count: Int) -> [String: String] {
        [
            "SLURM_ARRAY_TASK_ID": "\(task)", "SLURM_ARRAY_TASK_MIN": "\(first)", "SLURM_ARRAY_TASK_MAX": "\(last)",
            "SLURM_ARRAY_TASK_COUNT": "\(count)",
        ]
    }

    @Test(
        arguments: [
            ("3/64", [:], 3, 64), ("1/1", [:], 1, 1), ("100000/100000", [:], 100_000, 100_000),
            ("auto", array(1, 1, 64, 64), 1, 64), ("auto", array(63, 0, 63, 64), 64, 64), ("auto", array(0, 0, 0, 1), 1, 1),
            // Tasks of a rest are the numbers of the parts.
            ("auto/64", array(7, 3, 7, 2), 7, 64), ("auto/64", ["SLURM_ARRAY_TASK_ID": "64"], 64, 64),
            ("auto/8", ["JOB_COMPLETION_INDEX": "0"], 1, 8), ("auto/8", ["JOB_COMPLETION_INDEX": "7"], 8, 8),
        ] as [(String, [String: String], Int, Int)])
    func reads(_ text: String, _ environment: [String: String], _ number: Int, _ count: Int) throws {
        #expect(try PartNumber(text, environment: environment) == PartNumber(number, of: count))
    }

    @Test(arguments: [
        "", "3", "/", "3/", "/3", "0/3", "4/3", "-1/3", "+1/3", "1/3/3", " 1/3", "1/3 ", "1/100001", "1.0/3", "a/b",
        "99999999999999999999/3",
        "auto/", "auto/0", "auto/x", "automatic",
    ])
    func refusesWhatIsNone(_ text: String) {
        #expect(
            throws: OperationError(
                "`part` is '\(text)', but K/N with K from 1 to N, auto or auto/N is expected, and N is at most 100000",
                hint: "the third of 64 parts is 3/64")
        ) { try PartNumber(text, environment: Self.array(1, 1, 64, 64)) }
    }

    @Test(
        arguments: [
            ("auto", [:], "`part` auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set"),
            ("auto/3", [:], "`part` auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set"),
            ("auto", ["JOB_COMPLETION_INDEX": "1"], "`part` auto: JOB_COMPLETION_INDEX does not say how many parts there are"),
            ("auto", ["SLURM_ARRAY_TASK_ID": "1"], "`part` auto: SLURM_ARRAY_TASK_MIN is not set"),
            ("auto", slurm.merging(["SLURM_ARRAY_TASK_ID": "x"]) { $1 }, "`part` auto: SLURM_ARRAY_TASK_ID is 'x', which is no number"),
            ("auto", array(5, 3, 7, 5), "`part` auto: task 5 of an array of 5 tasks from 3 to 7, which is not all of 1-N"),
            ("auto", array(5, 1, 9, 5), "`part` auto: task 5 of an array of 5 tasks from 1 to 9, which is not all of 1-N"),
            ("auto", array(70, 1, 64, 64), "`part` auto: task 70 of an array of 64 tasks from 1 to 64, which is not all of 1-N"),
            ("auto/4", array(0, 0, 3, 4), "`part` auto/4: SLURM_ARRAY_TASK_ID is 0, but parts are counted from 1 to 4"),
            ("auto/4", ["JOB_COMPLETION_INDEX": "4"], "`part` auto/4: JOB_COMPLETION_INDEX is 4, but 0 to 3 are expected"),
            (
                "auto/4", ["JOB_COMPLETION_INDEX": "1", "SLURM_ARRAY_TASK_ID": "1"],
                "`part` auto: both SLURM_ARRAY_TASK_ID and JOB_COMPLETION_INDEX are set"
            ),
        ] as [(String, [String: String], String)])
    func refusesWhatASchedulerDoesNotSay(_ text: String, _ environment: [String: String], _ message: String) {
        let error = #expect(throws: OperationError.self) { try PartNumber(text, environment: environment) }
        #expect(error?.message == message && error?.hint != nil || message.contains("no number"))
    }

    @Test(arguments: [([], ""), ([2], "2"), ([7, 5, 6, 2], "2,5-7"), ([1, 2], "1-2"), ([1, 3, 5], "1,3,5")])
    func spellsRangesForAnArray(_ numbers: [Int], _ text: String) { #expect(PartNumber.ranges(numbers) == text) }

    @Test(arguments: [("a.qnf", "a.qnf.part-2-of-9"), ("x/folder//", "x/folder.part-2-of-9"), ("/", "/.part-2-of-9")])
    func liesBesideTheOutput(_ output: String, _ path: String) throws {
        #expect(try #require(PartNumber(2, of: 9)).path(ofOutput: output) == path)
    }
}
