/// Reads a page as strictly as if it were XML: what a browser would repair is an error here.
struct PageReader {
    struct Element {
        let name: String
        let attributes: [String: String]
        /// Names of the elements around it, the outermost first.
        let path: [String]
    }

    struct Failure: Error {
        let message: String
    }

    private(set) var elements: [Element] = []
    /// What stands between the tags, as it is written.
    private(set) var texts: [(parent: String, text: String)] = []

    private static let empty: Set<String> = ["meta", "br", "col"]

    init(_ page: String) throws(Failure) {
        let type = "<!doctype html>\n"
        guard page.hasPrefix(type) else { throw Failure(message: "no document type") }
        var rest = page.dropFirst(type.count)
        var open: [String] = []
        while let start = rest.firstIndex(of: "<") {
            if start > rest.startIndex { try add(text: rest[..<start], in: open.last) }
            guard let end = rest[start...].firstIndex(of: ">") else { throw Failure(message: "a tag without an end") }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("/") {
                guard open.popLast() == String(tag.dropFirst()) else { throw Failure(message: "<\(tag)> closes nothing") }
            } else {
                let element = try Self.element(tag, path: open)
                elements.append(element)
                if !Self.empty.contains(element.name) { open.append(element.name) }
            }
        }
        guard open.isEmpty else { throw Failure(message: "\(open) are left open") }
    }

    private mutating func add(text: Substring, in parent: String?) throws(Failure) {
        guard let parent else {
            guard text.allSatisfy(\.isWhitespace) else { throw Failure(message: "text outside of all elements: \(text)") }
            return
        }
        texts.append((parent, String(text)))
        if parent == "style" { return }
        for (index, character) in zip(text.indices, text) where character == "&" {
            let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"]
            guard entities.contains(where: { text[index...].hasPrefix($0) }) else { throw Failure(message: "a bare & in: \(text)") }
        }
    }

    /// `name a="b" c="d"`, and nothing else.
    private static func element(_ tag: Substring, path: [String]) throws(Failure) -> Element {
        var rest = tag
        let name = rest.prefix { $0.isLetter || $0.isNumber }
        rest = rest.dropFirst(name.count)
        var attributes: [String: String] = [:]
        while !rest.isEmpty {
            let parts = rest.dropFirst().split(separator: "=\"", maxSplits: 1, omittingEmptySubsequences: false)
            guard rest.first == " ", parts.count == 2, let end = parts[1].firstIndex(of: "\"") else {
                throw Failure(message: "<\(tag)> is no tag")
            }
            guard attributes.updateValue(String(parts[1][..<end]), forKey: String(parts[0])) == nil else {
                throw Failure(message: "<\(tag)> has '\(parts[0])' twice")
            }
            rest = parts[1][parts[1].index(after: end)...]
        }
        guard !name.isEmpty else { throw Failure(message: "<\(tag)> has no name") }
        return Element(name: String(name), attributes: attributes, path: path)
    }

    /// All text of elements of one name.
    func texts(in parent: String) -> [String] { texts.filter { $0.parent == parent }.map(\.text) }
}
