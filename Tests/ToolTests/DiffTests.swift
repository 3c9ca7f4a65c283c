import CommandLineKit
import JSONText
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect

/// `qinspect diff` on models that are the same in other clothes, and on small ones that differ in one way each.
@Suite struct DiffTests {
    @Test(
        "finds nothing between a model and itself in another format",
        arguments: [
            ("llama-hf", ["to-safetensors"], "EQUAL: 39 tensors, every bit\n"),
            ("llama-hf", ["to-hf", "--max-shard-size", "500k"], "EQUAL: 39 tensors, every bit\n"),
            ("gpt2-tensorflow", ["to-hf"], "EQUAL: 52 tensors, every bit\n"),
            ("llama-bnb4", ["to-nf4"], "EQUAL: 39 tensors, every bit\n"),
        ])
    func findsOtherFormatsEqual(sample: String, conversion: [String], verdict: String) throws {
        let folder = try TemporaryFolder()
        let copy = folder.path("copy")
        #expect(ToolRunner(qconvert, [conversion[0], Fixture.sample(sample), "-o", copy] + conversion.dropFirst()).status == .done)
        for (a, b) in [(Fixture.sample(sample), copy), (copy, Fixture.sample(sample))] {
            let run = ToolRunner(qinspect, ["diff", a, b])
            #expect(run.status == .done && run.output.hasSuffix("\n" + verdict))
            #expect(run.output.split(separator: "\n").count == 3)
        }
    }

