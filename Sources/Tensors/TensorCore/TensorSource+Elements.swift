package import ByteIO

extension TensorSource {
    /// Bytes `range` of a tensor.
    package func bytes(ofTensor index: Int, _ range: Range<Int>) throws(FileError) -> [UInt8] {
        try [UInt8](count: range.count) { buffer throws(FileError) in
            try read(tensor: index, atByteOffset: range.lowerBound, into: buffer)
        }
    }

    /// All bytes of a small tensor.
    package func bytes(ofTensor index: Int) throws(FileError) -> [UInt8] {
        try bytes(ofTensor: index, 0..<tensors[index].byteCount)
    }

    /// Elements `range` of an F32 tensor.
    package func floats(ofTensor index: Int, _ range: Range<Int>) throws(FileError) -> [Float] {
        try [Float](count: range.count) { buffer throws(FileError) in
            try read(tensor: index, atByteOffset: 4 * range.lowerBound, into: buffer)
        }
    }

    /// All elements of a small F32 tensor, none of them NaN or infinite.
    package func finiteFloats(ofTensor index: Int) throws(FileError) -> [Float] {
        let values = try floats(ofTensor: index, 0..<tensors[index].elementCount)
        if let position = values.firstIndex(where: { !$0.isFinite }) {
            throw FileError(path, at: "tensor '\(tensors[index].name)'", "element \(position) is \(values[position]), not a finite number")
        }
        return values
    }
}
