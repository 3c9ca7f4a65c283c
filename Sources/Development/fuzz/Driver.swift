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

    /// Changes an input in place; returns how many bytes it has now.
    fileprivate static func mutate(_ bytes: UnsafeMutablePointer<UInt8>, _ byteCount: Int, limit: Int, seed: UInt32) -> Int {
        if seed & 1 == 0, let reader = current, let mutation = reader.mutation {
            let input = Array(UnsafeBufferPointer(start: bytes, count: byteCount))
            if let changed = mutation.apply(to: input, seed: UInt64(seed), words: reader.words), !changed.isEmpty, changed.count <= limit {
                bytes.update(from: changed, count: changed.count)
                return changed.count
            }
        }
        return LLVMFuzzerMutate(bytes, byteCount, limit)
    }
}

/// Called by libFuzzer, where it is linked in, in place of its own changes.
@_cdecl("LLVMFuzzerCustomMutator")
func customMutator(_ bytes: UnsafeMutablePointer<UInt8>, _ byteCount: Int, _ limit: Int, _ seed: UInt32) -> Int {
    Driver.mutate(bytes, byteCount, limit: limit, seed: seed)
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@_silgen_name("LLVMFuzzerMutate")
private func LLVMFuzzerMutate(_ bytes: UnsafeMutablePointer<UInt8>, _ byteCount: Int, _ limit: Int) -> Int

// swift-format-ignore: AlwaysUseLowerCamelCase
@_silgen_name("LLVMFuzzerRunDriver")
private func LLVMFuzzerRunDriver(
    _ count: UnsafeMutablePointer<Int32>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32
