import TensorCore
import Testing

@Suite struct TensorInfoTests {
    private func info(_ name: String, _ type: ScalarType, _ dimensions: [Int]) -> TensorInfo? {
        Shape(dimensions).flatMap { TensorInfo(name: name, scalarType: type, shape: $0) }
    }

    @Test func knowsItsBytes() throws {
        let matrix = try #require(info("w", .bf16, [3, 5]))
        #expect(matrix.elementCount == 15)
        #expect(matrix.byteCount == 30)
        let scalar = try #require(info("", .f64, []))
        #expect(scalar.byteCount == 8)
        let empty = try #require(info("e", .f4, [3, 0]))
        #expect(empty.byteCount == 0)
    }

    @Test(
        "refuses what has no count of bytes",
        arguments: [
            (ScalarType.f4, [3]), (.f6e3m2, [2, 3]), (.u8, [Int.max]), (.f64, [1 << 60]), (.f32, [1 << 30, 1 << 30]),
        ])
    func refuses(type: ScalarType, dimensions: [Int]) throws {
        let shape = try #require(Shape(dimensions))
        #expect(TensorInfo(name: "w", scalarType: type, shape: shape) == nil)
    }

    @Test func renamingKeepsTheRest() throws {
        var first = try #require(info("a", .u8, [4]))
        let other = first
        first.name = "b"
        #expect(first != other)
        #expect(first.shape == other.shape)
        first.name = "a"
        #expect(first == other)
    }
}
