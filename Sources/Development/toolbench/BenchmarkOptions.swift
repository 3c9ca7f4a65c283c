/// What the command line asks to be measured.
struct BenchmarkOptions {
    let binaries: String
    let folder: String
    /// Where results go as JSON; nil for nowhere.
    let json: String?
    /// What `qrun` is compared with.
    let peers: [Peer]
    private let only: [String]

    /// In order, and whether they are measured unless others are asked for.
    static let tables = [
        ("tools", true), ("merge", true), ("run", true), ("families", true), ("train", true), ("context", false), ("large", false),
    ]

    struct Usage: Error {
        let description = """
            usage: toolbench BIN [FOLDER] [--only TABLE]... [--json FILE] [--python PYTHON] [--llama-bench "PROGRAM OPTION..."]
              TABLE: \(BenchmarkOptions.tables.map(\.0).joined(separator: ", "))
            """
    }

    init(_ arguments: [String]) throws(Usage) {
        var words: [String] = []
        var only: [String] = []
        var json: String?
        var peers: [Peer] = []
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("-") else {
                words.append(word)
                continue
            }
            guard let value = rest.popFirst() else { throw Usage() }
            switch word {
            case "--only":
                guard Self.tables.contains(where: { $0.0 == value }) else { throw Usage() }
                only.append(value)
            case "--json": json = value
            case "--python": peers.append(.python(value))
            case "--llama-bench":
                let parts = value.split(separator: " ").map(String.init)
                guard let program = parts.first else { throw Usage() }
                peers.append(.program(program, options: Array(parts.dropFirst())))
            default: throw Usage()
            }
        }
        guard (1...2).contains(words.count) else { throw Usage() }
        binaries = words[0]
        folder = words.count > 1 ? words[1] : "/tmp/qnf-bench"
        self.only = only
        self.json = json
        self.peers = peers
    }

    func runs(_ table: String) -> Bool { only.isEmpty ? Self.tables.contains { $0 == (table, true) } : only.contains(table) }
}
