/// Finds what somebody meant to type.
package enum Spelling {
    /// The candidate nearest to `typed`: a third of the letters may be wrong, or the end may be missing.
    package static func nearest(to typed: String, among candidates: [String]) -> String? {
        let lowered = typed.lowercased()
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(Array(lowered.utf8), Array(candidate.lowercased().utf8))
            if distance < best?.distance ?? Int.max { best = (candidate, distance) }
        }
        let allowed = max(1, lowered.utf8.count / 3)
        if let best, best.distance <= allowed, best.distance < best.candidate.utf8.count { return best.candidate }
        guard lowered.utf8.count > 1 else { return nil }
        return candidates.first { $0.lowercased().hasPrefix(lowered) }
    }

    /// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
    package static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        // Beyond this length nothing is a slip of the finger, and the work is quadratic.
        guard max(a.count, b.count) <= 64 else { return a == b ? 0 : Int.max }
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }
}
