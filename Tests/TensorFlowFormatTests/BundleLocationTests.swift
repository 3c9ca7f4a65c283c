import ByteIO
import TestSupport
import Testing

@testable import TensorFlowFormat

/// Files in a folder and a path in it that is no bundle, and the whole message that says why.
struct WrongPath: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let message: String
    let path: String
    /// Names of bundles of `BundleImage.small` to write.
    let bundles: [String]
    let files: [String: String]

    init(_ name: String, _ message: String, path: String, bundles: [String] = [], files: [String: String] = [:]) {
        testDescription = name
        self.message = message
        self.path = path
        self.bundles = bundles
        self.files = files
    }
}

@Suite struct BundleLocationTests {
    private static func makeFolder(bundles: [String], files: [String: String] = [:]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.makeFolder("d")
        for name in bundles { try BundleImage.small.write(to: folder, prefix: "d/" + name) }
        for (name, text) in files { try folder.write(Array(text.utf8), to: "d/" + name) }
        return folder
    }

    @Test(
        "finds the bundle of a path",
        arguments: ["d", "d/", "d/m.ckpt", "d/m.ckpt.index", "d/checkpoint"])
    func findsBundle(path: String) throws {
        let folder = try Self.makeFolder(bundles: ["m.ckpt"], files: ["checkpoint": #"model_checkpoint_path: "m.ckpt""#])
        let bundle = try TensorBundle.open(path: folder.path(path))
        #expect(bundle.path == folder.path("d/m.ckpt.index"))
        #expect(bundle.files.map(\.path) == [folder.path("d/m.ckpt.index"), folder.path("d/m.ckpt.data-00000-of-00001")])
    }

    @Test func opensByPrefixIndexAndFolder() throws {
        let folder = try Self.makeFolder(bundles: ["m"])
        for bundle in [
            try TensorBundle.open(prefix: folder.path("d/m")), try TensorBundle.open(indexPath: folder.path("d/m.index")),
            try TensorBundle.open(folder: folder.path("d")),
        ] {
            #expect(bundle.path == folder.path("d/m.index"))
        }
    }

    @Test(
        "follows the file checkpoint",
        arguments: [
            #"model_checkpoint_path: "m-200""#, #"model_checkpoint_path: "/home/somebody/models/124M/m-200""#,
            #"model_checkpoint_path: "C:\\models\\m-200""#, #"model_checkpoint_path: "../elsewhere/m-200""#,
            "# latest\nall_model_checkpoint_paths: \"m-100\"\nmodel_checkpoint_path:'m-' \"200\"\nlast_preserved_timestamp: 1.5",
        ])
    func followsCheckpointFile(text: String) throws {
        let folder = try Self.makeFolder(bundles: ["m-100", "m-200"], files: ["checkpoint": text])
        #expect(try TensorBundle.open(path: folder.path("d")).path == folder.path("d/m-200.index"))
    }

    @Test func findsTheVariablesOfASavedModel() throws {
        let bundle = try TensorBundle.open(path: BundleFixture.root + "/savedmodel")
        #expect(bundle.path == BundleFixture.root + "/savedmodel/variables/variables.index")
        #expect(try TensorBundle.open(path: BundleFixture.root + "/savedmodel/variables").path == bundle.path)
    }

    @Test func prefersThePrefixToAFolderOfThatName() throws {
        let folder = try Self.makeFolder(bundles: [])
        try BundleImage.small.write(to: folder, prefix: "d")
        #expect(try TensorBundle.open(path: folder.path("d")).path == folder.path("d.index"))
    }

    @Test("explains a path that is no bundle", arguments: wrongPaths)
    func explains(wrong: WrongPath) throws {
        let folder = try Self.makeFolder(bundles: wrong.bundles, files: wrong.files)
        let error = #expect(throws: FileError.self) { try TensorBundle.open(path: folder.path(wrong.path)) }
        #expect(try folder.report(#require(error)) == wrong.message)
    }

    static let wrongPaths: [WrongPath] = [
        WrongPath(
            "nothing there",
            """
            d/model.ckpt: is missing, and so is 'model.ckpt.index'
            hint: give a folder, an index NAME.index, or the NAME that a checkpoint's files share
            """, path: "d/model.ckpt"),
        WrongPath(
            "no index of this name",
            """
            d/model.ckpt.index: is missing
            hint: give a folder, an index NAME.index, or the NAME that a checkpoint's files share
            """, path: "d/model.ckpt.index"),
        WrongPath(
            "a data file",
            """
            d/m.ckpt.data-00000-of-00001: is a data file, which holds nothing but bytes; 'm.ckpt.index' says \
            what they are
            hint: give the path of 'm.ckpt.index', or the folder
            """, path: "d/m.ckpt.data-00000-of-00001", bundles: ["m.ckpt"]),
        WrongPath(
            "a graph",
            """
            d/m.ckpt.meta: is a graph, which holds no tensors; 'm.ckpt.index' says where they are
            hint: give the path of 'm.ckpt.index', or the folder
            """, path: "d/m.ckpt.meta", bundles: ["m.ckpt"], files: ["m.ckpt.meta": "x"]),
        WrongPath(
            "some other file",
            """
            d/hparams.json: is not a TensorFlow checkpoint
            hint: give the path of a file NAME.index
            """, path: "d/hparams.json", files: ["hparams.json": "{}"]),
        WrongPath(
            "an empty folder",
            """
            d: holds no TensorFlow checkpoint: neither a file 'checkpoint', nor an index, nor a SavedModel's \
            variables
            hint: a checkpoint is a file NAME.index with one or more files NAME.data-00000-of-00001
            """, path: "d"),
        WrongPath(
            "two indexes",
            """
            d: holds 2 indexes: 'm-1.index', 'm-2.index'
            hint: give the path of one of them
            """, path: "d", bundles: ["m-1", "m-2"]),
        WrongPath(
            "ten indexes",
            """
            d: holds 10 indexes: 'm-0.index', 'm-1.index', 'm-2.index', 'm-3.index', 'm-4.index', \
            'm-5.index', 'm-6.index', 'm-7.index' and 2 more
            hint: give the path of one of them
            """, path: "d", files: Dictionary(uniqueKeysWithValues: (0..<10).map { ("m-\($0).index", "") })),
        WrongPath(
            "a checkpoint file that names nothing here",
            """
            d/checkpoint: names 'm-2', but there is no 'm-2.index' beside it
            hint: give the path of an index: 'm-1.index'
            """, path: "d", bundles: ["m-1"],
            files: ["checkpoint": #"model_checkpoint_path: "/tmp/m-2""#]),
        WrongPath(
            "a checkpoint file alone",
            """
            d/checkpoint: names 'm', but there is no 'm.index' beside it
            hint: fetch the index and the data files too
            """, path: "d", files: ["checkpoint": #"model_checkpoint_path: "m""#]),
        WrongPath(
            "a checkpoint file of something else",
            """
            d/checkpoint: byte 0: a field's name is expected here
            hint: this file names the latest checkpoint; give the path of an index instead
            """, path: "d", bundles: ["m"], files: ["checkpoint": "{\"a\": 1}"]),
        WrongPath(
            "a checkpoint file without a path",
            """
            d/checkpoint: byte 0: model_checkpoint_path is missing
            hint: this file names the latest checkpoint; give the path of an index instead
            """, path: "d", bundles: ["m"], files: ["checkpoint": "last_preserved_timestamp: 1"]),
        WrongPath(
            "an empty index",
            """
            d/m.index: is 0 bytes long, but the footer of a table alone takes 48
            hint: an index ends in a table footer: this file was cut short, or it is something else; fetch \
            it again
            """, path: "d/m", files: ["m.index": ""]),
        WrongPath(
            "a placeholder of Git LFS",
            """
            d/m.index: byte 59: the file does not end in the magic of a table
            hint: an index ends in a table footer: this file was cut short, or it is something else; fetch \
            it again
            """, path: "d/m",
            files: ["m.index": "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5215\n"]),
    ]
}
