extension CompatibilityMappings {
    /// By scalar: where in `list` what it becomes begins, and how many those are.
    private static let places: [UInt32: (start: Int, count: Int)] = {
        var places: [UInt32: (start: Int, count: Int)] = [:]
        var index = 0
        while index < list.count {
            let count = Int(list[index] & 0xff)
            places[list[index] >> 8] = (index + 1, count)
            index += count + 1
        }
        return places
    }()

    /// Text with every scalar that has a compatibility mapping replaced by it.
    static func mapped(_ text: [UInt8]) -> [UInt8] {
        // The first such scalar is U+00A0.
        guard text.contains(where: { $0 >= 0xc2 }) else { return text }
        var result = ""
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            if let place = places[scalar.value] {
                let mapped = list[place.start..<place.start + place.count].compactMap { Unicode.Scalar($0) }
                result.unicodeScalars.append(contentsOf: mapped)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return Array(result.utf8)
    }
}
