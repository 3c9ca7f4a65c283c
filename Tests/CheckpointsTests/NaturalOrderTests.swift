import Testing

@testable import Checkpoints

@Suite struct NaturalOrderTests {
    @Test func countsAsPeopleDo() {
        let names = [
            "", "0", "00", "1", "01", "2", "9", "10", "010", "18446744073709551616", "18446744073709551617", "a", "a.2.b", "a.10.a",
            "a.10.b", "a2",
            "a10", "b", "é",
        ]
        for (i, a) in names.enumerated() {
            for (j, b) in names.enumerated() { #expect(NaturalOrder.precedes(a, b) == (i < j), "'\(a)' and '\(b)'") }
        }
    }
}
