import ByteIO
import TestSupport
import Testing

@testable import PyTorchFormat

/// Pickles byte by byte: values, and what hostile ones run into.
@Suite struct PickleMachineTests {
    private static func run(_ bytes: [UInt8]) throws -> (value: PickleValue, heap: PickleHeap) {
        let folder = try TemporaryFolder()
        let file = try InputFile(path: folder.write(bytes, to: "m"))
        var machine = PickleMachine(PickleCursor(file, 0..<bytes.count))
        let value = try machine.run()
        return (value, machine.heap)
    }

    private static func run(_ text: String) throws -> (value: PickleValue, heap: PickleHeap) { try run(Array(text.utf8)) }

    @Test(
        arguments: [
            (Array("I42\n.".utf8), .integer(42)), (Array("I01\n.".utf8), .bool(true)), (Array("L-7L\n.".utf8), .integer(-7)),
            ([0x80, 2, 0x8a, 1, 0xfe, 0x2e], .integer(-2)), ([0x8a, 0, 0x2e], .integer(0)),
            ([0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x2e], .largeInteger([0, 0, 0, 0, 0, 0, 0, 0, 1])),
            ([0x4a, 0xff, 0xff, 0xff, 0xff, 0x2e], .integer(-1)), ([0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x2e], .real(1.5)),
            (Array("F1.5\n.".utf8), .real(1.5)), (Array("S'ab'\n.".utf8), .text("ab")), (Array("Vab\n.".utf8), .text("ab")),
            ([0x55, 1, 0xe9, 0x2e], .text("é")), ([0x8c, 2, 0xc3, 0xa9, 0x2e], .text("é")), (Array("N0I1\n2.".utf8), .integer(1)),
            (Array("I5\np3\n0g3\n.".utf8), .integer(5)),
        ] as [([UInt8], PickleValue)])
    func values(_ pickle: ([UInt8], PickleValue)) throws { #expect(try Self.run(pickle.0).value == pickle.1) }

    @Test func containersHoldWhatIsPutIntoThem() throws {
        let (dictionary, inner) = try Self.run("}(Va\nI1\nVb\n]I2\naI3\nau.")
        let items = try #require(inner.items(dictionary))
        #expect(items.map(\.key) == [.text("a"), .text("b")] && items[0].value == .integer(1))
        #expect(inner.object(items[1].value)?.values == [.integer(2), .integer(3)])
    }

    /// A call of `builtins.eval`, and one of `os.system`, stay records.
    @Test func callsAreNotMade() throws {
        for call in ["cbuiltins\neval\n(V6*7\ntR.", "cos\nsystem\n(Vtrue\ntR."] {
            let (value, heap) = try Self.run(call)
            let record = try #require(heap.call(value))
            #expect(record.arguments.count == 1 && ["builtins.eval", "os.system"].contains(record.name))
        }
    }

    @Test(arguments: [
        (".", "byte 0: the pickle takes a value from an empty stack"), ("(.", "byte 1: the pickle takes a value from an empty stack"),
        ("t.", "byte 0: the pickle looks for a mark that it never set"),
        ("h\u{7}.", "byte 0: the pickle looks for value 7, which it never remembered"),
        ("N", "byte 1: 1 bytes of a pickle are needed here, but 0 are left"), ("NNs.", "an empty stack"),
        ("NVa\nNs.", "items are put into what is no dict"),
        ("NNa.", "values are appended to what is no list"), ("(Va\nd.", "byte 4: a dict has a key without a value"), ("P1\n.", "opcode 80"),
        ("\u{1}", "byte 0: 1 is no opcode of a pickle"),
        ("X\u{7f}\u{7f}\u{7f}\u{7f}", "has 2139062143 bytes, but at most 16777216 are read"),
        ("\u{7f}", "127 is no opcode"),
    ])
    func faultsNameTheirPlace(_ pickle: (text: String, message: String)) {
        let error = #expect(throws: FileError.self) { try Self.run(pickle.text) }
        #expect(error?.description.contains(pickle.message) == true, "\(error?.description ?? "")")
    }

    /// Deeper than any stack, from the inside out and from the outside in, and one that holds itself.
    @Test func depthIsNoProblem() throws {
        let tuples = try Self.run([UInt8](repeating: 0x85, count: 300_000).reduce(into: [UInt8(ascii: "N")]) { $0.append($1) } + [0x2e])
        #expect(tuples.heap.objects.count == 300_000)
        let lists = try Self.run([UInt8](repeating: 0x5d, count: 300_000) + [UInt8](repeating: UInt8(ascii: "a"), count: 299_999) + [0x2e])
        #expect(lists.heap.objects.count == 300_000)
        let own = try Self.run("]p0\ng0\na.")
        #expect(own.heap.object(own.value)?.values == [own.value])
    }

    /// Names that mean the same letters in other code points are two names to Python, and here.
    @Test func namesAreToldApartByTheirBytes() throws {
        let tensor =
            "ctorch._utils\n_rebuild_tensor\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI2\ntQI0\n(I2\nt(I1\nttR"
        let composed: [UInt8] = [0x8c, 2, 0xc3, 0xa9], decomposed: [UInt8] = [0x8c, 3, 0x65, 0xcc, 0x81]
        let entries = [composed, decomposed].flatMap { $0 + Array("\(tensor)s".utf8) }
        let (root, heap) = try Self.run([UInt8(ascii: "}")] + entries + [0x2e])
        #expect(try StateDict(root, heap, path: "m").entries.map { Array($0.name.utf8).count } == [2, 3])
    }

    /// Appending one by one copies nothing.
    @Test func manyItemsTakeLinearTime() throws {
        let pairs = (0..<100_000).flatMap { _ in Array("Va\nNs".utf8) }
        #expect(try Self.run([UInt8(ascii: "}")] + pairs + [0x2e]).heap.objects[0].items.count == 100_000)
    }
}
