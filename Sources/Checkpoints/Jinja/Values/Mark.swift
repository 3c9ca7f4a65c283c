/// Where a piece of text comes from.
struct Mark: Equatable {
    /// Bit 0: the template wrote it. The others: the number of the `{% generation %}` block that it stands in, from 1; 0 outside.
    let bits: UInt32

    static let data = Mark(bits: 0)
    static let template = Mark(bits: 1)

    var isFromTemplate: Bool { bits & 1 != 0 }
    var generation: UInt32 { bits >> 1 }

    func inGeneration(_ number: UInt32) -> Mark { number == 0 ? self : Mark(bits: bits & 1 | number << 1) }
}
