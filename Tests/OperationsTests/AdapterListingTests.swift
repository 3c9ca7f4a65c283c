import Adapters
import Inspection
import Streaming
import TensorCore
import TestSupport
import Testing

@Suite struct AdapterListingTests {
    /// The norm of the delta itself, element by element in double precision.
    private static func deltaNorm(_ update: LowRankUpdate, _ adapter: Adapter) throws -> Double {
        let a = try adapter.values(of: update.a), b = try adapter.values(of: update.b)
        let (rank, inputs) = (update.rank, update.inputCount)
        var sum = 0.0
        for row in 0..<update.outputCount {
            for column in 0..<inputs {
                let element = (0..<rank).reduce(0.0) { $0 + Double(b[row * rank + $1]) * Double(a[$1 * inputs + column]) }
                sum += element * element
            }
        }
        return update.scaling * sum.squareRoot()
    }

    @Test(arguments: ["llama-rslora", "llama-bf16-adapter", "gpt2-embedding-tied"]) func normsAreThoseOfTheDelta(_ name: String) throws {
        let adapter = try Adapter.open(Fixture.adapter(name))
        let listing = try AdapterListing(adapter, resources: Resources(threadCount: 2))
        var squares = 0.0
        for row in listing.rows {
            let update = try #require(row.module.update), norms = try #require(row.norms)
            let expected = try Self.deltaNorm(update, adapter)
            #expect(abs(norms.delta - expected) <= 1e-12 * expected)
            squares += expected * expected
        }
        #expect(abs(listing.deltaNorm - squares.squareRoot()) <= 1e-12 * listing.deltaNorm)
    }

    @Test func countsRanksAndScalings() throws {
        let listing = try AdapterListing(
            try Adapter.open(Fixture.adapter("llama-rank-alpha-pattern")), resources: Resources(threadCount: 1))
        #expect(listing.forms.map(\.rank) == [8, 4, 8, 2, 12] && listing.forms.map(\.count) == [8, 2, 2, 1, 1])
        #expect(listing.forms.map(\.scaling) == [2, 4, 4, 8, 0.5])
    }
}
