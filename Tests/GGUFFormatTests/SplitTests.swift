import ByteIO
import TensorCore
import TestSupport
import Testing

@testable import GGUFFormat

/// A model in several files.
@Suite struct SplitTests {
    private static let names = (1...3).map { "split-0000\($0)-of-00003.gguf" }

    private func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in Self.names { try folder.copy(Fixture.path("gguf/container/\(name)")) }
        return folder
    }

    @Test(arguments: names) func opensAllPartsByAnyOfThem(_ name: String) throws {
        let folder = try folder()
        let source = try GGUFSource(path: folder.path(name))
        #expect(source.files.map(\.name) == Self.names && source.path == folder.path(Self.names[0]))
        #expect(source.tensors.map(\.name) == ["a.weight", "b.bias", "q.weight"])
        #expect(source.tensors.indices.map { source.fileIndex(ofTensor: $0) } == [0, 1, 2])
        #expect(try source.metadata.string("general.name") == "split")
        // The same tensors as in one file.
        let whole = try GGUFSource(path: Fixture.path("gguf/container/v3.gguf"))
        #expect(try source.storedTensors() == whole.storedTensors())
    }

    /// A part of a model of three, with one tensor.
    private static func part(_ number: UInt16, count: UInt16 = 3, tensorCount: Int32 = 3, tensor: String? = nil) -> GGUFImage {
        var image = GGUFImage()
        if number == 0 {
            image.add("general.name", "split")
            image.add("tokens", type: 9, image.array(of: 8, [image.string("a"), image.string("b")]))
        }
        image.addSplit(number: number, count: count, tensorCount: tensorCount)
        image.add(tensor: tensor ?? "t.\(number)", [8], type: 24, [1, 2, 3, 4, 5, 6, 7, 8])
        return image
    }

    private static let mixed = "\nhint: the parts are not of the same model or revision; fetch all of them again"
    private static let names5 = "\nhint: give the parts the names back that they had: the others are found by them"

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let message: String
        let change: @Sendable (inout [String: GGUFImage]) -> Void

        init(_ name: String, _ message: String, _ change: @escaping @Sendable (inout [String: GGUFImage]) -> Void) {
            testDescription = name
            self.message = message
            self.change = change
        }
    }

    static let refusals: [Case] = [
        Case("parts missing", "\(names[0]): 2 of 3 parts are missing: \(names[1]), \(names[2])\nhint: download them into FOLDER") {
            $0[names[1]] = nil
            $0[names[2]] = nil
        },
        Case("a part under another's name", "\(names[1]): key 'split.no': is 2, but 1 by its name\(mixed)") {
            $0[names[1]] = part(2, tensor: "t.1")
        },
        Case("a part of four", "\(names[2]): key 'split.count': is 4, but 3 in part 1\(mixed)") { $0[names[2]] = part(2, count: 4) },
        Case("a part of another total", "\(names[1]): key 'split.tensors.count': is 9, but 3 in part 1\(mixed)") {
            $0[names[1]] = part(1, tensorCount: 9)
        },
        Case("a part that is none", "\(names[2]): has no 'split.count', but 3 parts belong together\(mixed)") { $0[names[2]] = .small },
        Case("a tensor in two parts", "\(names[2]): tensor 't.0': is also in part 1 of 3\(mixed)") {
            $0[names[2]] = part(2, tensor: "t.0")
        },
        Case("a tensor too few", "\(names[0]): key 'split.tensors.count': is 3, but the 3 parts have 2 tensors together\(mixed)") {
            $0[names[2]]?.tensors = []
        },
        Case(
            "metadata in a later part",
            "\(names[1]): key 'general.name': is not what part 1 says, which has the metadata of all parts\(mixed)"
        ) { $0[names[1]]?.add("general.name", "other") },
        Case(
            "an array of other items in a later part",
            "\(names[2]): key 'tokens': is not what part 1 says, which has the metadata of all parts\(mixed)"
        ) {
            guard let image = $0[names[2]] else { return }
            $0[names[2]]?.add("tokens", type: 9, image.array(of: 8, [image.string("a"), image.string("c")]))
        },
        Case("a part without its number", "\(names[0]): key 'split.count': is there, but 'split.no' is not\(mixed)") {
            $0[names[0]]?.keys.removeAll { $0.name == Array("split.no".utf8) }
        },
        Case("a number of another type", "\(names[0]): key 'split.tensors.count': is u32, but i32 is expected") {
            for index in $0[names[0]]?.keys.indices ?? 0..<0 where $0[names[0]]?.keys[index].name == Array("split.tensors.count".utf8) {
                $0[names[0]]?.keys[index].type = 4
            }
        },
        Case("part 3 of 3, counted from 0", "\(names[0]): key 'split.no': is 3, but there are 3 parts, counted from 0") {
            $0[names[0]] = part(3)
        },
        Case(
            "another number than in the name",
            "\(names[0]): key 'split.no': this is part 2 of 3, so the name should end in '-00002-of-00003.gguf'\(names5)"
        ) { $0[names[0]] = part(1) },
    ]

    @Test(arguments: refusals) func refuses(_ refusal: Case) throws {
        let folder = try TemporaryFolder()
        var images: [String: GGUFImage] = [:]
        for (index, name) in Self.names.enumerated() { images[name] = Self.part(UInt16(index)) }
        refusal.change(&images)
        for (name, image) in images { try folder.write(image.bytes, to: name) }
        let error = #expect(throws: FileError.self) { try GGUFSource(path: folder.path(Self.names[0])) }
        #expect(
            error.map { folder.report($0).split(separator: folder.path, omittingEmptySubsequences: false).joined(separator: "FOLDER") }
                == refusal.message)
    }

    @Test func aPartMaySayWhatTheFirstSays() throws {
        let folder = try TemporaryFolder()
        for (index, name) in Self.names.enumerated() {
            var image = Self.part(UInt16(index))
            if index == 2 {
                image.add("general.name", "split")
                image.add("tokens", type: 9, image.array(of: 8, [image.string("a"), image.string("b")]))
            }
            try folder.write(image.bytes, to: name)
        }
        #expect(try GGUFSource(path: folder.path(Self.names[2])).tensors.count == 3)
    }

    /// Without its name nobody finds the others; a part of one needs none.
    @Test func needsTheNames() throws {
        let folder = try TemporaryFolder()
        try folder.write(Self.part(1).bytes, to: "model.gguf")
        let error = #expect(throws: FileError.self) { try GGUFSource(path: folder.path("model.gguf")) }
        #expect(error?.message == "this is part 2 of 3, so the name should end in '-00002-of-00003.gguf'")
        try folder.write(Self.part(0, count: 1, tensorCount: 1).bytes, to: "one.gguf")
        #expect(try GGUFSource(path: folder.path("one.gguf")).files.count == 1)
    }

    @Test func tellsPartsByTheirNames() {
        #expect(GGUFSplit.arePartsOfOne(Self.names) && GGUFSplit.arePartsOfOne([Self.names[1], Self.names[0]]))
        for other in ["model.gguf", "split-00003-of-00004.gguf", "other-00003-of-00003.gguf", "split-0000x-of-00003.gguf"] {
            #expect(!GGUFSplit.arePartsOfOne([Self.names[0], other]), "\(other)")
        }
    }
}
