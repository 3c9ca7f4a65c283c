/// What the command line asks to be measured.
struct BenchmarkOptions {
    let binaries: String
    let folder: String
    /// Where results go as JSON; nil for nowhere.
    let json: String?
    /// A Python that has llama-cpp-python and gguf; nil where nothing is compared with llama.cpp.
    let python: String?
    private let only: String?

    struct Usage: Error {
        let description = "usage: toolbench BIN [FOLDER] [--only tools|merge|run|train|large] [--json FILE] [--python PYTHON]"
    }

    init(_ arguments: [String]) throws(Usage) {
        var words: [String] = []
        var only: String?
        var json: String?
        var python: String?
        var rest = arguments[...]
        while let word = rest.popFirst() {
            switch word {
            case "--only":
                guard let name = rest.popFirst(), ["tools", "merge", "run", "train", "large"].contains(name) else { throw Usage() }
                only = name
            case "--json", "--python":
                guard let value = rest.popFirst() else { throw Usage() }
                if word == "--json" { json = value } else { python = value }
            default:
                guard !word.hasPrefix("-") else { throw Usage() }
                words.append(word)
            }
        }
        guard (1...2).contains(words.count) else { throw Usage() }
        binaries = words[0]
        folder = words.count > 1 ? words[1] : "/tmp/qnf-bench"
        self.only = only
        self.json = json
        self.python = python
    }

    func runs(_ table: String) -> Bool { only.map { $0 == table } ?? (table != "large") }
}
