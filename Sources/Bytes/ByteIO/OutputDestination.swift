import Platform

/// Where an output is to go: what can be refused is refused before the work begins, and again before anything is replaced.
struct OutputDestination: Sendable {
    /// As it was asked for, for messages.
    let path: String
    /// What is written: where `path` is a link, the file or folder that it leads to, so that the link stays.
    let place: String
    let form: OutputForm
    let replaces: Bool

    init(path: String, form: OutputForm, replaces: Bool, inputs: [InputFile]) throws(FileError) {
        self.path = path
        self.form = form
        self.replaces = replaces
        place = try Self.place(of: path, isFolder: form.isFolder)
        try checkInputs(inputs)
        try checkState()
    }

    /// Refuses to replace what must stay.
    ///
    /// Hours may lie between the beginning and the end of the work, and what is at the destination may change meanwhile.
    func checkState() throws(FileError) {
        let kind = FilePath.kind(of: place)
        if kind == .missing { return }
        guard kind == (form.isFolder ? .folder : .file) else {
            let found = kind == .folder ? "a folder" : kind == .file ? "a file" : "neither file nor folder"
            throw FileError(path, "is \(found); a \(form.isFolder ? "folder" : "file") is to be written", hint: "choose another output")
        }
        if case .folder(let folder) = form { try check(folder) }
        guard replaces else { throw FileError(path, "exists already", hint: "`replaces` replaces it") }
        guard FilePath.identity(of: place)?.device == FilePath.identity(of: FilePath.folder(of: place))?.device else {
            throw FileError(path, "is a mount point, which cannot be replaced", hint: "choose an output inside it")
        }
    }

    private static func place(of path: String, isFolder: Bool) throws(FileError) -> String {
        let name = FilePath.name(of: path)
        guard FilePath.isPlainName(name), !path.utf8.contains(0) else {
            throw FileError(path.isEmpty ? "''" : path, "is no name for an output")
        }
        guard isFolder || path.utf8.last != UInt8(ascii: "/") else {
            throw FileError(path, "is the name of a folder; a file is to be written")
        }
        let folder = FilePath.folder(of: path)
        switch FilePath.kind(of: folder) {
        case .folder: break
        case .missing: throw FileError(path, "cannot be created: there is no folder \(folder)", hint: "create the folder first")
        case .file, .other: throw FileError(path, "cannot be created: \(folder) is not a folder")
        }
        guard FilePath.isLink(FilePath.join(folder, name)) else { return path }
        guard let place = FilePath.resolved(path) else {
            throw FileError(path, "is a link that leads nowhere", hint: "remove the link, or choose another output")
        }
        return place
    }

    /// Replacing a file, or a folder with the file in it, would destroy what is still to be read.
    private func checkInputs(_ inputs: [InputFile]) throws(FileError) {
        guard let identity = FilePath.identity(of: place) else { return }
        var identities = [identity]
        if FilePath.kind(of: place) == .folder {
            identities += try TemplateFolder.files(ofModel: place).compactMap { FilePath.identity(of: FilePath.join(place, $0)) }
        }
        guard let input = inputs.first(where: { identities.contains($0.identity) }) else { return }
        let relation = input.identity == identity ? "is also an input" : "holds an input"
        throw FileError(path, "\(relation) (\(input.path))", hint: "choose another output")
    }

    /// Only a folder that looks like an earlier output may be replaced: `--force` must never remove anybody's work.
    private func check(_ folder: OutputForm.Folder) throws(FileError) {
        var names = try FilePath.entries(of: place)
        if names.isEmpty { return }
        let inner = FilePath.join(place, TemplateFolder.name)
        if names.contains(TemplateFolder.name), FilePath.kind(of: inner) == .folder {
            names.removeAll { $0 == TemplateFolder.name }
            names += try FilePath.entries(of: inner).map { FilePath.join(TemplateFolder.name, $0) }
        }
        let stranger = names.first { name in
            FilePath.kind(of: FilePath.join(place, name)) != .file || !folder.suffixes.contains { name.hasSuffix($0) }
                || name.utf8.contains(UInt8(ascii: "/")) && !TemplateFolder.holds(name)
        }
        guard stranger == nil, names.contains(where: folder.isMark) else {
            let reason = stranger.map { "it holds '\($0)'" } ?? "it holds neither \(folder.marks)"
            throw FileError(path, "exists already and is no \(folder.noun): \(reason)", hint: "choose another output")
        }
    }
}
