/// What a template made of its variables.
package struct RenderedTemplate: Hashable, Sendable {
    /// A piece of the text that one side wrote.
    package struct Run: Hashable, Sendable {
        package let text: String
        /// Only here can text be a special token: everything else was typed by a person, or comes from a file of data.
        package let isFromTemplate: Bool
    }

    /// Never empty ones, and never two of one origin beside each other.
    package let runs: [Run]
    /// What stands in `{% generation %}` blocks, in Unicode scalars of `text`: what an assistant says.
    package let generationSpans: [Range<Int>]

    package var text: String { runs.map(\.text).joined() }

    init(_ buffer: TextBuffer) {
        var runs: [Run] = []
        var spans: [(number: UInt32, range: Range<Int>)] = []
        var start = 0
        var runStart = 0
        var scalarCount = 0
        for (index, run) in buffer.runs.enumerated() {
            let end = Int(run.end)
            let count = TemplateString.scalarCount(of: buffer.bytes, in: start..<end)
            let range = scalarCount..<scalarCount + count
            let number = run.mark.generation
            if number > 0 {
                if let last = spans.last, last.number == number, last.range.upperBound == range.lowerBound {
                    spans[spans.count - 1].range = last.range.lowerBound..<range.upperBound
                } else {
                    spans.append((number, range))
                }
            }
            scalarCount += count
            start = end
            let isLast = index + 1 == buffer.runs.count
            if isLast || buffer.runs[index + 1].mark.isFromTemplate != run.mark.isFromTemplate {
                let text = String(decoding: buffer.bytes[runStart..<end], as: UTF8.self)
                runs.append(Run(text: text, isFromTemplate: run.mark.isFromTemplate))
                runStart = end
            }
        }
        self.runs = runs
        generationSpans = spans.map(\.range)
    }
}
