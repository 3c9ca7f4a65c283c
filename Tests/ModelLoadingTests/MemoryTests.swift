import Architectures
import Checkpoints
import TestSupport
import Testing
import Transformer

@testable import ModelLoading

/// What a model would take, and what there is.
@Suite struct MemoryTests {
    @Test func anEstimateIsTheSumOfItsParts() throws {
        let checkpoint = try Checkpoint.open(Fixture.sample("llama-hf"))
        let configuration = try checkpoint.describedModel()
        let fast = MemoryEstimate(checkpoint, configuration, positions: 1000, isExact: false)
        // 4 layers, keys and values of 2 heads of 32 elements, 2 bytes each.
        #expect(fast.cache == 4 * 2 * 64 * 2 * 1000 && fast.weights == checkpoint.storedByteCount)
        let exact = MemoryEstimate(checkpoint, configuration, positions: 1000, isExact: true)
        #expect(exact.cache == 2 * fast.cache && exact.work < fast.work)
        #expect(exact.total == exact.weights + exact.cache + exact.work)
    }

    @Test func numbersThatNoMachineHasAreNoOverflow() throws {
        let folder = try TemporaryFolder()
        try folder.copy(Fixture.transformer("llama3/model.safetensors"))
        try folder.write(
            """
            {"model_type": "llama", "vocab_size": 1048576, "hidden_size": 1048576, "num_hidden_layers": 4096, "head_dim": 1048576, \
            "num_attention_heads": 1048576, "intermediate_size": 1048576, "max_position_embeddings": 67108864}
            """, to: "config.json")
        let checkpoint = try Checkpoint.open(folder.path)
        let configuration = try checkpoint.describedModel()
        let estimate = MemoryEstimate(checkpoint, configuration, positions: configuration.contextLength, isExact: true)
        #expect(estimate.cache == Int.max / 8 && estimate.total > estimate.cache)
    }

    @Test(
        arguments: [
            // Of the group and those around it the lowest counts.
            ("0::/user.slice/a.scope\n", ["/sys/fs/cgroup/user.slice/a.scope/memory.max": "max", "/sys/fs/cgroup/memory.max": "700"], 700),
            (
                "0::/user.slice/a.scope\n",
                ["/sys/fs/cgroup/user.slice/memory.max": "500\n", "/sys/fs/cgroup/user.slice/a.scope/memory.max": "900\n"], 500
            ),
            (
                "5:cpu,memory:/box\n4:pids:/box\n0::/\n",
                ["/sys/fs/cgroup/memory/box/memory.limit_in_bytes": "300\n", "/sys/fs/cgroup/pids/box/memory.limit_in_bytes": "1"], 300
            ),
            // In a container the path is that of the host, and the limit lies at the root.
            ("4:memory:/docker/12ab\n", ["/sys/fs/cgroup/memory/memory.limit_in_bytes": "200\n"], 200), ("0::/\n", [:], nil),
            ("", ["/sys/fs/cgroup/memory.max": "1"], nil), ("nonsense\n0:", ["/sys/fs/cgroup/memory.max": "1"], nil),
        ] as [(String, [String: String], Int?)])
    func limitsOfControlGroups(text: String, files: [String: String], expected: Int?) {
        #expect(AvailableMemory.controlGroup(text: text) { files[$0] } == expected)
    }

    @Test func thisMachineHasMemory() throws {
        #expect(try #require(AvailableMemory.byteCount) > 1 << 20)
    }
}
