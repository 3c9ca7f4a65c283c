/// The one folder that a folder of a model may hold: chat templates beside the usual one, as `NAME.jinja`.
///
/// Where a file of a model has a name with a slash, it is one of these: `additional_chat_templates/tool_use.jinja`.
package enum TemplateFolder {
    package static let name = "additional_chat_templates"
    private static let suffix = ".jinja"

    /// Name of the template that a file holds, by the file's name in the folder of the model; nil of other files.
    ///
    /// By bytes, as a name that came from a file may have a combining mark behind the slash.
    package static func templateName(of file: String) -> String? {
        let bytes = file.utf8
        guard bytes.starts(with: name.utf8), bytes.dropFirst(name.utf8.count).first == UInt8(ascii: "/"),
            bytes.count > name.utf8.count + 1 + suffix.utf8.count, bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
        else { return nil }
        let template = String(decoding: bytes.dropFirst(name.utf8.count + 1).dropLast(suffix.utf8.count), as: UTF8.self)
        return FilePath.isPlainName(template) ? template : nil
    }

    /// Whether a file of this name in the folder of a model is a template in the folder inside.
    package static func holds(_ file: String) -> Bool { templateName(of: file) != nil }

    /// Whether a text that came from a file may name a file of a model: no way leads out of the model's folder, and none into
    /// another folder than this one.
    package static func isFileName(_ file: String) -> Bool { FilePath.isPlainName(file) && file != name || holds(file) }

    /// The files of a model's folder, sorted by their bytes: its entries, and the templates in place of the folder they lie in.
    ///
    /// What else lies in that folder is left out, and so is that folder where it is none.
    package static func files(ofModel folder: String) throws(FileError) -> [String] {
        var files: [String] = []
        for entry in try FilePath.entries(of: folder) {
            guard entry == name else {
                files.append(entry)
                continue
            }
            let inner = FilePath.join(folder, name)
            guard FilePath.kind(of: inner) == .folder else { continue }
            files += try FilePath.entries(of: inner).map { FilePath.join(name, $0) }.filter(holds)
        }
        return files
    }
}
