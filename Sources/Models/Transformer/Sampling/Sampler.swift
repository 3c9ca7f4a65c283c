package import Architectures
import CKernels
import Platform
import TensorCore

/// Chooses tokens. The same logits, settings and history give the same tokens: nothing depends on threads or time.
package struct Sampler: Sendable {
    package let settings: SamplingSettings
    private var random: RandomGenerator

    /// A token that may be chosen.
    private struct Candidate {
        let token: Int
        /// In proportion to the most probable token, which has 1.
        let weight: Double
    }

    package init(_ settings: SamplingSettings) {
        self.settings = settings
        random = RandomGenerator(seed: settings.seed)
    }

    /// The next token.
    ///
    /// - Parameters:
    ///   - logits: [V].
    ///   - history: tokens that the repeat penalty counts as occurred; ids outside of the vocabulary are none.
    /// - Throws: where a logit is NaN or none is finite: weights that are damaged.
    package mutating func next(_ logits: [Float], history: [Int32] = []) throws(ModelError) -> Int32 {
        guard settings.repeatPenalty != 1 else { return Int32(try choose(logits)) }
        var penalized = logits
        for id in Set(history) where logits.indices.contains(Int(id)) {
            let token = Int(id)
            penalized[token] = logits[token] > 0 ? logits[token] / settings.repeatPenalty : logits[token] * settings.repeatPenalty
        }
        return Int32(try choose(penalized))
    }

    private mutating func choose(_ logits: [Float]) throws(ModelError) -> Int {
        let best = try Self.mostProbable(logits)
        guard settings.temperature > 0 else { return best }
        // One draw a token, whatever is left to choose from.
        let draw = random.uniformDouble()
        let candidates = candidates(logits, largest: logits[best])
        let sum = candidates.reduce(0) { $0 + $1.weight }
        var rest = draw * sum
        for candidate in candidates {
            rest -= candidate.weight
            if rest < 0 { return candidate.token }
        }
        // Rounding: the draw was within an ulp of the sum.
        return candidates.last?.token ?? best
    }

    /// The token with the largest logit, of several the first.
    package static func mostProbable(_ logits: [Float]) throws(ModelError) -> Int {
        var best = 0
        var largest = -Float.infinity
        var isNumber = true
        logits.withUnsafeBufferPointer { logits in
            for index in logits.indices {
                let value = logits[index]
                if value > largest { (best, largest) = (index, value) }
                isNumber = isNumber && !value.isNaN
            }
        }
        guard isNumber, largest.isFinite else {
            throw ModelError("the logits are not all finite numbers, so no token can be chosen", hint: ModelError.damageHint)
        }
        return best
    }

    /// The logarithm of a token's probability by the model itself, before any setting; to about 1e-6.
    package static func logProbability(of token: Int32, _ logits: [Float]) -> Double {
        let largest = logits.max() ?? 0
        let weights = [Float](unsafeUninitializedCapacity: logits.count) { buffer, count in
            count = logits.count
            for index in 0..<count { buffer[index] = logits[index] - largest }
            qk_exp_at(qk_simd_best(), buffer.baseAddress, count, buffer.baseAddress)
        }
        var sums = SIMD8<Double>.zero
        let whole = weights.count / SIMD8<Double>.scalarCount * SIMD8<Double>.scalarCount
        weights.withUnsafeBytes { bytes in
            for index in stride(from: 0, to: whole, by: SIMD8<Double>.scalarCount) {
                sums += SIMD8<Double>(bytes.loadUnaligned(fromByteOffset: 4 * index, as: SIMD8<Float>.self))
            }
        }
        let sum = weights[whole...].reduce(sums.sum()) { $0 + Double($1) }
        return Double(logits[Int(token)] - largest) - log(sum)
    }

    /// What top k, top p and min p leave, with weights relative to the largest.
    private func candidates(_ logits: [Float], largest: Float) -> [Candidate] {
        let temperature = Double(settings.temperature)
        func weight(_ logit: Float) -> Double { exp((Double(logit) - Double(largest)) / temperature) }
        var candidates: [Candidate] = []
        if let topK = settings.topK, topK < logits.count {
            var heap = CandidateHeap(logits)
            while candidates.count < topK, let token = heap.popLargest() {
                candidates.append(Candidate(token: token, weight: weight(logits[token])))
            }
            if settings.topP < 1 { Self.cut(&candidates, topP: Double(settings.topP)) }
        } else if settings.topP < 1 {
            let limit = Double(settings.topP) * logits.reduce(0.0) { $0 + weight($1) }
            var heap = CandidateHeap(logits)
            var sum = 0.0
            while sum < limit, let token = heap.popLargest() {
                candidates.append(Candidate(token: token, weight: weight(logits[token])))
                sum += weight(logits[token])
            }
        } else {
            candidates = logits.indices.map { Candidate(token: $0, weight: weight(logits[$0])) }
        }
        if settings.minP > 0 { candidates.removeAll { $0.weight < Double(settings.minP) } }
        return candidates
    }

    /// Keeps the first candidates that together have `topP` of the weight of all; they are in descending order.
    private static func cut(_ candidates: inout [Candidate], topP: Double) {
        let limit = topP * candidates.reduce(0) { $0 + $1.weight }
        var sum = 0.0
        guard
            let last = candidates.firstIndex(where: { candidate in
                sum += candidate.weight; return sum >= limit
            })
        else { return }
        candidates.removeSubrange((last + 1)...)
    }
}
