/// Whether a signal is ignored, as it is behind `nohup` or in the background; also where the system does not say.
package func isIgnored(signal number: Int32) -> Bool {
    var action = sigaction()
    guard sigaction(number, nil, &action) == 0 else { return true }
    #if canImport(Darwin)
        let handler = action.__sigaction_u.__sa_handler
    #else
        let handler = action.__sigaction_handler.sa_handler
    #endif
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
}

/// Has a signal run `handler`; system calls that it interrupts go on by themselves.
package func handle(signal number: Int32, by handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    action.sa_flags = SA_RESTART
    #if canImport(Darwin)
        action.__sigaction_u.__sa_handler = handler
    #else
        action.__sigaction_handler.sa_handler = handler
    #endif
    sigaction(number, &action, nil)
}
