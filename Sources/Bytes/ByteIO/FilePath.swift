import Platform

/// Questions about paths, answered by the file system.
///
/// Paths are taken apart by their bytes: as Swift characters, a slash and a combining accent after it would be one.
package enum FilePath {
    package enum Kind: Sendable {
        case missing, file, folder, other
    }

    private static let slash = UInt8(ascii: "/")

    /// The last component, without trailing slashes.
    package static func name(of path: String) -> String {
        let trimmed = withoutTrailingSlashes(path[...])
        guard let last = trimmed.utf8.lastIndex(of: slash), trimmed.utf8.count > 1 else { return String(trimmed) }
        return String(trimmed[trimmed.utf8.index(after: last)...])
    }

    /// The folder a path lies in: `.` for a bare name.
    package static func folder(of path: String) -> String {
        let trimmed = withoutTrailingSlashes(path[...])
        guard let last = trimmed.utf8.lastIndex(of: slash) else { return "." }
        return last == trimmed.startIndex ? "/" : String(withoutTrailingSlashes(trimmed[..<last]))
    }

    /// Whether a text that came from a file may name a file in a folder of ours: no way leads out of that folder.
    ///
    /// By bytes: a slash that carries a combining mark is one `Character` and no "/" to Swift, but still one to the system.
    package static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }

    package static func join(_ folder: String, _ name: String) -> String {
        folder.utf8.last == slash ? folder + name : folder + "/" + name
    }

    /// What lies at a path, links followed.
    package static func kind(of path: String) -> Kind {
        var status = stat()
        guard stat(path, &status) == 0 else { return .missing }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    /// Identity of what lies at a path, links followed; nil where nothing does.
    package static func identity(of path: String) -> FileIdentity? {
        var status = stat()
        return stat(path, &status) == 0 ? FileIdentity(status) : nil
    }

    /// Whether the path itself is a link, wherever that leads.
    static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// The absolute path of what lies at a path, without links; nil where nothing does.
    static func resolved(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(validatingCString: text)
    }

    /// Names in a folder, sorted by their bytes, without `.` and `..`.
    package static func entries(of folder: String) throws(FileError) -> [String] {
        guard let stream = opendir(folder) else { throw FileError(folder, "cannot be listed: \(systemErrorText(errno))") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func withoutTrailingSlashes(_ path: Substring) -> Substring {
        var path = path
        while path.utf8.count > 1, path.utf8.last == slash { path = path[..<path.utf8.index(before: path.utf8.endIndex)] }
        return path
    }
}
