import ByteIO

@testable import TensorFlowFormat

extension Reader {
    /// A table, its blocks put together with right checksums; entries come in order and cover every block.
    ///
    /// The first byte says what the rest is: a whole file, or blocks, each after a byte of its own and two of its length.
    static let table = Reader(
        "table",
        seeds: { samples in
            let files =
                samples.file("samples/gpt2-tensorflow/model.ckpt.index")
                + samples.file("Tests/Fixtures/tensorflow/partitioned/model.ckpt.index")
                + samples.file("Tests/Fixtures/tensorflow/slots/model.ckpt.index")
            let entries = ["", "a", "ab", "abc", "b", "ba"].map { TableWriter.Entry(key: Array($0.utf8), value: Array($0.utf8)) }
            let contents = TableWriter(restartInterval: 3).contents(entries)
            return files.map { [1] + $0 } + [TableImage.input([contents]), TableImage.input([contents, TableWriter().contents([])])]
        },
        read: { bytes in
            let limits = TableLimits(decompressedByteCount: 1 << 16, keyByteCount: 1 << 10, allKeysByteCount: 1 << 18, entryCount: 1 << 12)
            let path = scratch.file(TableImage.file(of: bytes))
            do throws(FileError) {
                var entries = try Table(InputFile(path: path), limits: limits).entries()
                var last: [UInt8]?
                var count = 0
                while let entry = try entries.next() {
                    require(last?.lexicographicallyPrecedes(entry.key) ?? true, "keys increase")
                    require(entry.key.count <= limits.keyByteCount, "no key is longer than the limit")
                    last = entry.key
                    count += 1
                }
                require(count <= limits.entryCount, "no more entries than the limit")
            } catch {
                tell(error)
            }
        })
}
