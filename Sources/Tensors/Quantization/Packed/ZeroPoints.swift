import ByteIO
import Synchronization
import TensorCore

/// What the stored zeros of a weight in GPTQ or AWQ mean.
///
/// Version 1 of GPTQ stores the zero less one, version 2 the zero. Of a symmetric weight every zero is the middle code, and the label
/// that files bear is at times wrong: there the stored fields tell the version, if all are the same.
package final class ZeroPoints: Sendable {
    package enum Rule: Sendable, Hashable {
        /// As they are.
        case stored
        /// Plus one, each by itself: the largest becomes 0.
        case plusOne
        /// Plus one, a word at a time: of the largest the one is carried into the next field.
        case plusOneInWords
        /// The middle code, whatever is stored.
        case middle
    }

    private let bits: Int
    private let label: Rule
    private let isSymmetric: Bool
    /// What a whole tensor of zeros has decided.
    private let decided = Mutex<Rule?>(nil)

    /// - Parameters:
    ///   - label: what the file says it is.
    ///   - isSymmetric: whether it says that zeros are the middle code; the stored ones, which are read once for it, decide then.
    package init(bits: Int, label: Rule, isSymmetric: Bool) {
        self.bits = bits
        self.label = label
        self.isSymmetric = isSymmetric
    }

    /// - Parameter parts: the second of which are the zeros.
    func rule(of parts: StoredParts) throws(FileError) -> Rule {
        guard isSymmetric else { return label }
        return try decided.withLock { decided throws(FileError) in
            if let decided { return decided }
            let middle = UInt32(1) << UInt32(bits - 1)
            var isMiddle = try Self.areAll(middle, bits: bits, parts)
            if !isMiddle { isMiddle = try Self.areAll(middle - 1, bits: bits, parts) }
            let found = isMiddle ? Rule.middle : label
            decided = found
            return found
        }
    }

    /// Whether every field is of one value.
    private static func areAll(_ value: UInt32, bits: Int, _ parts: StoredParts) throws(FileError) -> Bool {
        let byteCount = parts.source.tensors[parts.tensors[1]].byteCount
        let pattern = pattern(value, bits: bits)
        for start in stride(from: 0, to: byteCount, by: chunkByteCount) {
            let bytes = try parts.bytes(ofPart: 1, start..<min(start + chunkByteCount, byteCount))
            for (index, byte) in bytes.enumerated() where byte != pattern[index % pattern.count] { return false }
        }
        return true
    }

    /// A multiple of 3 and of 4.
    private static let chunkByteCount = 3 << 16

    /// The bytes of a run of equal fields, up to where it repeats.
    private static func pattern(_ value: UInt32, bits: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: bits == 3 ? 3 : 1)
        for bit in 0..<8 * bytes.count where value >> UInt32(bit % bits) & 1 != 0 { bytes[bit / 8] |= 1 << UInt8(bit % 8) }
        return bytes
    }

    /// Whether a field is all ones, so that readers disagree on what one more is.
    package static func hasLargest(_ words: [UInt8], bits: Int) -> Bool {
        let largest = UInt32(1) << UInt32(bits) - 1
        return words.withUnsafeBytes { bytes in
            (0..<bytes.count * 8 / bits).contains { field($0, bits: bits, bytes) == largest }
        }
    }

    /// The zeros of rows that are whole words each, as numbers.
    ///
    /// - Parameter isAcross: whether the fields of a word are of the columns 0 2 4 6 1 3 5 7.
    static func values(_ words: [UInt8], bits: Int, isAcross: Bool, _ rule: Rule) -> [Float] {
        let count = words.count * 8 / bits
        if rule == .middle { return [Float](repeating: Float(1 << (bits - 1)), count: count) }
        let mask = UInt32(1) << UInt32(bits) - 1
        let bytes = rule == .plusOneInWords ? incremented(words, bits: bits) : words
        let one: UInt32 = rule == .plusOne ? 1 : 0
        return [Float](unsafeUninitializedCapacity: count) { values, initialized in
            bytes.withUnsafeBytes { bytes in
                for index in 0..<count {
                    let place = isAcross ? index & ~7 | (index & 1) << 2 | index >> 1 & 3 : index
                    values[index] = Float((field(place, bits: bits, bytes) &+ one) & mask)
                }
            }
            initialized = count
        }
    }

    private static func field(_ index: Int, bits: Int, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let bit = index * bits, byte = bit / 8
        let low = UInt32(bytes[byte]), high = byte + 1 < bytes.count ? UInt32(bytes[byte + 1]) : 0
        return (low | high << 8) >> UInt32(bit % 8) & (UInt32(1) << UInt32(bits) - 1)
    }

    /// One more in every field, added to whole words.
    private static func incremented(_ words: [UInt8], bits: Int) -> [UInt8] {
        let ones = stride(from: 0, to: 32, by: bits).reduce(UInt32(0)) { $0 | 1 << UInt32($1) }
        var result = words
        result.withUnsafeMutableBytes { bytes in
            for place in stride(from: 0, to: bytes.count - 3, by: 4) {
                let sum = bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self).littleEndian &+ ones
                bytes.storeBytes(of: sum.littleEndian, toByteOffset: place, as: UInt32.self)
            }
        }
        return result
    }
}
