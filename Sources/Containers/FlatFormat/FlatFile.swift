package import ByteIO
package import TensorCore

/// A file of a few whole numbers and all weights behind them, in an order that only its program knows: of llm.c, or of llama2.c.
package struct FlatFile: TensorSource {
    package enum Header: Sendable, Hashable {
        case llmC(LLMCHeader)
        case llama2C(Llama2CHeader)
    }

    package let header: Header
    package let tensors: [TensorInfo]
    package let files: [InputFile]
    private let offsets: [Int]

    package var path: String { files[0].path }

    package init(llmC file: InputFile) throws(FileError) {
        let header = try LLMCHeader(file)
        try self.init(file, .llmC(header), header.layout(), of: "llm.c")
    }

    package init(llama2C file: InputFile) throws(FileError) {
        let header = try Llama2CHeader(file)
        try self.init(file, .llama2C(header), header.layout(), of: "llama2.c")
    }

    private init(_ file: InputFile, _ header: Header, _ layout: FlatLayout, of program: String) throws(FileError) {
        guard let end = layout.end else { throw FileError(file.path, "the sizes of its header are beyond what a file can hold") }
        guard end == file.byteCount else {
            throw FileError(
                file.path, "by the sizes of its header a file of \(program) has \(end) bytes, but this one has \(file.byteCount)",
                hint: end > file.byteCount
                    ? "the download is incomplete, or it is a file of another program"
                    : "it is of another version, or a file of another program")
        }
        self.header = header
        tensors = layout.tensors
        offsets = layout.offsets
        files = [file]
    }

    package func fileIndex(ofTensor index: Int) -> Int { 0 }

    package func place(ofTensor index: Int) -> (file: Int, offset: Int)? { (0, offsets[index]) }

    package func read(tensor index: Int, atByteOffset offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        precondition(offset >= 0 && offset + buffer.count <= tensors[index].byteCount, "a read leaves its tensor")
        try files[0].read(atOffset: offsets[index] + offset, into: buffer)
    }
}
