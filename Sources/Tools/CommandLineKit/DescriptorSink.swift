import Platform

/// A stream of this process.
struct DescriptorSink: OutputSink {
    let descriptor: Int32
    /// As messages call it: `standard output`.
    let name: String

    func write(_ bytes: [UInt8]) throws(OutputError) {
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Platform.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                written += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: waitUntilWritable()
            case EPIPE: throw .closedPipe
            case let code: throw .failed(stream: name, code: code)
            }
        }
    }

    /// Whoever shares the terminal with us may have made it non-blocking.
    private func waitUntilWritable() {
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&request, 1, -1)
    }

    /// Gives descriptors 0, 1 and 2 back to a process started without them (`>&-`): the next file opened would
    /// otherwise become standard output, and a listing would be written into a model. Opened the wrong way round,
    /// so that using the stream is an error (EBADF) as it would have been.
    static func occupyStandardDescriptors() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
        }
    }
}
