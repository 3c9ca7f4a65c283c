package import TensorCore

/// The tensors of a finished file: as planned, the last ones with the lengths they turned out to have.
///
/// Not an array: of a plan with 600,000 tensors that would be a second one.
package struct FinishedTensors: RandomAccessCollection, Sendable {
    private let plan: [TensorInfo]
    private let trailing: [TensorInfo]

    init(plan: [TensorInfo], trailing: [TensorInfo]) {
        precondition(trailing.count <= plan.count, "trailing tensors are among the planned ones")
        self.plan = plan
        self.trailing = trailing
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { plan.count }

    package subscript(index: Int) -> TensorInfo {
        let fixedCount = plan.count - trailing.count
        return index < fixedCount ? plan[index] : trailing[index - fixedCount]
    }
}
