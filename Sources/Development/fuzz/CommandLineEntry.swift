import Platform

/// The command line of the fuzzer.
///
///     fuzz --list                        names of the readers
///     fuzz --seeds=FOLDER --from=ROOT    writes first inputs, FOLDER/NAME/..., and FOLDER/NAME.dict; ROOT is the repository
///     fuzz --reader=NAME ...             libFuzzer's own arguments follow: folders of inputs, one input, -runs=N ...
///
/// libFuzzer leaves arguments with two hyphens alone and passes them on to processes it starts.
enum CommandLineEntry {
    static func run(_ arguments: [String]) {
        func value(_ name: String) -> String? {
            arguments.first { $0.hasPrefix("--\(name)=") }.map { String($0.dropFirst(name.utf8.count + 3)) }
        }
        if arguments.contains("--list") {
            for reader in Reader.all { print(reader.name) }
        } else if let folder = value("seeds"), let root = value("from") {
            for reader in Reader.all { write(reader, folder: folder, samples: Samples(root: root)) }
        } else if let reader = Reader.all.first(where: { $0.name == value("reader") }) {
            exit(Driver.run(reader))
        } else {
            print("usage: fuzz --list | --seeds=FOLDER --from=REPOSITORY | --reader=NAME [libFuzzer's arguments]")
            exit(64)
        }
    }

    private static func write(_ reader: Reader, folder: String, samples: Samples) {
        let folder = Folder(path: folder)
        let inputs = Folder(path: folder.path(reader.name))
        for (number, seed) in reader.seeds(samples).enumerated() { inputs.write(seed, to: "seed-\(number)") }
        folder.write(Array(reader.words.map { word in "\(Self.quoted(word))\n" }.joined().utf8), to: "\(reader.name).dict")
    }

    /// As libFuzzer's dictionaries want it: quotes, backslashes and whatever is not printable escaped.
    private static func quoted(_ word: String) -> String {
        let escaped = word.utf8.map { byte -> String in
            let isPlain = (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
            return isPlain ? String(Unicode.Scalar(byte)) : "\\x" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
        return "\"\(escaped.joined())\""
    }
}
