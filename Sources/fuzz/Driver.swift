/// Hands one reader to libFuzzer, which calls it with input after input.
enum Driver {
    /// libFuzzer's callback has no context. Set once, before the one thread that reads it starts to.
    nonisolated(unsafe) private static var current: Reader?

    static func run(_ reader: Reader) -> Int32 {
        current = reader
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        return LLVMFuzzerRunDriver(&count, &arguments) { bytes, byteCount in
            Driver.current?.read(Array(UnsafeBufferPointer(start: bytes, count: byteCount)))
            return 0
        }
    }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func LLVMFuzzerRunDriver(
    _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32
