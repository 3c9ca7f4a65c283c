import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import GGUFFormat

/// What layers saw, in llama.cpp's two kinds of files, and everything that such a file must not say.
@Suite struct ImportanceFileTests {
    private static func floats(_ values: [Float]) -> [UInt8] { values.flatMap { number($0.bitPattern) } }

    private static func number(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    /// `x`, of four inputs, and `e`, of two experts, of which the second saw nothing.
    private static func image(_ change: (inout GGUFImage) -> Void = { _ in }) -> [UInt8] {
        var image = GGUFImage()
        image.add("general.type", "imatrix")
        image.add("imatrix.datasets", type: 9, image.array(of: 8, [image.string("a.txt"), image.string("b.txt")]))
        image.add(tensor: "x.weight.in_sum2", [4, 1], type: 0, floats([2, 4, 0, 8]))
        image.add(tensor: "x.weight.counts", [1, 1], type: 0, floats([4]))
        image.add(tensor: "e.weight.in_sum2", [2, 2], type: 0, floats([3, 6, 0, 0]))
        image.add(tensor: "e.weight.counts", [1, 2], type: 0, floats([3, 0]))
        change(&image)
        return image.bytes
    }

    private static func old(entries: Int32 = 2, tail: [UInt8] = number(Int32(7)) + number(Int32(5)) + Array("a.txt".utf8)) -> [UInt8] {
        number(entries) + entry("x.weight", calls: 2, [1, 2, 0, 4]) + entry("e.weight", calls: 0, [1, 2, 1, 1]) + tail
    }

    private static func entry(_ name: String, calls: Int32, _ values: [Float], count: Int32? = nil) -> [UInt8] {
        number(Int32(name.utf8.count)) + Array(name.utf8) + number(calls) + number(count ?? Int32(values.count)) + floats(values)
    }

    @Test(arguments: [false, true])
    func readsBothKinds(isOld: Bool) throws {
        let folder = try TemporaryFolder()
        let file = try ImportanceFile(path: folder.write(isOld ? Self.old() : Self.image(), to: "imatrix"))
        #expect(file.entries["x.weight"]?.means == [0.5, 1, 0, 2] && file.entries["e.weight"]?.means == [1, 2, 1, 1])
        #expect(file.entries.count == 2 && file.entries["e.weight"]?.matrixCount == (isOld ? 1 : 2))
        #expect(file.texts == (isOld ? ["a.txt"] : ["a.txt", "b.txt"]))
        #expect(try ImportanceFile(path: folder.write(Self.old(tail: []), to: "untold")).texts.isEmpty)
    }

    @Test(arguments: [
        ("another kind", image { $0.keys[0].value = $0.string("model") }, "is not \"imatrix\""),
        ("no counts", image { $0.tensors.remove(at: 1) }, "has no 'x.weight.counts' beside it"),
        (
            "too many counts",
            image {
                $0.tensors[1].dimensions = [1, 2]; $0.tensors[1].bytes = floats([4, 4])
            }, "in as many rows as"
        ),
        (
            "halves",
            image {
                $0.tensors[0].type = 1; $0.tensors[0].bytes = [UInt8](repeating: 0, count: 8)
            }, "but f32 sums"
        ),
        ("negative", image { $0.tensors[0].bytes = floats([2, -4, 0, 8]) }, "element 1 is -1.0"),
        ("no number", image { $0.tensors[0].bytes = floats([2, 4, .nan, 8]) }, "element 2 is nan"),
        ("no count", image { $0.tensors[1].bytes = floats([-1]) }, "-1.0 is no number of tokens"),
        ("endless", image { $0.tensors[1].bytes = floats([.infinity]) }, "inf is no number of tokens"),
        ("nothing", image { $0.tensors = [] }, "says nothing of any weight"),
        ("empty", [], "the file ends after 0 bytes"), ("a text", Array("Once upon a time, there was".utf8), "is no imatrix"),
        ("too many", old(entries: 1 << 30), "for which"), ("less than none", old(entries: -1), "is no imatrix"),
        ("too few", old(entries: 3), ""), ("cut", Array(old().dropLast(30)), ""), ("more", old() + [1], "1 bytes follow after its end"),
        ("a long name", number(Int32(1)) + number(Int32(1 << 30)) + floats([0, 0, 0, 0]), "but 16 are left"),
        ("no UTF-8", number(Int32(1)) + number(Int32(1)) + [0xff] + floats([0, 0, 0, 0]), "its name is not UTF-8"),
        ("many values", number(Int32(1)) + entry("x", calls: 1, [1, 2, 3], count: 1 << 29), "'x' has 536870912 values"),
        ("less than no calls", number(Int32(1)) + entry("x", calls: -3, [1, 2, 3]), "was called -3 times"),
        ("no values", number(Int32(1)) + entry("x", calls: 1, [], count: 0) + floats([1]), "'x' has 0 values"),
        ("no mean", number(Int32(1)) + entry("x", calls: 1, [.nan, 1, 2]), "element 0 is nan"),
        ("twice", number(Int32(2)) + entry("x", calls: 1, [1, 2]) + entry("x", calls: 1, [1, 2]), "'x' is there twice"),
    ])
    func refuses(name: String, bytes: [UInt8], message: String) throws {
        let folder = try TemporaryFolder(), path = try folder.write(bytes, to: "imatrix")
        let error = #expect(throws: FileError.self, "\(name)") { _ = try ImportanceFile(path: path) }
        #expect(error?.description.contains(message) == true, "\(name): \(error?.description ?? "")")
    }
}
