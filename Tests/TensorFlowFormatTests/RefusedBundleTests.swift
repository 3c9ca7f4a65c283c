import ByteIO
import Glibc
import TestSupport
import Testing

@testable import TensorFlowFormat

/// Bundles of which a file is missing, and checkpoints of the first format.
@Suite struct RefusedBundleTests {
    private static func message(_ folder: TemporaryFolder, _ path: String = "m") throws -> String {
        let error = #expect(throws: FileError.self) { try TensorBundle.open(path: folder.path(path)) }
        return try folder.report(#require(error))
    }

    private static var threeShards: BundleImage {
        var image = BundleImage()
        image.header = Wire.field(1, 3)
        image.data = [[], [], []]
        for shard in 0..<3 { image.append([0x61 + UInt8(shard)], type: 4, shape: [2], bytes: [1, 2], shard: shard) }
        return image
    }

    @Test func saysThatOnlyTheIndexIsThere() throws {
        let folder = try TemporaryFolder()
        try folder.write(BundleImage.small.index, to: "m.index")
        #expect(
            try Self.message(folder) == """
                m.index: only the index is here: its data file 'm.data-00000-of-00001' is missing
                hint: the index says what the tensors are, the data file holds them: fetch both into one folder
                """)
        try folder.write(Self.threeShards.index, to: "m.index")
        #expect(
            try Self.message(folder) == """
                m.index: only the index is here: its data file 'm.data-00000-of-00003' and 2 more are missing
                hint: the index says what the tensors are, the data file holds them: fetch both into one folder
                """)
    }

    @Test func namesAMissingDataFile() throws {
        let folder = try TemporaryFolder()
        try Self.threeShards.write(to: folder)
        #expect(try TensorBundle.open(path: folder.path("m")).tensors.count == 3)
        folder.remove("m.data-00001-of-00003")
        #expect(
            try Self.message(folder) == """
                m.index: its data file 'm.data-00001-of-00003' is missing
                hint: fetch all 3 data files into one folder
                """)
        folder.remove("m.data-00002-of-00003")
        #expect(
            try Self.message(folder) == """
                m.index: its data file 'm.data-00001-of-00003' and 1 more are missing
                hint: fetch all 3 data files into one folder
                """)
    }

    @Test func refusesADataFileThatIsAFolder() throws {
        let folder = try TemporaryFolder()
        try folder.write(BundleImage.small.index, to: "m.index")
        try folder.makeFolder("m.data-00000-of-00001")
        #expect(try Self.message(folder) == "m.data-00000-of-00001: is a folder, not a file")
    }

    @Test func refusesTwoDataFilesWithTensorsInCommonOnlyWithinOneFile() throws {
        // The same range of two files is no overlap.
        let folder = try TemporaryFolder()
        try Self.threeShards.write(to: folder)
        let bundle = try TensorBundle.open(path: folder.path("m"))
        #expect(bundle.tensors.indices.map(bundle.fileIndex) == [1, 2, 3])
    }

    private static let version1 = """
        is a V1 checkpoint of TensorFlow, index and tensors in one file; only V2 checkpoints are read
        hint: restore it in TensorFlow with tf.compat.v1.train.Saver and save it again, which writes V2 unless told not to
        """

    @Test("refuses a V1 checkpoint by name", arguments: ["", "/model.ckpt", "/checkpoint"])
    func refusesVersion1(path: String) throws {
        let error = #expect(throws: FileError.self) { try TensorBundle.open(path: BundleFixture.root + "/v1" + path) }
        let text = try #require(error).description + "\nhint: " + (error?.hint ?? "")
        #expect(text == BundleFixture.root + "/v1/model.ckpt: " + Self.version1)
    }

    @Test func refusesAV1CheckpointNamedLikeAnIndex() throws {
        let folder = try TemporaryFolder()
        try folder.write(InputFile(path: BundleFixture.root + "/v1/model.ckpt").allBytes(limit: 1 << 20), to: "m.index")
        #expect(try Self.message(folder) == "m.index: " + Self.version1)
    }

    @Test func refusesV1Shards() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array(#"model_checkpoint_path: "/x/m.ckpt-?????-of-00002""#.utf8), to: "checkpoint")
        #expect(try Self.message(folder, "checkpoint") == "m.ckpt-?????-of-00002: " + Self.version1)
    }

    @Test func tellsAnIndexFromAPrefix() throws {
        let folder = try TemporaryFolder()
        try BundleImage.small.write(to: folder)
        let error = #expect(throws: FileError.self) { try TensorBundle.open(prefix: folder.path("m.index")) }
        #expect(
            try folder.report(#require(error)) == """
                m.index: is an index, not what its files share
                hint: give 'm' as the prefix
                """)
    }

    @Test func asksForTheNameOfAnIndex() throws {
        let folder = try TemporaryFolder()
        try folder.write(BundleImage.small.index, to: "m.idx")
        #expect(
            try Self.message(folder, "m.idx") == """
                m.idx: is an index, but its name does not end in '.index'
                hint: rename it: data files are found by the name of their index
                """)
    }

    /// V1 keeps tensors in the table, which may be larger than any index: told from its first bytes.
    @Test("refuses files larger than an index", arguments: [true, false])
    func refusesLargeFiles(isVersion1: Bool) throws {
        let folder = try TemporaryFolder()
        let first = isVersion1 ? try InputFile(path: BundleFixture.root + "/v1/model.ckpt").allBytes(limit: 1 << 20) : []
        try folder.write(first, to: "m.index")
        // A hole: no block of it is on the disk.
        #expect(truncate(folder.path("m.index"), 1 << 29 | 1) == 0)
        #expect(
            try Self.message(folder)
                == "m.index: "
                + (isVersion1 ? Self.version1 : "is 536870913 bytes long, but at most 536870912 are read of an index"))
    }
}
