import ByteIO
package import TensorCore

/// What a source of tensors does against the promises of `TensorSource`; empty where it keeps them all.
///
/// Names and counts, reads from any offset and of any length (which write nothing beside their buffer), places and checksums that
/// are those of the bytes read, reads from several threads at once. Reads past the end are a trap and need a process of their own.
package func checkTensorSource(_ source: any TensorSource) -> [String] {
    var faults: [String] = []
    var names: Set<[UInt8]> = []
    for name in source.tensors.map(\.name) + source.unreadableTensors.map(\.name) where !names.insert(Array(name.utf8)).inserted {
        faults.append("'\(name)' is listed twice")
    }
    for index in source.tensors.indices {
        do { faults += try TensorCheck(source, index).faults() } catch {
            faults.append("'\(source.tensors[index].name)' cannot be read: \(error)")
        }
    }
    guard faults.isEmpty else { return faults }
    let expected = source.tensors.indices.map { try? source.bytes(ofTensor: $0) }
    let threads = (0..<4).map { number in
        Thread {
            // Each thread begins with another tensor.
            expected.indices.allSatisfy { step in
                let index = (step + number * expected.count / 4) % expected.count
                return (try? source.bytes(ofTensor: index)) == expected[index]
            }
        }
    }
    if threads.map({ $0.join() }).contains(false) { faults.append("threads that read at once read other bytes") }
    return faults
}

/// One tensor of a source, and all of its bytes.
private struct TensorCheck {
    let source: any TensorSource
    let index: Int
    let bytes: [UInt8]

    init(_ source: any TensorSource, _ index: Int) throws(FileError) {
        self.source = source
        self.index = index
        bytes = try source.bytes(ofTensor: index)
    }

    func faults() throws(FileError) -> [String] {
        let info = source.tensors[index]
        var faults: [String] = []
        if info.byteCount * 8 != info.shape.elementCount * info.scalarType.bitCount { faults.append("has not the bytes of its elements") }
        if let range = try firstDifference() { faults.append("reads other bytes at \(range) than in one piece") }
        let file = source.fileIndex(ofTensor: index)
        if !source.files.indices.contains(file) { faults.append("lies in file \(file) of \(source.files.count)") }
        if let place = source.place(ofTensor: index) {
            if place.file != file { faults.append("lies in file \(place.file) and in file \(file)") }
            if try source.files[place.file].bytes(atOffset: place.offset, count: bytes.count) != bytes {
                faults.append("is not what lies at its place")
            }
        }
        if let checksum = source.storedChecksum(ofTensor: index), checksum != CRC32C(of: bytes) { faults.append("has another checksum") }
        do {
            try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 16) { try source.verifyPartChecksums(ofTensor: index, buffer: $0) }
        } catch { faults.append("has parts of another checksum: \(error)") }
        return faults.map { "'\(info.name)' \($0)" }
    }

    /// Where reading a part gives other bytes than reading all, or writes beside its buffer.
    private func firstDifference() throws(FileError) -> Range<Int>? {
        let canary: UInt8 = 0xc5
        let step = max(1, bytes.count / 61)
        for start in Array(stride(from: 0, to: bytes.count, by: step)) + [bytes.count] {
            for count in [0, 1, 7, 64, bytes.count / 3, bytes.count - start] where start + count <= bytes.count {
                var buffer = [UInt8](repeating: canary, count: count + 16)
                var failure: FileError?
                buffer.withUnsafeMutableBytes { all in
                    let part = UnsafeMutableRawBufferPointer(rebasing: all[8..<8 + count])
                    do throws(FileError) { try source.read(tensor: index, atByteOffset: start, into: part) } catch { failure = error }
                }
                if let failure { throw failure }
                let isWhole = buffer[8..<8 + count].elementsEqual(bytes[start..<start + count])
                guard isWhole, buffer[..<8].allSatisfy({ $0 == canary }), buffer[(8 + count)...].allSatisfy({ $0 == canary }) else {
                    return start..<start + count
                }
            }
        }
        return nil
    }
}
