/// The table: values and bytes per second, and the bytes as a share of what a plain copy moves.
struct Report {
    let copyBytesPerSecond: Double

    func print(_ name: String, valueCount: Int, bytesPerValue: Double, _ body: () -> Void) {
        let values = Double(valueCount) / Measurement(body).seconds, bytes = values * bytesPerValue
        line(name, fixed(values * 1e-9), fixed(bytes * 1e-9), fixed(bytes / copyBytesPerSecond * 100))
    }

    func line(_ name: String, _ values: String, _ bytes: String, _ share: String) {
        let columns = [(values, 12), (bytes, 8), (share, 10)].map { text, width in
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        Swift.print(name + String(repeating: " ", count: max(0, 44 - name.count)) + columns.joined())
    }

    private func fixed(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
