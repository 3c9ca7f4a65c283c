/// Names of tensors for a message, those of many layers in one word: `model.layers.{0-21}.mlp.up_proj.weight`.
///
/// All are told, however many layers a model has.
package enum TensorGroups {
    package static func text(_ names: [String]) -> String {
        var order: [[Substring]] = []
        var numbers: [[Substring]: [Int]] = [:]
        for name in names {
            let (pattern, number) = split(name)
            if numbers[pattern] == nil { order.append(pattern) }
            numbers[pattern, default: []] += number.map { [$0] } ?? []
        }
        return order.map { pattern in
            guard let layers = numbers[pattern], pattern.count == 2 else { return String(pattern[0]) }
            return "\(pattern[0]).\(rangesText(layers)).\(pattern[1])"
        }.joined(separator: ", ")
    }

    /// What stands before and after the first part that is a number, and the number.
    private static func split(_ name: String) -> ([Substring], Int?) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard let index = parts.firstIndex(where: { Int($0) != nil }), let number = Int(parts[index]), index > 0, index + 1 < parts.count
        else { return ([name[...]], nil) }
        return ([name[..<parts[index - 1].endIndex], name[parts[index + 1].startIndex...]], number)
    }

    /// `3`, or `{0-2,5}`.
    private static func rangesText(_ numbers: [Int]) -> String {
        var ranges: [ClosedRange<Int>] = []
        for number in numbers.sorted() {
            if let last = ranges.last, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        let texts = ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        return numbers.count == 1 ? texts[0] : "{\(texts.joined(separator: ","))}"
    }
}
