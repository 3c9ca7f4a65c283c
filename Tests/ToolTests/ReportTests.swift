import ByteIO
import CommandLineKit
import Glibc
import TestSupport
import Testing

@testable import Reports
@testable import qconvert
@testable import qinspect

/// `qinspect report`: the page as a browser gets it.
@Suite struct ReportTests {
    private static func text(_ path: String) throws -> String {
        String(decoding: try InputFile(path: path).allBytes(limit: 1 << 26), as: UTF8.self)
    }

    /// The report of a sample, quantized and against its source.
    private static func report(of sample: String) throws -> String {
        let folder = try TemporaryFolder()
        let (model, page) = (folder.path("model.qnf"), folder.path("report.html"))
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample(sample), "-o", model]).status == .done)
        let run = ToolRunner(qinspect, ["report", model, Fixture.sample(sample), "-o", page, "--quiet"])
        #expect(run.status == .done && run.errors.isEmpty)
        #expect(try run.output.hasPrefix("\(page): ") && folder.names() == ["model.qnf", "report.html"])
        return try text(page)
    }

    /// The report of a file written by hand.
    private static func report(name: String = "model.safetensors", _ fill: (inout SafetensorsImage) -> Void) throws -> String {
        let folder = try TemporaryFolder()
        var image = SafetensorsImage()
        fill(&image)
        try image.write(to: folder.path(name))
        // What is written by hand need be no sound model to have its page.
        #expect([.done, .no].contains(ToolRunner(qinspect, ["report", folder.path(name), "-o", folder.path("page")]).status))
        return try text(folder.path("page"))
    }

    @Test("writes pages that are well formed and need nothing else", arguments: ["llama-hf", "gpt2-tensorflow"])
    func writesWellFormedPages(sample: String) throws {
        let text = try Self.report(of: sample)
        let page = try PageReader(text)
        let ids = page.elements.compactMap { $0.attributes["id"] }
        #expect(Set(ids).count == ids.count && ids == ["sizes", "error", "values", "origin", "files", "tensors"])
        #expect(page.elements.compactMap { $0.attributes["href"] } == ids.map { "#\($0)" })
        for name in ["script", "img", "link", "iframe", "object", "form", "base"] { #expect(!page.elements.contains { $0.name == name }) }
        for name in ["src", "style", "onclick", "onload", "xlink:href"] { #expect(!page.elements.contains { $0.attributes[name] != nil }) }
        for address in ["http://", "https://", "url(", "@import"] { #expect(!text.contains(address)) }
        #expect(page.elements.contains { $0.name == "meta" && $0.attributes["name"] == "viewport" })
        // Drawings say what they are; so do the numbers in them.
        #expect(page.elements.filter { $0.name == "svg" }.allSatisfy { $0.attributes["aria-label"] != nil })
        let (marks, titles) = (
            page.elements.count { $0.name == "rect" }, page.elements.count { $0.name == "title" && $0.path.last == "rect" }
        )
        #expect(marks == titles && marks > 4)
    }

    @Test func tellsWhatItIsAndWhatWasLost() throws {
        let page = try PageReader(try Self.report(of: "llama-hf"))
        #expect(page.texts(in: "title").first == "model.qnf")
        #expect(page.texts(in: "b").prefix(6) == ["1.12 M", "1.20 MB", "7.88", "39", "4", "9.20%"])
        #expect(page.texts(in: "p").contains("llama · qnf · NF4/64+DQ"))
        #expect(page.texts(in: "span").contains("All 1.17 MB of 185 stored tensors were read; every checksum is right."))
        let heat = page.elements.filter { $0.name == "td" && $0.attributes["class"]?.hasPrefix("heat-") == true }
        #expect(heat.count == 4 * 7)
        #expect(
            heat.first?.attributes["title"]
                == "self_attn.q_proj, layer 0: relative RMSE 0.09186, cosine 0.995777, largest error 0.0481")
        #expect(page.texts(in: "p").contains("The same values in every layer: input_layernorm, post_attention_layernorm."))
        #expect(page.texts(in: "b").contains("✓ Sound"))
    }

    @Test func isTheSameBytesEveryTime() throws {
        let folder = try TemporaryFolder()
        let model = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", model]).status == .done)
        let pages = try ["1", "2", "5"].map { threads in
            let page = folder.path(threads)
            #expect(ToolRunner(qinspect, ["report", model, Fixture.sample("llama-hf"), "-o", page, "-t", threads]).status == .done)
            return try Self.text(page)
        }
        #expect(Set(pages).count == 1)
    }

    // MARK: - Colours

    @Test func definesEachColourForLightAndDark() throws {
        let css = PageStyle.css
        let used = Set(css.split(separator: "var(--").dropFirst().map { String($0.prefix { $0 != ")" }) })
        #expect(used.subtracting(Palette.all.map(\.name)).isEmpty)
        #expect(Set(Palette.all.map(\.name)).count == Palette.all.count)
        for color in Palette.all { #expect(css.components(of: "--\(color.name):") == 2, "\(color.name)") }
        // No rule names a colour itself.
        let rules = css.split(separator: "\n").filter { !$0.contains(":root") }
        #expect(!rules.contains { $0.contains("#") })
        let classes = (0..<Palette.heatStepCount).map { ".heat-\($0){" } + (0..<Palette.typeCount).map { ".type-\($0){" }
        for name in classes { #expect(css.contains(name)) }
    }

    /// WCAG 2: 4.5 for text, 3 for marks.
    @Test("keeps enough contrast", arguments: [true, false])
    func keepsContrast(isDark: Bool) throws {
        let colors = Dictionary(uniqueKeysWithValues: Palette.all.map { ($0.name, isDark ? $0.dark : $0.light) })
        func contrast(_ a: String, _ b: String) throws -> Double {
            try Self.contrast(#require(colors[a]), #require(colors[b]))
        }
        for text in ["text", "muted", "accent"] {
            for back in ["page", "card"] { #expect(try contrast(text, back) >= 4.5, "\(text) on \(back)") }
        }
        #expect(try contrast("good", "good-back") >= 4.5 && contrast("bad", "bad-back") >= 4.5 && contrast("bad", "card") >= 4.5)
        for step in 0..<Palette.heatStepCount { #expect(try contrast("heat-text-\(step)", "heat-\(step)") >= 4.5, "step \(step)") }
        for type in 0..<Palette.typeCount { #expect(try contrast("type-\(type)", "card") >= 2.7, "type \(type)") }
        let plot = isDark ? Palette.Plot.dark : .light
        for (color, least) in [(plot.ink, 7), (plot.label, 4.5), (plot.plain, 3), (plot.dashed, 3)] {
            #expect(try Self.contrast(color, plot.paper) >= least, "\(color)")
        }
    }

    private static func contrast(_ a: String, _ b: String) throws -> Double {
        let (x, y) = (try luminance(a), try luminance(b))
        return (max(x, y) + 0.05) / (min(x, y) + 0.05)
    }

    private static func luminance(_ color: String) throws -> Double {
        let value = try #require(Int(color.dropFirst(), radix: 16))
        let channels = [16, 8, 0].map { shift -> Double in
            let channel = Double(value >> shift & 0xff) / 255
            return channel <= 0.04045 ? channel / 12.92 : pow((channel + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
    }

    // MARK: - Hostile and odd models

    @Test func takesNoMarkupFromAFile() throws {
        let names = [
            "<script>alert(1)</script>", "\\\" onmouseover=\\\"alert(1)", "layers.0.</title><b>.weight", "\\u202Egnp.exe\\u2066",
            "'&amp;<!--",
        ]
        let text = try Self.report(name: "<img src=x onerror=alert(1)>.safetensors") { image in
            for name in names { image.add(name, "F32", [2, 2], [Float(1), 2, 3, .nan]) }
        }
        let page = try PageReader(text)
        #expect(!page.elements.contains { $0.name == "script" || $0.name == "img" || $0.attributes.keys.contains { $0.hasPrefix("on") } })
        #expect(page.texts(in: "title").first == "&lt;img src=x onerror=alert(1)&gt;.safetensors")
        #expect(page.texts(in: "bdi").contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(page.texts(in: "bdi").contains("\\u{202e}gnp.exe\\u{2066}"))
        #expect(!text.unicodeScalars.contains { (0x202A...0x202E).contains($0.value) || (0x2066...0x2069).contains($0.value) })
    }

    @Test("reports whatever opens, damaged or not", arguments: HostileGalleryTests.entries.filter { $0.status != 2 })
    func reportsWhateverOpens(entry: HostileEntry) throws {
        let folder = try TemporaryFolder()
        let page = folder.path("page.html")
        let run = ToolRunner(qinspect, ["report", entry.fullPath, entry.fullPath, "-o", page, "--quiet"])
        #expect(run.status.rawValue == entry.status)
        _ = try PageReader(try Self.text(page))
    }

    @Test("reports a model without anything in it", arguments: [true, false])
    func reportsEmptyModels(hasTensor: Bool) throws {
        let page = try PageReader(try Self.report { image in if hasTensor { image.add("nothing", "F32", [0, 3], [Float]()) } })
        #expect(page.texts(in: "b").prefix(2) == ["0", hasTensor ? "71 B" : "10 B"])
        #expect(page.texts(in: "p").contains("No tensor has any bytes."))
    }

    @Test func staysSmallHoweverManyTensorsThereAre() throws {
        func report(layerCount: Int) throws -> String {
            try Self.report { image in
                for layer in 0..<layerCount {
                    for part in 0..<4 { image.add("blocks.\(layer).part_\(part).weight", "I8", [1], [Int8(1)]) }
                }
            }
        }
        let (half, whole) = (try report(layerCount: 1_200), try report(layerCount: 2_400))
        #expect((whole.utf8.count - half.utf8.count).magnitude < 5_000 && whole.utf8.count < 500_000)
        let page = try PageReader(whole)
        #expect(page.texts(in: "b").contains("9,600") && page.texts(in: "code").contains("qinspect layers"))
        #expect(page.elements.count { $0.name == "tr" } < 2_300)
    }

    @Test func saysWhereAnErrorIsNoNumber() throws {
        let folder = try TemporaryFolder()
        for (name, value) in [("model", Float.nan), ("source", 1)] {
            var image = SafetensorsImage()
            image.add("layers.0.w.weight", "F32", [2], [value, 2])
            try image.write(to: folder.path(name))
        }
        let page = folder.path("page.html")
        #expect(ToolRunner(qinspect, ["report", folder.path("model"), folder.path("source"), "-o", page, "-q"]).status == .no)
        let reader = try PageReader(try Self.text(page))
        #expect(
            reader.texts(in: "p").contains { $0.contains("The error of the others is no number: values are not finite on one side alone") })
        #expect(
            reader.texts(in: "td").contains("nan") && reader.elements.contains { $0.attributes["class"] == "heat-6" && $0.name == "td" })
    }

    @Test func namesTheFolderThatADotStandsFor() throws {
        let folder = try TemporaryFolder()
        #expect(ToolRunner(qinspect, ["report", Fixture.sample("llama-hf/."), "-o", folder.path("page")]).status == .done)
        #expect(try PageReader(try Self.text(folder.path("page"))).texts(in: "title").first == "llama-hf")
    }

    @Test func cutsNamesThatAreTooLong() throws {
        let name = String(repeating: "long.", count: 10_000)
        let text = try Self.report { image in
            for index in 0..<20 { image.add("\(index)\(name).0.w", "I8", [1], [Int8(1)]) }
        }
        #expect(text.utf8.count < 300_000 && text.contains("long.long") && text.contains("…"))
        _ = try PageReader(text)
    }

    @Test func saysThatAFileIsDamaged() throws {
        let folder = try TemporaryFolder()
        let (model, page) = (folder.path("model.qnf"), folder.path("page.html"))
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", model]).status == .done)
        try Fixture.damage(model)
        let run = ToolRunner(qinspect, ["report", model, "-o", page, "--quiet"])
        #expect(run.status == .no)
        #expect(run.errors == "qinspect: warning: \(model): is damaged, 1 problem\nhint: 'qinspect check' lists all\n")
        let reader = try PageReader(try Self.text(page))
        #expect(reader.texts(in: "b").contains("✗ Damaged"))
        #expect(reader.elements.compactMap { $0.attributes["id"] } == ["sizes", "origin", "files", "tensors"])
    }

    @Test func neverReplacesUnaskedOrItsInputs() throws {
        let folder = try TemporaryFolder()
        let page = folder.path("page.html")
        let line = ["report", Fixture.sample("llama-hf"), "-o", page]
        #expect(ToolRunner(qinspect, line).status == .done)
        let again = ToolRunner(qinspect, line)
        #expect(again.status == .failed && again.errors == "qinspect: error: \(page): exists already\nhint: --force replaces it\n")
        #expect(ToolRunner(qinspect, line + ["--force"]).status == .done)
        let model = folder.path("model.qnf")
        #expect(ToolRunner(qconvert, ["to-nf4", Fixture.sample("llama-hf"), "-o", model]).status == .done)
        let itself = ToolRunner(qinspect, ["report", model, "-o", model, "--force"])
        #expect(itself.errors == "qinspect: error: \(model): is also an input (\(model))\nhint: choose another output\n")
        #expect(ToolRunner(qinspect, ["check", model]).status == .done)
    }
}

extension String {
    /// How often a text stands in it.
    fileprivate func components(of text: String) -> Int { split(separator: text, omittingEmptySubsequences: false).count - 1 }
}
