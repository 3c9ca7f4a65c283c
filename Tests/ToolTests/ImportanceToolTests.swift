import ByteIO
import CommandLineKit
import GGUFFormat
import JSONText
import TensorCore
import TestSupport
import Testing

@testable import qconvert
@testable import qinspect
@testable import qverify

/// `to-nf4 --imatrix` on the sample Llama: what calibration saw, written and read again.
@Suite struct ImportanceToolTests {
    private static let llama = Fixture.sample("llama-hf")

    /// A folder with `a.imatrix` of the sample, and the calibrated model.
    private static func makeFolder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let text = try Fixture.text(at: Fixture.sample("text/heldout.txt"))
        let line = [
            "to-nf4", llama, "-o", folder.path("calibrated.qnf"), "--calibrate", try folder.write(String(text.prefix(12000)), to: "a.txt"),
            "--write-imatrix", folder.path("a.imatrix"),
        ]
        #expect(ToolRunner(qconvert, line).status == .done)
        try folder.write(String(text.suffix(4000)), to: "other.txt")
        return folder
    }

    /// The file as it was written before there were keys, with means for sums.
    private static func old(_ file: ImportanceFile) -> [UInt8] {
        old(file.entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value.means) })
    }

    private static func old(_ entries: [(name: String, means: [Float])]) -> [UInt8] {
        var bytes = number(entries.count)
        for (name, means) in entries {
            bytes += number(name.utf8.count)
            bytes += Array(name.utf8)
            bytes += number(1)
            bytes += number(means.count)
            for mean in means { bytes += withUnsafeBytes(of: mean.bitPattern.littleEndian) { Array($0) } }
        }
        return bytes
    }

    private static func number(_ value: Int) -> [UInt8] { withUnsafeBytes(of: Int32(value).littleEndian) { Array($0) } }

    @Test func scalesAreSearchedForAndToldAgain() throws {
        let folder = try Self.makeFolder(), file = folder.path("a.imatrix")
        let (plain, model, again) = (folder.path("plain.qnf"), folder.path("a.qnf"), folder.path("b.qnf"))
        #expect(ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", plain]).status == .done)
        let run = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", model, "--imatrix", file, "--json"])
        #expect(run.status == .done, "\(run.errors)")
        let report = try #require(try run.document()["imatrix"])
        #expect(report["texts"] == .strings(["a.txt"]) && report["unreached"]?.integer == 0)
        #expect(report["searched"]?.integer == 28 && (report["mean_error_ratio"]?.double ?? 1) < 0.95)

        let text = ["--text", folder.path("other.txt"), "--json"]
        func divergence(_ path: String) throws -> Double {
            try #require(
                try ToolRunner(qverify, ["compare", Self.llama, path] + text).document()["predictions"]?["kl_mean"]?.double)
        }
        let (without, searched, calibrated) = (
            try divergence(plain), try divergence(model), try divergence(folder.path("calibrated.qnf"))
        )
        #expect(searched < 0.9 * without && calibrated < searched, "\(without) \(searched) \(calibrated)")

        let metadata = try ToolRunner(qinspect, ["metadata", model, "--json"]).document()
        #expect(metadata["settings"]?["quantizer"]?.string == "imatrix-nf4 1")
        #expect(metadata["lineage"]?.array?.last?["imatrix"]?["name"]?.string == "a.imatrix")
        #expect(ToolRunner(qverify, ["roundtrip", Self.llama, model]).status == .done)
        let exact = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact", "--imatrix", file])
        #expect(exact.status == .done, "\(exact.output) \(exact.errors)")
        let untold = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact"])
        #expect(untold.status == .failed && untold.errors.contains("--imatrix gives it (a.imatrix, CRC-32C "), "\(untold.errors)")

        // The older form says the same.
        let dat = try folder.write(Self.old(ImportanceFile(path: file)), to: "a.dat")
        let other = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", again, "--imatrix", dat, "--json"])
        #expect(try other.document()["fingerprint"] == run.document()["fingerprint"], "\(other.errors)")
        let wrong = ToolRunner(qverify, ["roundtrip", Self.llama, model, "--bit-exact", "--imatrix", dat])
        #expect(wrong.status == .failed && wrong.errors.contains("was made by another imatrix"))
    }

    /// What the file says nothing of, and what it says of another model.
    @Test func partsAndOtherModels() throws {
        let folder = try Self.makeFolder(), file = try ImportanceFile(path: folder.path("a.imatrix"))
        func write(_ entry: String, _ count: Int, to name: String) throws -> String {
            try folder.write(Self.old([(name: entry, means: [Float](repeating: 0.5, count: count))]), to: name)
        }
        let width = try #require(file.entries["blk.1.attn_q.weight"]).means.count
        let part = try write("blk.1.attn_q.weight", width, to: "part.dat")
        let run = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", folder.path("a.qnf"), "--imatrix", part])
        #expect(run.status == .done && run.errors.contains("says nothing of 27 weights like 'blk.0.attn_q.weight'"), "\(run.errors)")
        #expect(run.output.contains("27 weights have the nearest codes, as it says nothing of them"))
        let others: [(entry: String, count: Int, message: String)] = [
            ("blk.1.attn_q.weight", width + 1, "has \(width + 1) values, but \(width) inputs are expected: it is of another model"),
            ("blk.99.attn_q.weight", width, "says nothing of the weights of"),
        ]
        for (entry, count, message) in others {
            let bad = try write(entry, count, to: "bad.dat")
            let refused = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", folder.path("c.qnf"), "--imatrix", bad])
            #expect(refused.status == .failed && refused.errors.contains(message), "\(refused.errors)")
        }
        let excluded: [(options: [String], message: String)] = [
            (["--calibrate", "default"], "--imatrix and --calibrate exclude each other"),
            (["--quant-type", "fp4"], "--imatrix chooses codes of nf4, but --quant-type fp4 is asked for"),
        ]
        for (options, message) in excluded {
            let refused = ToolRunner(qconvert, ["to-nf4", Self.llama, "-o", folder.path("c.qnf"), "--imatrix", part] + options)
            #expect(refused.status == .usage && refused.errors.contains(message), "\(refused.errors)")
        }
        let four = ToolRunner(qconvert, ["to-nf4", folder.path("a.qnf"), "-o", folder.path("c.qnf"), "--imatrix", part])
        #expect(four.status == .failed && four.errors.contains("there is nothing to search for"), "\(four.errors)")
        #expect(try !folder.names().contains("c.qnf"))
    }
}
