package import ByteIO

/// One GGUF file: header validated at open, data read on demand.
package struct GGUFFile: Sendable {
    package let file: InputFile
    package let header: GGUFHeader

    package init(_ file: InputFile) throws(FileError) {
        self.file = file
        header = try GGUFHeader(file)
    }

    /// First byte of a tensor in the file.
    func offset(ofTensor index: Int) -> Int { header.dataStart + header.tensors[index].dataOffset }

    /// Fills `buffer` with bytes of a tensor in the order of little-endian machines.
    func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let info = header.tensors[index]
        precondition(offset >= 0 && offset + buffer.count <= info.byteCount, "a read leaves its tensor")
        let start = self.offset(ofTensor: index)
        guard header.byteOrder == .big, info.type.bytesPerBlock > 1 else { return try file.read(atOffset: start + offset, into: buffer) }
        try readSwapped(from: start, range: offset..<offset + buffer.count, elementByteCount: info.type.bytesPerBlock, into: buffer)
    }

    /// Whole elements go straight into the buffer; one that the range cuts is read by itself.
    private func readSwapped(
        from start: Int, range: Range<Int>, elementByteCount width: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileError) {
        var position = range.lowerBound
        while position < range.upperBound {
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[(position - range.lowerBound)...])
            let whole = position % width == 0 ? (range.upperBound - position) / width * width : 0
            if whole > 0 {
                let elements = UnsafeMutableRawBufferPointer(rebasing: target[..<whole])
                try file.read(atOffset: start + position, into: elements)
                swapElements(elements, byteCount: width)
                position += whole
            } else {
                let element = position / width * width
                let bytes = try file.bytes(atOffset: start + element, count: width)
                let end = min(element + width, range.upperBound)
                for place in position..<end { target[place - position] = bytes[width - 1 - (place - element)] }
                position = end
            }
        }
    }
}

/// Turns the bytes of each element around.
private func swapElements(_ bytes: UnsafeMutableRawBufferPointer, byteCount width: Int) {
    switch width {
    case 2: swapElements(bytes, as: UInt16.self)
    case 4: swapElements(bytes, as: UInt32.self)
    case 8: swapElements(bytes, as: UInt64.self)
    default: preconditionFailure("elements of \(width) bytes have no byte order")
    }
}

private func swapElements<Integer: FixedWidthInteger & BitwiseCopyable>(_ bytes: UnsafeMutableRawBufferPointer, as type: Integer.Type) {
    for offset in stride(from: 0, to: bytes.count, by: Integer.bitWidth / 8) {
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: type)
        bytes.storeBytes(of: value.byteSwapped, toByteOffset: offset, as: type)
    }
}
