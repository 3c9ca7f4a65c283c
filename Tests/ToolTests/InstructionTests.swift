import TestSupport
import Testing

/// QNF_SIMD in the environment: fewer instructions than the processor has.
@Suite struct InstructionTests {
    @Test func arePlainWhereTheEnvironmentSaysSo() throws {
        let tool = try ToolProcess("qinspect", ["--version"], limits: "export QNF_SIMD=Scalar")
        #expect(tool.wait() == .exit(0))
        #expect(tool.output.contains("plain C"))
    }

    @Test func areRefusedByNameWhereThereAreNone() throws {
        let tool = try ToolProcess("qinspect", ["--version"], limits: "export QNF_SIMD=avx9")
        #expect(tool.wait() == .exit(64))
        #expect(tool.output.isEmpty)
        #expect(tool.errors.hasPrefix("qinspect: error: QNF_SIMD in the environment names no instructions of this processor\n"))
        #expect(tool.errors.contains("it has scalar"))
    }

    /// With other products inside: text of a model in bytes and in 16 bits is the same.
    @Test(arguments: ["balanced", "fast"]) func giveTheSameTextWhicheverTheyAre(precision: String) throws {
        let line = [Fixture.sample("llama-bnb4"), "--prompt", "Once", "--temperature", "0", "--max-tokens", "24", "--precision", precision]
        let all = try ToolProcess("qrun", line), plain = try ToolProcess("qrun", line, limits: "export QNF_SIMD=scalar")
        #expect(all.wait() == .exit(0) && plain.wait() == .exit(0))
        #expect(!all.output.isEmpty && all.output == plain.output)
    }
}
