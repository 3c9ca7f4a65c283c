import ByteIO
package import ContainerKit

extension ContainerFormat {
    package static let llmC = ContainerFormat(
        "llm.c", recognizes: { LLMCHeader.begins($0.head) }, open: { (probe) throws(FileError) in try FlatFile(llmC: probe.file) })

    /// Without a magic number: to be asked last of all files of bytes.
    package static let llama2C = ContainerFormat(
        "llama2.c", recognizes: { Llama2CHeader.begins($0.head) }, open: { (probe) throws(FileError) in try FlatFile(llama2C: probe.file) })
}
