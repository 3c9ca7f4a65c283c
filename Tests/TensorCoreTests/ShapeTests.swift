import TensorCore
import Testing

@Suite struct ShapeTests {
    static let counts: [(dimensions: [Int], elementCount: Int)] = [
        ([], 1), ([0], 0), ([1], 1), ([7], 7), ([2, 3], 6), ([50257, 768], 38_597_376), ([3, 0, 5], 0), ([1, 1, 1, 1], 1),
        ([Int.max], Int.max), ([Int.max, 1], Int.max), ([1 << 31, 1 << 31], 1 << 62), ([0, Int.max, Int.max], 0),
        ([3_037_000_499, 3_037_000_499], 9_223_372_030_926_249_001),
    ]

    @Test("counts elements", arguments: counts)
    func countsElements(dimensions: [Int], elementCount: Int) throws {
        let shape = try #require(Shape(dimensions))
        #expect(shape.elementCount == elementCount)
        #expect(shape.dimensions == dimensions)
    }

    static let impossible: [[Int]] = [
        [-1], [2, -3], [-2, -3], [Int.min], [0, -1], [Int.max, 2], [1 << 32, 1 << 31], [1 << 62, 2], [1 << 62, 2, 0],
        [3_037_000_500, 3_037_000_500], [1 << 21, 1 << 21, 1 << 21], [Int](repeating: 2, count: 63), [Int](repeating: 1, count: 255),
    ]

    @Test("refuses what no tensor can have", arguments: impossible)
    func refuses(dimensions: [Int]) {
        #expect(Shape(dimensions) == nil)
    }

    @Test func mayHaveManyDimensions() {
        #expect(Shape.rankLimit == 254)
        #expect(Shape([Int](repeating: 1, count: 254))?.elementCount == 1)
        #expect(Shape([Int](repeating: 2, count: 62))?.elementCount == 1 << 62)
    }

    @Test func isWrittenAsInAHeader() {
        #expect(Shape([])?.description == "[]")
        #expect(Shape([5])?.description == "[5]")
        #expect(Shape([50257, 768])?.description == "[50257, 768]")
    }

    @Test func shapesOfTheSameCountAreDifferent() {
        #expect(Shape([2, 3]) != Shape([3, 2]))
        #expect(Shape([6]) != Shape([6, 1]))
        #expect(Shape([2, 3]) == Shape([2, 3]))
    }
}
