package import ByteIO
package import Checkpoints
package import JSONText
import Streaming
package import TensorCore

/// One part of a report, to be made.
package struct ReportTask: Sendable {
    package let part: PartNumber
    package let frame: ReportFrame
    private let checkpoints: [Checkpoint]

    /// - Parameters:
    ///   - options: that decide what is looked at, as they would be typed.
    ///   - itemCount: of all parts.
    ///   - checkpoints: all that are looked at.
    package init(
        _ part: PartNumber, tool: String, command: String, options: [String], itemCount: Int, of checkpoints: [Checkpoint]
    ) throws(FileError) {
        self.part = part
        self.checkpoints = checkpoints
        frame = ReportFrame(
            tool: tool, command: command, options: options.joined(separator: " "), source: try ReportFrame.source(of: checkpoints),
            itemCount: itemCount)
    }

    /// Writes the part beside where a report at `path` would be, complete or not at all. One that is there already, and the same, is left
    /// as it is; anything else that is there is refused.
    ///
    /// - Parameters:
    ///   - replaces: what is there is written again, whatever it is.
    ///   - body: what is found of the items that belong to the part, by index, ascending.
    /// - Returns: the part, and whether it was there already.
    package func run(
        output path: String, replaces: Bool, _ body: () throws -> [(index: Int, found: JSONValue)]
    ) throws -> (part: ReportPart, wasPresent: Bool) {
        try run(output: path, replaces: replaces, payload: [], streamLimit: 0) { _ in try body() }
    }

    /// Likewise, of a part that carries tensors of an output.
    ///
    /// - Parameters:
    ///   - payload: these tensors, under names of their own.
    ///   - streamLimit: greatest length of the bytes that are streamed, whatever they are.
    ///   - inputs: files that are read besides the models.
    package func run(
        output path: String, replaces: Bool, payload: [TensorInfo], streamLimit: Int, inputs: [InputFile] = [],
        _ body: (PayloadWriter) throws -> [(index: Int, found: JSONValue)]
    ) throws -> (part: ReportPart, wasPresent: Bool) {
        let place = part.path(ofOutput: path)
        if !replaces, FilePath.kind(of: place) != .missing { return (try present(at: place), true) }
        let inputs = checkpoints.flatMap(\.inputFiles) + inputs
        let output = try AtomicOutput(destination: place, replaces: true, inputs: inputs)
        let file = try output.file()
        let writer = try PayloadWriter(
            part, of: frame, models: checkpoints.map(\.path), payload: payload, streamLimit: streamLimit, file: file)
        try writer.finish(try body(writer))
        try output.commit([file])
        return (try ReportPart(path: place), false)
    }

    private func present(at place: String) throws(FileError) -> ReportPart {
        let found: ReportPart
        do throws(FileError) { found = try ReportPart(path: place) } catch {
            throw FileError(place, "exists already, and is no part that could be kept: \(error.message)", hint: "`replaces` replaces it")
        }
        let difference = found.frame.difference(from: frame) ?? (found.part == part ? nil : "it is part \(found.part), not \(part)")
        if let difference {
            throw FileError(place, "exists already, and is a part of another report: \(difference)", hint: "`replaces` replaces it")
        }
        return found
    }
}

/// All parts of one report, each once.
package struct ReportSet: Sendable {
    package let frame: ReportFrame
    package let partCount: Int
    /// Paths of the models, as the first part was given them.
    package let models: [String]
    /// What was found of each item.
    package let items: [JSONValue]
    /// The parts in their order, and which of them has found what of each item.
    package let parts: [ReportPart]
    package let owners: [Int]
    /// For messages.
    package let path: String

    package init(paths: [String]) throws {
        var byNumber: [Int: ReportPart] = [:]
        var first: ReportPart?
        for path in paths {
            let part = try ReportPart(path: path)
            if let first {
                let count = part.part.count == first.part.count ? nil : "it is one of \(part.part.count), not of \(first.part.count)"
                if let difference = part.frame.difference(from: first.frame) ?? count {
                    throw FileError(
                        path, "does not belong to \(first.path): \(difference)",
                        hint: "parts are made of one model by one version of the tool with the same options")
                }
            }
            if let other = byNumber[part.part.number] {
                throw FileError(path, "is part \(part.part), and so is \(other.path)", hint: "name each part once")
            }
            first = first ?? part
            byNumber[part.part.number] = part
        }
        guard let first else { throw OperationError("no parts are given") }
        try PartNumber.checkPresence(of: Set(byNumber.keys), count: first.part.count)
        let parts = (1...first.part.count).compactMap { byNumber[$0] }
        let knownCount = parts.reduce(0) { $0 + $1.items.count }
        guard knownCount == first.frame.itemCount else {
            throw FileError(first.path, "all parts tell of \(knownCount) items, but there are \(first.frame.itemCount)", hint: Self.hint)
        }
        var found = [JSONValue?](repeating: nil, count: first.frame.itemCount)
        var owners = [Int](repeating: 0, count: found.count)
        for (number, part) in parts.enumerated() {
            for item in part.items {
                guard found[item.index] == nil else {
                    throw FileError(part.path, "tells of item \(item.index), and so does another part", hint: Self.hint)
                }
                found[item.index] = item.found
                owners[item.index] = number
            }
        }
        if let index = found.firstIndex(where: { $0 == nil }) {
            throw FileError(parts[0].path, "no part tells of item \(index) of \(found.count)", hint: Self.hint)
        }
        items = found.compactMap { $0 }
        self.parts = parts
        self.owners = owners
        frame = first.frame
        partCount = first.part.count
        models = parts[0].models
        path = parts[0].path
    }

    /// That the models are those that the parts are of.
    package func check(_ checkpoints: [Checkpoint]) throws(FileError) {
        let found = try checkpoints.map { checkpoint throws(FileError) in try ReportFrame.source(of: [checkpoint]) }
        let stated = frame.source.split(separator: " ").map { String($0) }
        guard let stranger = checkpoints.indices.first(where: { stated.count != found.count || stated[$0] != found[$0] }) else { return }
        let name = stranger + 1 == checkpoints.count ? "`ReportSet.model`" : "`ReportSet.source`"
        throw FileError(
            checkpoints[stranger].path, "is another model than the parts are of, or has changed since",
            hint: "name the model that \(path) was made of with \(name), or make the parts again")
    }

    /// What was found of every item, decoded.
    package func found<Found>(_ decode: (Int, JSONValue) -> Found?) throws(FileError) -> [Found] {
        try items.enumerated().map { index, item throws(FileError) in
            guard let found = decode(index, item) else { throw damage(item: index) }
            return found
        }
    }

    /// The report is one that another tool makes.
    package func otherTool(than name: String) -> FileError {
        FileError(
            path, "is a part of '\(frame.command)', which \(name) does not make", hint: "join with the tool that made it: \(frame.tool)")
    }

    /// What was found of an item is nothing that the command writes.
    package func damage(item index: Int) -> FileError {
        FileError(path, at: "item \(index)", "is nothing that '\(frame.command)' finds", hint: Self.hint)
    }

    private static let hint = "the parts are damaged; make them again"
}