    @Test func measuresWhatQuantizingLost() throws {
        let folder = try TemporaryFolder()
        let (model, dense) = (folder.path("model.qnf"), folder.path("dense.safetensors"))
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("gpt2-tensorflow"), "-o", model]).status == .done)
        #expect(ToolRunner(qconvert, ["to-safetensors", model, "-o", dense]).status == .done)
        let run = ToolRunner(qinspect, ["diff", Fixture.sample("gpt2-tensorflow"), model])
        #expect(run.status == .no)
        #expect(
            run.output.contains("\nF32 -> NF4/64+DQ\n  transformer.h.1.attn.c_attn.weight   0.09435   0.0369   0.00381  0.995550  100.0%\n")
        )
        #expect(run.output.hasSuffix("\n6 more (--all lists them)\nDIFFERENT: of 52 tensors, 16 in value; 36 identical\n"))
        // The codes stand for the same values in 4 bits and written out, Conv1D weights being transposed in between.
        let expanded = ToolRunner(qinspect, ["diff", model, dense, "--tolerance", "0"])
        #expect(expanded.status == .done)
        #expect(expanded.output.hasSuffix("\nequal values: 16 tensors, NF4/64+DQ -> F32\nEQUAL within 0: 52 tensors, every value\n"))
        let typed = ToolRunner(qinspect, ["diff", model, dense])
        #expect(typed.status == .no && typed.output.hasSuffix("\nDIFFERENT: of 52 tensors, 16 in type only; 36 identical\n"))
    }

    @Test(
        "draws the line at the tolerance",
        arguments: [
            ("0.0944", ExitCode.done, "EQUAL within 0.0944: 52 tensors; 16 differ, by a relative RMSE of at most 0.09435\n"),
            ("0.0943", .no, "DIFFERENT within 0.0943: of 52 tensors, 2 in value; 36 identical\n"),
        ])
    func drawsTheLine(tolerance: String, status: ExitCode, verdict: String) throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("gpt2-tensorflow"), "-o", model]).status == .done)
        let run = ToolRunner(qinspect, ["diff", Fixture.sample("gpt2-tensorflow"), model, "--tolerance", tolerance])
        #expect(run.status == status && run.output.hasSuffix("\n" + verdict))
    }

    // MARK: - One difference each

    /// Runs the tool on two small files; what both are called is left out of the output.
    private func run(_ a: (inout SafetensorsImage) -> Void, _ b: (inout SafetensorsImage) -> Void, _ options: [String] = []) throws
        -> ToolRunner
    {
        let folder = try TemporaryFolder()
        var first = SafetensorsImage(), second = SafetensorsImage()
        a(&first)
        b(&second)
        try first.write(to: folder.path("a.safetensors"))
        try second.write(to: folder.path("b.safetensors"))
        return ToolRunner(qinspect, ["diff", folder.path("a.safetensors"), folder.path("b.safetensors")] + options)
    }

    private static func body(_ run: ToolRunner) -> [String] {
        run.output.split(separator: "\n").dropFirst(2).map(String.init)
    }

    @Test func findsOneChangedValue() throws {
        let values = (0..<10_000).map { Float($0 % 7) - 3 }
        var changed = values
        changed[4321] += 0.5
        let a: (inout SafetensorsImage) -> Void = { image in
            image.add("same", "F32", [2], [Float(1), 2])
            image.add("w", "F32", [100, 100], values)
        }
        let b: (inout SafetensorsImage) -> Void = { image in
            image.add("w", "F32", [100, 100], changed)
            image.add("same", "F32", [2], [Float(1), 2])
        }
        let text = try run(a, b)
        #expect(text.status == .no)
        #expect(
            Self.body(text) == [
                "tensor  rel RMSE  max err  mean err    cosine  differ", "F32",
                "  w       0.0025      0.5     5e-05  0.999997       1", "DIFFERENT: of 2 tensors, 1 in value; 1 identical",
            ])
        let document = try run(a, b, ["--json"]).document()
        let row = try #require(document["tensors"]?.array?.first)
        #expect(document["tensors"]?.array?.count == 1 && document["identical"]?.integer == 1)
        #expect(row["differing"]?.integer == 1 && row["max_error"]?.double == 0.5 && row["max_error_index"]?.integer == 4321)
        #expect(row["mean_error"]?.double == 0.5 / 10_000)
        #expect(try run(a, b, ["--tolerance", "0.01"]).status == .done)
        #expect(try run(a, b, ["--match", "^same$"]).status == .done)
        #expect(try run(a, b, ["--all", "--json"]).document()["tensors"]?.array?.count == 2)
    }

    @Test func tellsWhatIsMissingExtraOrOfAnotherShape() throws {
        let run = try run { image in
            image.add("a.only", "F32", [2], [Float(1), 2])
            image.add("turned", "F32", [1, 2], [Float(1), 2])
        } _: { image in
            image.add("b.only", "I64", [], [7])
            image.add("turned", "F16", [2], [UInt16(0), 0])
        }
        #expect(run.status == .no)
        #expect(
            Self.body(run) == [
                "tensor  in A        in B", "a.only  F32 [2]     -", "b.only  -           I64 []", "turned  F32 [1, 2]  F16 [2]",
                "DIFFERENT: of 3 tensors, 1 in shape, 1 only in A, 1 only in B; 0 identical",
            ])
    }

    @Test(
        "counts another type as a difference, unless values alone are asked for",
        arguments: [
            ([], ExitCode.no, "DIFFERENT: of 1 tensor, 1 in type only; 0 identical"),
            (["--tolerance", "0"], .done, "EQUAL within 0: 1 tensor, every value"),
        ])
    func comparesTypes(options: [String], status: ExitCode, verdict: String) throws {
        let run = try run(
            { $0.add("w", "BF16", [3], [UInt16(0x3f80), 0x4000, 0xc040]) }, { $0.add("w", "F32", [3], [Float(1), 2, -3]) }, options)
        #expect(run.status == status && Self.body(run) == ["equal values: 1 tensor, BF16 -> F32", verdict])
    }

    @Test(
        "compares numbers that are no floats by their bytes",
        arguments: [
            ([], "I64", [Int64(1), 2, 9], "  n            -        -         -       -       1"),
            (["--tolerance", "1"], "I64", [Int64(1), 2, 9], "  n            -        -         -       -       1"),
            ([], "U64", [Int64(1), 2, 3], "  n            -        -         -       -       -"),
        ])
    func comparesIntegers(options: [String], type: String, values: [Int64], row: String) throws {
        let run = try run({ $0.add("n", "I64", [3], [Int64(1), 2, 3]) }, { $0.add("n", type, [3], values) }, options)
        #expect(run.status == .no && Self.body(run).contains(row))
        #expect(Self.body(run).last?.hasSuffix("of 1 tensor, 1 in value; 0 identical") == true)
    }

    @Test func takesNaNOnBothSidesForEqualAndSaysSo() throws {
        let values: [Float] = [1, .nan, 2, .infinity, -.infinity, 3]
        let same = try run({ $0.add("w", "F32", [6], values) }, { $0.add("w", "F32", [6], values) })
        #expect(same.status == .done)
        #expect(
            Self.body(same) == [
                "not finite: 3 NaN or infinities, the same in A and B, in 1 tensor, the first is 'w'", "EQUAL: 1 tensor, every bit",
            ])
        // Another NaN is other bits, but no other value; and beside NaN, errors are still measured.
        var other = values
        other[1] = -Float.nan
        let payload = try run({ $0.add("w", "F32", [6], values) }, { $0.add("w", "F32", [6], other) })
        #expect(payload.status == .no && Self.body(payload).last == "DIFFERENT: of 1 tensor, 1 in bits only; 0 identical")
        #expect(Self.body(payload).contains("equal values: 1 tensor, F32 in other bits"))
        #expect(try run({ $0.add("w", "F32", [6], values) }, { $0.add("w", "F32", [6], other) }, ["--tolerance", "0"]).status == .done)
        other[0] = 5
        let both = try run({ $0.add("w", "F32", [6], values) }, { $0.add("w", "F32", [6], other) })
        #expect(Self.body(both).contains("  w        1.069        4     0.667  0.780399       1"))
    }

    @Test("tells doubles apart that are equal as floats", arguments: [[], ["--tolerance", "0"]])
    func comparesDoubles(options: [String]) throws {
        let run = try run({ $0.add("w", "F64", [2], [1.0, 2]) }, { $0.add("w", "F64", [2], [1.0, 2 + 1e-12]) }, options)
        #expect(run.status == .no && Self.body(run).contains("  w            0        0         0  1.000000       1"))
    }

    @Test("NaN on one side is worse than any number", arguments: [[], ["--tolerance", "1e300"]])
    func refusesNaNOnOneSide(options: [String]) throws {
        let run = try run({ $0.add("w", "F32", [2], [Float(1), 2]) }, { $0.add("w", "F32", [2], [Float(1), .nan]) }, options)
        #expect(run.status == .no && Self.body(run).contains("  w          nan        0       nan     nan       1"))
    }

    @Test func matchesNamesAcrossAPrefixWhereOnlyOnePairIsMeant() throws {
        let one: [Float] = [1]
        let named = try run { image in
            for name in ["wte.weight", "h.0.w", "lm_head.weight"] { image.add(name, "F32", [1], one) }
        } _: { image in
            for name in ["transformer.wte.weight", "transformer.h.0.w", "lm_head.weight"] { image.add(name, "F32", [1], one) }
        }
        #expect(named.status == .done)
        #expect(Self.body(named) == ["names: 2 tensors with the prefix 'transformer.' in B alone", "EQUAL: 3 tensors, every bit"])
        // Two could be meant, or prefixes differ: nothing is guessed.
        let ambiguous = try run { image in
            for name in ["x", "model.y"] { image.add(name, "F32", [1], one) }
        } _: { image in
            for name in ["model.x", "transformer.x", "transformer.y"] { image.add(name, "F32", [1], one) }
        }
        #expect(ambiguous.status == .no)
        #expect(Self.body(ambiguous).last == "DIFFERENT: of 5 tensors, 2 only in A, 3 only in B; 0 identical")
    }

    @Test func givesTheSameAnswerForAnyNumberOfThreads() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", model]).status == .done)
        let outputs = ["1", "3", "8"].map { ToolRunner(qinspect, ["diff", Fixture.sample("llama-hf"), model, "--all", "-t", $0]).output }
        #expect(Set(outputs).count == 1)
    }
}
