/// Whether an output is one file, or a folder of files.
package enum OutputForm: Sendable {
    case file
    case folder(Folder)

    /// Folders of one kind, told by the names of the files in them: only such a folder may be replaced by another.
    package struct Folder: Sendable {
        /// `model folder`
        let noun: String
        /// How the names of all files end that are found in one.
        let suffixes: [String]
        /// Names one of which is always there, in words after `neither`.
        let marks: String
        let isMark: @Sendable (String) -> Bool

        package init(_ noun: String, suffixes: [String], marks: String, isMark: @escaping @Sendable (String) -> Bool) {
            self.noun = noun
            self.suffixes = suffixes
            self.marks = marks
            self.isMark = isMark
        }
    }

    var isFolder: Bool {
        if case .folder = self { true } else { false }
    }
}
