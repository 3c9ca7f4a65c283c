import CommandLineKit
import Testing

@Suite struct NumberTextTests {
    @Test(arguments: [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.00 kB"), (1004, "1.00 kB"), (1005, "1.01 kB"), (9994, "9.99 kB"),
        (9995, "10.0 kB"), (99949, "99.9 kB"), (99950, "100 kB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
        (1_234_567_890, "1.23 GB"), (Int.max, "9.22 EB"), (-1500, "-1.50 kB"), (Int.min, "-9.22 EB"),
    ])
    func byteCount(count: Int, expected: String) {
        #expect(NumberText.byteCount(count) == expected)
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (Int.min, "-9,223,372,036,854,775,808"),
    ])
    func grouped(count: Int, expected: String) {
        #expect(NumberText.grouped(count) == expected)
    }

    @Test func exactByteCount() {
        #expect(NumberText.exactByteCount(1) == "1 byte")
        #expect(NumberText.exactByteCount(154_389_504) == "154,389,504 bytes")
    }

    @Test(arguments: [
        (0.125, 2, "0.12"), (0.375, 2, "0.38"), (2.675, 2, "2.67"), (1e22, 0, "10000000000000000000000"), (-0.001, 2, "0.00"),
        (-0.0, 1, "0.0"), (-0.006, 2, "-0.01"), (.nan, 2, "nan"), (-.infinity, 2, "-inf"), (0.5, 0, "0"), (1.5, 0, "2"),
    ])
    func fixed(value: Double, decimals: Int, expected: String) {
        #expect(NumberText.fixed(value, decimals: decimals) == expected)
    }

    /// Both ways of writing a number agree: 20 decimals of a double of this size are all of it.
    @Test func fixedRoundsTheExactValue() {
        var state: UInt64 = 1
        for number in 0..<3000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // Halves and quarters are ties at 0 and 1 decimals; the others hardly ever are.
            let value = number % 3 == 0 ? Double(Int64(bitPattern: state) >> 52) / 4 : Double(Int64(bitPattern: state)) * 0x1p-44
            for decimals in 0...6 {
                let text = NumberText.fixed(value, decimals: decimals)
                #expect(text.contains(".") == (decimals > 0))
                let step = [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6][decimals]
                #expect((Double(text) ?? .nan) - value <= step / 2 * 1.0001 && value - (Double(text) ?? .nan) <= step / 2 * 1.0001)
            }
        }
        #expect([0.5, 1.5, 2.5, -0.5].map { NumberText.fixed($0, decimals: 0) } == ["0", "2", "2", "0"])
        #expect([0.125, 0.375, 0.0625, -0.125].map { NumberText.fixed($0, decimals: 2) } == ["0.12", "0.38", "0.06", "-0.12"])
        #expect([0.005, 1.005, 2.675].map { NumberText.fixed($0, decimals: 2) } == ["0.01", "1.00", "2.67"])
        #expect(NumberText.fixed(.leastNonzeroMagnitude, decimals: 2) == "0.00")
        #expect(NumberText.fixed(0x1p51 + 0.5, decimals: 1) == "2251799813685248.5")
        #expect([Double.infinity, -.infinity, .nan].map { NumberText.fixed($0, decimals: 1) } == ["inf", "-inf", "nan"])
    }

    @Test func fixedHoldsTheLargestDouble() {
        #expect(NumberText.fixed(-Double.greatestFiniteMagnitude, decimals: 20).utf8.count == 1 + 309 + 1 + 20)
    }

    @Test(arguments: [
        (0.0, "0"), (-0.0, "0"), (1, "1"), (0.012345, "0.0123"), (123.45, "123"), (1234.5, "1.23e+03"), (0.00000015, "1.5e-07"),
        (9.996, "10"),
    ])
    func significant(value: Double, expected: String) {
        #expect(NumberText.significant(value, digits: 3) == expected)
    }

    @Test func percent() {
        #expect(NumberText.percent(0.4213) == "42.1%")
        #expect(NumberText.percent(1.0 / 3, decimals: 3) == "33.333%")
    }

    @Test(arguments: [
        (0, "0 s"), (0.00035, "350 us"), (0.0009994, "999 us"), (0.0009996, "1.00 ms"), (0.0123, "12.3 ms"), (4.561, "4.56 s"),
        (9.996, "10.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (125, "2 min 05 s"), (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"), (3725, "1 h 02 min"), (86399, "1 d 00 h"), (273_600, "3 d 04 h"), (-2, "-2.00 s"),
        (.infinity, "-"), (.nan, "-"),
    ])
    func duration(seconds: Double, expected: String) {
        #expect(NumberText.duration(seconds: seconds) == expected)
    }

    @Test(arguments: [(812_345_678.0, "812 MB/s"), (0, "-"), (-1, "-"), (.nan, "-"), (.infinity, "-")])
    func byteRate(rate: Double, expected: String) {
        #expect(NumberText.byteRate(rate) == expected)
    }
}
