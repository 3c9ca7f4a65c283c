/// A cleanup that waits for the process to be ended by a signal.
package struct TerminationHook: Sendable {
    let number: Int
    let interrupts: Interrupts

    /// There is nothing left to clean up. Once a signal has come this does not return: the process is ending.
    package func cancel() {
        interrupts.cancel(number)
    }
}
