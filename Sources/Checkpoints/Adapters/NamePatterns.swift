/// The keys of `rank_pattern` or `alpha_pattern` with their values, in the order of the file.
///
/// PEFT takes the first key for which `re.match(r"(.*\.)?(KEY)$", name)` finds something: a regular expression for the
/// end of the module's name, from a dot on.
package struct NamePatterns<Value: Sendable>: Sendable {
    private let entries: [(expression: ModuleExpression, value: Value)]

    init(_ entries: [(expression: ModuleExpression, value: Value)]) { self.entries = entries }

    package var isEmpty: Bool { entries.isEmpty }

    /// The value of the first key that matches the name of a module.
    package func value(for module: String) -> Value? {
        entries.first { $0.expression.matchesEnd(of: module) }?.value
    }
}
