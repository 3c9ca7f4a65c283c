package import Architectures
import Platform

/// Which experts the positions of a pass ask, and how much each of them counts.
package struct Routing {
    /// Positions of an expert, in ascending order.
    package struct Group {
        package let expert: Int
        package let positions: [Int32]
        /// Of each position.
        package let weights: [Float]
    }

    /// Of the experts that are asked by any position, in ascending order.
    package let groups: [Group]

    /// Of equal scores the first is chosen. A score that is no number is chosen first of all: what it spoils is seen then.
    ///
    /// - Parameter scores: [positions, E].
    package init(_ scores: UnsafePointer<Float>, positions: Int, _ mixture: Mixture) {
        var choice = Choice(mixture)
        var members = [[(position: Int32, weight: Float)]](repeating: [], count: mixture.expertCount)
        for position in 0..<positions {
            choice.choose(scores + position * mixture.expertCount)
            for slot in 0..<mixture.chosenCount {
                members[choice.experts[slot]].append((Int32(position), choice.weights[slot]))
            }
        }
        groups = members.enumerated().compactMap { expert, asked in
            asked.isEmpty ? nil : Group(expert: expert, positions: asked.map(\.position), weights: asked.map(\.weight))
        }
    }

    package static func sigmoid(_ x: Float) -> Float { 1 / (1 + expf(-x)) }

    /// The choice of one position: experts by falling score, and their weights.
    package struct Choice {
        package private(set) var experts: [Int]
        package private(set) var weights: [Float]
        private let mixture: Mixture

        package init(_ mixture: Mixture) {
            self.mixture = mixture
            experts = Array(repeating: 0, count: mixture.chosenCount)
            weights = Array(repeating: 0, count: mixture.chosenCount)
        }

        /// - Parameter scores: [E].
        package mutating func choose(_ scores: UnsafePointer<Float>) {
            var count = 0
            for expert in 0..<mixture.expertCount {
                var slot = count
                while slot > 0, Self.precedes(scores[expert], scores[experts[slot - 1]]) { slot -= 1 }
                guard slot < mixture.chosenCount else { continue }
                count = min(count + 1, mixture.chosenCount)
                for later in stride(from: count - 1, to: slot, by: -1) { experts[later] = experts[later - 1] }
                experts[slot] = expert
            }
            weigh(scores)
        }

        /// softmax over all scores [E].
        package func probabilities(_ scores: UnsafePointer<Float>) -> [Float] {
            let largest = scores[experts[0]], powers = (0..<mixture.expertCount).map { expf(scores[$0] - largest) }
            let total = powers.reduce(0, +)
            return powers.map { $0 / total }
        }

        private static func precedes(_ a: Float, _ b: Float) -> Bool { a > b || (a.isNaN && !b.isNaN) }

        private mutating func weigh(_ scores: UnsafePointer<Float>) {
            // The largest is the first: no power overflows.
            let largest = scores[experts[0]]
            switch mixture.weighting {
            case .softmaxOfAll(let sumsToOne):
                var total: Float = 0
                if !sumsToOne { for expert in 0..<mixture.expertCount { total += expf(scores[expert] - largest) } }
                setPowers(scores, minus: largest, over: sumsToOne ? nil : total)
            case .softmaxOfChosen: setPowers(scores, minus: largest, over: nil)
            case .sigmoidOfInput:
                for slot in weights.indices { weights[slot] = Routing.sigmoid(scores[experts[slot]]) }
            }
        }

        /// e^(z - largest) of the chosen, over a total or their own sum.
        private mutating func setPowers(_ scores: UnsafePointer<Float>, minus largest: Float, over total: Float?) {
            var sum: Float = 0
            for slot in weights.indices {
                weights[slot] = expf(scores[experts[slot]] - largest)
                sum += weights[slot]
            }
            for slot in weights.indices { weights[slot] /= total ?? sum }
        }
    }
}
