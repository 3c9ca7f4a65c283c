import ByteIO
package import CommandLineKit

/// An adapter as it is named on the command line of every tool: a path, and after an `@` how much of it is meant.
package struct AdapterWord: Hashable, Sendable {
    package let path: String
    package let weight: Double

    /// What lies under the whole word is meant as it is, whatever its name; else what follows the last `@` is the weight.
    ///
    ///     hat        all of hat           ./hat@2      twice ./hat
    ///     hat@0.5    half of it           hat@2@1      all of a file hat@2, where hat@2@1 is none
    ///
    /// - Throws: where what follows the `@` is no number.
    package init(_ word: String) throws(UsageError) {
        let bytes = word.utf8
        let at = FilePath.kind(of: word) == .missing ? bytes.lastIndex(of: UInt8(ascii: "@")) : nil
        // An `@` in the name of a folder belongs to the path.
        guard let at, at != bytes.startIndex, !bytes[at...].contains(UInt8(ascii: "/")) else {
            (path, weight) = (word, 1)
            return
        }
        let number = word[bytes.index(after: at)...]
        // Of a number beyond float32, in which adapters are computed, nothing is left but an infinity.
        guard let weight = Double(number), Float(weight).isFinite else {
            throw UsageError("\(word): '\(number)' is no weight", hint: "a weight is a number: '\(word[..<at])@0.5'")
        }
        path = String(word[..<at])
        self.weight = weight
    }
}
