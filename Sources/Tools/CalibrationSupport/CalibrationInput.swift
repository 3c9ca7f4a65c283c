/// One of the texts that a model is run on.
package struct CalibrationInput: Sendable, Hashable {
    /// Of a file, or the word for the text that ships with the tools.
    package let path: String
    /// What the file brings along for this, each text by itself; nil where all of it is text or records.
    let texts: [String]?

    /// A text, records, or `default`.
    package init(_ path: String) {
        self.path = path
        texts = nil
    }

    private init(_ path: String, texts: [String]) {
        self.path = path
        self.texts = texts
    }

    /// What adapters bring along, and a general text beside it; nothing where none brings anything.
    package static func brought(by adapters: [(path: String, sample: [String])]) -> [CalibrationInput] {
        let samples = adapters.filter { !$0.sample.isEmpty }.map { CalibrationInput($0.path, texts: $0.sample) }
        return samples.isEmpty ? [] : samples + [CalibrationInput(CalibrationText.defaultWord)]
    }
}
