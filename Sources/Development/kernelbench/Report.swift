/// The table: values and bytes per second, and the bytes as a share of what a plain copy moves.
struct Report {
    let copyBytesPerSecond: Double

    /// - Parameter target: what is asked for, in 10^9 values per second.
    func print(_ name: String, valueCount: Int, bytesPerValue: Double, target: Double? = nil, _ body: () -> Void) {
        let values = Double(valueCount) / Measurement(body).seconds, bytes = values * bytesPerValue
        line(
            name, fixed(values * 1e-9), target.map(fixed) ?? "", fixed(bytes * 1e-9),
            fixed(bytes / copyBytesPerSecond * 100))
    }

    func line(_ name: String, _ values: String, _ target: String, _ bytes: String, _ share: String) {
        let columns = [(values, 12), (target, 8), (bytes, 8), (share, 11)].map { text, width in
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        Swift.print(name + String(repeating: " ", count: max(0, 42 - name.count)) + columns.joined())
    }

    private func fixed(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
