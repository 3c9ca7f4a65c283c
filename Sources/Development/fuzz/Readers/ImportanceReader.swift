import ByteIO
import GGUFFormat

extension Reader {
    /// An imatrix file, of either kind.
    static let imatrix = Reader(
        "imatrix",
        words: ["GGUF", "general.type", "imatrix", "imatrix.datasets", ".in_sum2", ".counts", "\u{1}\u{0}\u{0}\u{0}"],
        seeds: { samples in
            let entry: [UInt8] = [1, 0, 0, 0, 0x78, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]
            return [[1, 0, 0, 0] + entry, [1, 0, 0, 0] + entry + [3, 0, 0, 0, 1, 0, 0, 0, 0x61]]
                + samples.file("Tests/Fixtures/gguf/container/v3.gguf")
        },
        read: { bytes in
            imatrixFolder.write(bytes, to: "m.imatrix")
            do throws(FileError) {
                let file = try ImportanceFile(path: imatrixFolder.path("m.imatrix"))
                require(!file.entries.isEmpty, "a file says something")
                for entry in file.entries.values {
                    require(!entry.means.isEmpty && entry.means.count % entry.matrixCount == 0, "matrices have as many values each")
                    require(entry.means.allSatisfy { $0 >= 0 && $0.isFinite }, "means of squares are numbers")
                }
            } catch {
                tell(error)
            }
        })

    private static let imatrixFolder = Folder.temporary()
}
