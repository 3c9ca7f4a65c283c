import ByteIO

@testable import TensorFlowFormat

/// A table file made of an input.
enum TableImage {
    /// What is done to a block, in a byte before it.
    private enum Form {
        /// Bytes are contents to be compressed.
        static let compressed: UInt8 = 1
        /// Bytes are the compressed form itself.
        static let isCompressedForm: UInt8 = 2
        /// Without a restart array, which is added.
        static let withoutTail: UInt8 = 4
        /// Bytes are the index block, in place of the one that is made.
        static let isIndex: UInt8 = 8
        /// A wrong checksum.
        static let damaged: UInt8 = 16
    }

    static func file(of bytes: [UInt8]) -> [UInt8] {
        var input = FuzzInput(bytes)
        if input.byte() & 1 != 0 { return resealed(input.rest()) }
        var blocks: [(separator: [UInt8], sealed: [UInt8])] = []
        var index: [UInt8]?
        repeat {
            let form = input.byte()
            var contents = input.run(input.uint16())
            if form & Form.withoutTail != 0 { contents += TableWriter.tail(restarts: [0]) }
            if form & Form.isIndex != 0 {
                index = contents
            } else {
                blocks.append((separator(of: contents), seal(contents, form)))
            }
        } while !input.isEmpty
        let empty = TableWriter.seal(TableWriter().contents([]), type: 0)
        return TableWriter.file(blocks: blocks, metaindex: empty) { TableWriter.seal(index ?? $0, type: 0) }
    }

    /// The input that is put together to a table of these blocks.
    static func input(_ blocks: [[UInt8]]) -> [UInt8] {
        [0] + blocks.flatMap { [0] + Wire.littleEndian(UInt16($0.count)) + $0 }
    }

    private static func seal(_ contents: [UInt8], _ form: UInt8) -> [UInt8] {
        var sealed: [UInt8]
        if form & Form.compressed != 0 {
            sealed = TableWriter.seal(SnappyWriter.compress(contents), type: 1)
        } else {
            sealed = TableWriter.seal(contents, type: form & Form.isCompressedForm != 0 ? 1 : 0)
        }
        if form & Form.damaged != 0 { sealed[sealed.count - 1] ^= 1 }
        return sealed
    }

    /// The last key, which ends the block in the index; whatever it is, where the contents make no sense.
    private static func separator(of contents: [UInt8]) -> [UInt8] {
        var key: [UInt8] = []
        walk(contents) { entryKey, _ in key = entryKey }
        return key
    }

    /// Calls `entry` with each key and value as far as a block's contents make sense.
    private static func walk(_ contents: [UInt8], _ entry: (_ key: [UInt8], _ value: ArraySlice<UInt8>) -> Void) {
        guard contents.count >= 4 else { return }
        let restartCount = contents.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard restartCount <= (contents.count - 4) / 4 else { return }
        var reader = ByteReader(contents.dropLast(4 + 4 * restartCount))
        var key: [UInt8] = []
        while reader.remainingCount > 0 {
            guard let shared = try? reader.count(), let unshared = try? reader.count(), let valueCount = try? reader.count(),
                let bytes = try? reader.run(count: unshared), let value = try? reader.run(count: valueCount)
            else { return }
            key = Array(key.prefix(shared)) + bytes
            entry(key, value)
        }
    }

    /// A whole file with the checksums of all blocks that can be found made right.
    private static func resealed(_ file: [UInt8]) -> [UInt8] {
        guard let footer = try? TableFooter(Array(file.suffix(TableFooter.byteCount)), origin: 0) else { return file }
        var file = file
        var handles = [footer.metaindex, footer.index]
        if let end = footer.index.end, end <= file.count {
            walk(Array(file[footer.index.offset..<footer.index.offset + footer.index.byteCount])) { _, value in
                var reader = ByteReader(value)
                if let handle = try? BlockHandle(reading: &reader) { handles.append(handle) }
            }
        }
        for handle in handles.prefix(64) {
            guard let end = handle.end, end <= file.count else { continue }
            let checksum = CRC32C(of: Array(file[handle.offset...handle.offset + handle.byteCount])).masked
            file.replaceSubrange(end - 4..<end, with: Wire.littleEndian(checksum))
        }
        return file
    }
}
