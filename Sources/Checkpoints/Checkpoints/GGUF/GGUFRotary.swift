import Architectures
import ByteIO
import GGUFFormat
import JSONText
import Platform
import TensorCore

/// What was done to the frequencies of a model, as `rope_scaling` of config.json says it.
///
/// Linear factors and those of YaRN stand under keys. Those of Llama 3.1 do not: the file has the factors themselves, by which each
/// frequency is divided, and the settings that lead to them are looked for. LongRoPE is such factors as they are, two for each frequency.
struct GGUFRotary {
    /// Keys of a family that are read here.
    static let keys: Set<String> = [
        "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scale_linear",
        "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
    ]

    let scaling: JSONObject?

    init(_ contents: GGUFContents, _ spelling: GGUFSpelling, _ numbers: GGUFNumbers) throws(FileError) {
        let metadata = contents.metadata, architecture = spelling.name
        let stated = try metadata.string("\(architecture).rope.scaling.type"), type = stated ?? "none"
        let older = try metadata.float("\(architecture).rope.scale_linear")
        // Where nothing is scaled, a factor counts for nothing.
        let factor = stated == "none" ? nil : try metadata.float("\(architecture).rope.scaling.factor") ?? older
        let factors = contents.factors[GGUFSpelling.frequencyFactors]
        let long = contents.factors[GGUFSpelling.longFactors], short = contents.factors[GGUFSpelling.shortFactors]
        guard factors == nil || type == "none" && long == nil && short == nil else {
            throw FileError(metadata.path, "has factors of frequencies and a scaling of type '\(JSONError.excerpt(type))'")
        }
        if let factors {
            scaling = try Self.llama3(factors, metadata, architecture)
        } else if long != nil || short != nil {
            scaling = try Self.longrope(long, short, type, metadata, numbers)
        } else if type == "none", (factor ?? 1) == 1 {
            scaling = nil
        } else {
            var object = JSONObject(["rope_type": .string(type == "none" ? "linear" : type)])
            if let factor { object["factor"] = .double(Double("\(factor)") ?? Double(factor)) }
            if let length = try metadata.integer("\(architecture).rope.scaling.original_context_length") {
                object["original_max_position_embeddings"] = .integer(length)
            }
            if type == "yarn" { try Self.addYarn(to: &object, metadata, spelling, numbers) }
            scaling = object
        }
    }

    /// Bounds and magnitude of YaRN.
    private static func addYarn(
        to object: inout JSONObject, _ metadata: GGUFMetadata, _ spelling: GGUFSpelling, _ numbers: GGUFNumbers
    ) throws(FileError) {
        for (member, key) in [("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow")] {
            guard let value = try metadata.float("\(spelling.name).rope.scaling.\(key)") else { continue }
            object[member] = .double(GGUFNumbers.shortest(Double(value)))
        }
        if spelling.hasRoundedYarn { object["truncate"] = .bool(false) }
        if let weight = numbers[GGUFSpelling.yarnMultiplier], weight != 0 {
            object["mscale"] = .double(1)
            object["mscale_all_dim"] = .double(GGUFNumbers.shortest(weight))
        }
    }

    /// - Parameter type: `rope.scaling.type`; converters leave it out.
    private static func longrope(
        _ long: [Float]?, _ short: [Float]?, _ type: String, _ metadata: GGUFMetadata, _ numbers: GGUFNumbers
    ) throws(FileError) -> JSONObject {
        guard let long, let short else {
            let missing = long == nil ? GGUFSpelling.longFactors : GGUFSpelling.shortFactors
            throw FileError(metadata.path, at: "tensor '\(missing)'", "is missing beside the other one of LongRoPE")
        }
        guard type == "none" || type == "longrope" else {
            throw FileError(metadata.path, "has factors of LongRoPE and a scaling of type '\(JSONError.excerpt(type))'")
        }
        func list(_ factors: [Float]) -> JSONValue { .array(factors.map { .double(GGUFNumbers.shortest(Double($0))) }) }
        var object = JSONObject(["rope_type": .string("longrope"), "short_factor": list(short), "long_factor": list(long)])
        if let original = numbers.count("rope.scaling.original_context_length") {
            object["original_max_position_embeddings"] = .integer(original)
        }
        if let magnitude = numbers["rope.scaling.attn_factor"] { object["attention_factor"] = .double(GGUFNumbers.shortest(magnitude)) }
        return object
    }

    /// The settings whose factors these are, to within what single precision loses.
    ///
    /// Low frequencies are divided by `factor`, high ones stay. Between, where n = original / wavelength rises from `low` to `high`,
    /// 1 / f goes from 1 / factor to 1 in a straight line. Only ratios of original, low and high can be told: low is 1 in all models.
    private static func llama3(_ factors: [Float], _ metadata: GGUFMetadata, _ architecture: String) throws(FileError) -> JSONObject {
        let theta = Double(try metadata.float("\(architecture).rope.freq_base") ?? 10_000)
        let frequencies = RotaryEmbedding(theta: theta).frequencies(headWidth: 2 * factors.count)
        let factor = Double(factors.max() ?? 1)
        func matches(high: Double, original: Double) -> Bool {
            let rotary = RotaryEmbedding(
                theta: theta,
                scaling: .llama3(factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: high, originalContextLength: original))
            return zip(zip(rotary.frequencies(headWidth: 2 * factors.count), frequencies), factors).allSatisfy { pair, stored in
                abs(pair.0 * Double(stored) / pair.1 - 1) < 1e-5
            }
        }
        let published = [8192] + (3...24).map { Double(1 << $0) }
        var found = published.first { matches(high: 4, original: $0) }.map { (high: 4.0, original: $0) }
        if found == nil, let fitted = line(factors, frequencies, factor: factor), matches(high: fitted.high, original: fitted.original) {
            found = fitted
        }
        guard let found else {
            throw FileError(
                metadata.path, at: "tensor '\(GGUFSpelling.frequencyFactors)'", "has factors of frequencies that are not those of a Llama 3"
            )
        }
        return JSONObject([
            "rope_type": .string("llama3"), "factor": .double(factor), "low_freq_factor": .double(1),
            "high_freq_factor": .double(found.high), "original_max_position_embeddings": .integer(Int(found.original)),
        ])
    }

    /// The line through the two outermost points between the ends.
    private static func line(_ factors: [Float], _ frequencies: [Double], factor: Double) -> (high: Double, original: Double)? {
        var points: [(inverse: Double, share: Double)] = []
        for (stored, frequency) in zip(factors, frequencies) where stored > 1.00001 && Double(stored) < factor * 0.99999 {
            let share = (1 / Double(stored) - 1 / factor) / (1 - 1 / factor)
            points.append((frequency / (2 * Double.pi), share))
        }
        guard let first = points.first, let last = points.last, first.inverse != last.inverse else { return nil }
        let slope = (first.share - last.share) / (first.inverse - last.inverse)
        let start = slope * first.inverse - first.share
        guard start > 0, slope > 0 else { return nil }
        let high = (1 + 1 / start), original = (slope * (high - 1)).rounded()
        guard original >= 1, original < 1e9 else { return nil }
        return ((high * 64).rounded() / 64, original)
    }
}
