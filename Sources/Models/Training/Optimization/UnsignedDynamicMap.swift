/// 256 ascending values from 0 to 1 for second moments, which are never negative: seven decades, each with twice the steps
/// of the one below it.
///
/// The unsigned dynamic map of bitsandbytes' 8-bit optimizers; in float64, rounded once, so that last bits may differ.
enum UnsignedDynamicMap {
    static let values: [Float] = {
        var values: [Double] = [0, 1]
        for decade in 0..<7 {
            let steps = 1 << (decade + 1)
            let scale = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1][decade]
            for step in 0..<steps { values.append(scale * (0.1 + 0.9 * (Double(step) + 0.5) / Double(steps))) }
        }
        return values.sorted().map(Float.init)
    }()
}
