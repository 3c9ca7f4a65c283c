/// What comes in place of a model: files that are known and not read, each with the step to take.
extension ContainerFormat {
    /// What a clone without Git LFS has in place of a large file.
    package static let pointer = ContainerFormat(
        "Git LFS pointer", is: { "a Git LFS pointer, not the file itself (\(lfsByteCount($0.head)))" },
        hint: "run 'git lfs pull' in the repository, or download the file itself",
        recognizes: { $0.begins(with: "version https://git-lfs.github.com/spec/") })

    package static let strangers: [ContainerFormat] = [
        pointer,
        stranger(
            "HTML", is: "an HTML page, not a model",
            hint: "the download was answered with a web page (a login or an error); fetch the file again"
        ) { $0.visibleText.hasPrefix("<!doctype html") || $0.visibleText.hasPrefix("<html") },
        stranger("XML", is: "an XML document, not a model", hint: "the download was answered with an error; fetch the file again") {
            $0.visibleText.hasPrefix("<?xml")
        },
        stranger("gzip", is: "a gzip archive", hint: "unpack it first") { $0.begins(with: [0x1f, 0x8b]) },
        stranger("HDF5", is: "an HDF5 file", hint: "HDF5 is not read; save the model as safetensors") {
            $0.begins(with: [0x89, 0x48, 0x44, 0x46])
        },
        stranger("NumPy", is: "a NumPy array", hint: "save the arrays as safetensors (safetensors.numpy.save_file)") {
            $0.begins(with: [0x93, 0x4e, 0x55, 0x4d])
        },
        stranger(
            "llama2.c of a later version", is: "a file of llama2.c of version 1 or 2, where version 0 is read",
            hint: "export the model anew, as version 0"
        ) { $0.begins(with: "24ka") },
    ]

    private static func stranger(
        _ name: String, is description: String, hint: String, recognizes: @escaping @Sendable (FileProbe) -> Bool
    ) -> ContainerFormat {
        ContainerFormat(name, is: { _ in description }, hint: hint, recognizes: recognizes)
    }

    /// What an LFS pointer says of the real file: `size 123` is one of its lines.
    private static func lfsByteCount(_ head: [UInt8]) -> String {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\n")
        guard let size = lines.first(where: { $0.hasPrefix("size ") })?.dropFirst(5), let count = Int(size) else {
            return "its size is not given"
        }
        return "the real one has \(count) bytes"
    }
}
