package import CommandLineKit

/// An adapter as it is named on the command line: a path, and after an `@` how much of it is meant.
package struct AdapterWord: Hashable {
    package let path: String
    package let weight: Double

    /// What follows the last `@` is the weight where it is a number; `name@2@1` is all of a file `name@2`.
    package init(_ word: String) throws(UsageError) {
        guard let at = word.lastIndex(of: "@"), at != word.startIndex, let weight = Double(word[word.index(after: at)...]) else {
            (path, weight) = (word, 1)
            return
        }
        guard weight.isFinite else { throw UsageError("'\(word)': the weight \(weight) is no finite number") }
        path = String(word[..<at])
        self.weight = weight
    }
}
