/// What rendering one template may cost. A template is somebody else's program: none of these depends on it.
///
/// Costs are counted, not measured: the same template with the same variables ends in the same way on every machine.
package struct TemplateLimits: Hashable, Sendable {
    /// Instructions, one each; operations on long values cost one more for every 16 bytes that they touch.
    package var stepCount: Int
    /// Bytes of all values ever made, whether they are still needed or not: an upper bound of the memory in use.
    package var byteCount: Int
    /// Bytes of the result.
    package var outputByteCount: Int
    /// Calls of macros inside each other.
    package var callDepth: Int

    package init(
        stepCount: Int = 20_000_000, byteCount: Int = 256 << 20, outputByteCount: Int = 64 << 20, callDepth: Int = 200
    ) {
        self.stepCount = stepCount
        self.byteCount = byteCount
        self.outputByteCount = outputByteCount
        self.callDepth = callDepth
    }

    /// Lists and mappings inside each other. JSON text may be nested 128 deep; the rest is for what templates put around it.
    static let valueDepth = 160
    /// Brackets, operators and statements inside each other in the text of a template.
    static let syntaxDepth = 100
    /// Parameters of a macro, and arguments of a call that have names.
    static let parameterCount = 255
    /// Bytes of a template: the largest one known has 30,000. Parsing one takes some fifty times as much memory.
    static let templateByteCount = 1 << 20
}
