import Architectures
import Testing
import Transformer

/// Which experts are chosen, and how much they count.
@Suite struct RoutingTests {
    private func choice(
        _ scores: [Float], _ weighting: Mixture.Weighting, chosen: Int = 2
    ) -> (experts: [Int], weights: [Float]) {
        var choice = Routing.Choice(Mixture(expertCount: scores.count, chosenCount: chosen, weighting: weighting))
        choice.choose(scores)
        return (choice.experts, choice.weights)
    }

    @Test func weighsByTheSoftmaxOfAll() {
        // e^0, e^log 3, e^log 2, e^log 4: tenths.
        let scores: [Float] = [0, 1.0986123, 0.6931472, 1.3862944]
        let plain = choice(scores, .softmaxOfAll(sumsToOne: false))
        #expect(plain.experts == [3, 1])
        #expect(zip(plain.weights, [0.4, 0.3]).allSatisfy { abs($0 - $1) < 1e-6 })
        let whole = choice(scores, .softmaxOfAll(sumsToOne: true)), chosen = choice(scores, .softmaxOfChosen)
        #expect(zip(whole.weights, [4.0 / 7, 3.0 / 7]).allSatisfy { abs($0 - Float($1)) < 1e-6 })
        #expect(whole.weights == chosen.weights)
        #expect(choice([0, -1, -2], .sigmoidOfInput, chosen: 1).weights == [0.5])
    }

    @Test(arguments: 1...4)
    func takesTheFirstOfEquals(chosen: Int) {
        #expect(choice([1, 2, 2, 1, 2, 0], .softmaxOfChosen, chosen: chosen).experts == Array([1, 2, 4, 0][..<chosen]))
        #expect(choice([-0, 0, -0, 0], .softmaxOfChosen, chosen: chosen).experts == Array(0..<chosen))
    }

    @Test func showsWhatIsNoNumber() {
        for weighting in [Mixture.Weighting.softmaxOfChosen, .softmaxOfAll(sumsToOne: true), .softmaxOfAll(sumsToOne: false)] {
            let spoiled = choice([9, 1, .nan, 5], weighting)
            #expect(spoiled.experts == [2, 0] && spoiled.weights.allSatisfy(\.isNaN))
        }
        #expect(choice([-.infinity, -.infinity, 3], .softmaxOfChosen).experts == [2, 0])
        #expect(choice([-.infinity, -.infinity, 3], .softmaxOfChosen).weights == [1, 0])
    }

    @Test func groupsPositionsByExpert() {
        let mixture = Mixture(expertCount: 3, chosenCount: 1, weighting: .softmaxOfChosen)
        let routing = Routing([0, 5, 0, 7, 1, 1, 0, 9, 3], positions: 3, mixture)
        #expect(routing.groups.map(\.expert) == [0, 1])
        #expect(routing.groups.map(\.positions) == [[1], [0, 2]])
        #expect(routing.groups.map(\.weights) == [[1], [1, 1]])
    }
}
