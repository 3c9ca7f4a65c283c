package import ByteIO

/// The parameters as they were at the evaluation with the lowest loss, for a run whose output they are to be.
///
/// In memory, and in every checkpoint beside the parameters themselves: no file has to be kept in step with another, and a run
/// that goes on knows them as it knew them.
package final class BestParameters {
    let values: FloatMemory

    /// - Throws: where there is no memory for them.
    package init(of parameters: ParameterSet) throws(FileError) {
        values = try FloatMemory(count: parameters.values.count)
    }

    /// Takes over what the parameters are now.
    func keep(_ parameters: ParameterSet) { values.pointer.update(from: parameters.values.pointer, count: values.count) }

    /// Makes the parameters what they were.
    func restore(_ parameters: ParameterSet) { parameters.values.pointer.update(from: values.pointer, count: values.count) }
}
