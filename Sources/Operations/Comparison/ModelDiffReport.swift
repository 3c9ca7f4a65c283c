import Architectures
import Checkpoints
package import Quantization
package import TensorCore

/// In what two models differ, tensor by tensor.
package struct ModelDiffReport: Sendable {
    /// A tensor as one of the models has it.
    package struct Entry: Sendable, Hashable {
        package let name: String
        package let typeName: String
        package let shape: Shape

        init(_ tensor: LogicalTensor) {
            name = tensor.name
            typeName = tensor.typeName
            shape = tensor.shape
        }
    }

    /// A tensor of both that has another shape in each.
    package struct Mismatch: Sendable, Hashable {
        package let first: Entry
        package let second: Entry
    }

    /// A tensor of both, of one shape.
    package struct Row: Sendable {
        package let first: Entry
        package let second: Entry
        /// Of one type, and the same bytes; of 4-bit weights, the same settings, codes and constants.
        package let isIdentical: Bool
        /// The second's error against the first, as float32; nil where the types cannot be compared as numbers.
        package let statistics: ErrorStatistics.Totals?
        /// Nil where not even bytes can be compared: two types, and not both floats.
        package let difference: ElementDifference?

        package var hasSameType: Bool { first.typeName == second.typeName }

        /// The same numbers, of whatever type they are.
        package var hasEqualValues: Bool {
            isIdentical || statistics != nil && difference?.differingCount == 0
        }

        /// How much of the first one's norm is error; nil where that cannot be told.
        package var relativeRMSE: Double? { statistics?.relativeError }

        /// - Parameter tolerance: largest relative RMSE of values that still counts as equal, whatever their types; nil: every
        ///   difference counts, that of type and bits included.
        package func isEqual(within tolerance: Double?) -> Bool {
            if isIdentical { return true }
            guard let tolerance, let relativeRMSE else { return false }
            // Doubles may differ by less than a float32 can tell.
            return tolerance == 0 ? hasEqualValues : relativeRMSE <= tolerance
        }

        /// For the order: what differs and cannot be told by a number comes first.
        var severity: Double { isIdentical ? 0 : relativeRMSE ?? .nan }
    }

    /// The largest relative error first.
    package let rows: [Row]
    package let onlyInFirst: [Entry]
    package let onlyInSecond: [Entry]
    package let mismatched: [Mismatch]

    /// Tensors that are matched although a prefix of the name stands on one side only, counted by that prefix.
    package var prefixes: [(prefix: String, isInFirst: Bool, count: Int)] {
        let names = rows.map { ($0.first.name, $0.second.name) } + mismatched.map { ($0.first.name, $0.second.name) }
        return TableNames.prefixes.flatMap { prefix in
            [true, false].map { isInFirst in
                let count = names.count { first, second in
                    (isInFirst ? TensorMatching.prefix(of: first, over: second) : TensorMatching.prefix(of: second, over: first)) == prefix
                }
                return (prefix, isInFirst, count)
            }
        }.filter { $0.2 > 0 }
    }

    package func isEqual(within tolerance: Double?) -> Bool {
        onlyInFirst.isEmpty && onlyInSecond.isEmpty && mismatched.isEmpty && rows.allSatisfy { $0.isEqual(within: tolerance) }
    }
}
