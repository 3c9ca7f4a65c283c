import Platform
import Synchronization
import TestSupport
import Testing

@Suite struct PlatformTests {
    @Test func renamesOnlyToNamesThatAreFree() throws {
        let folder = try TemporaryFolder()
        try folder.write([1], to: "a")
        try folder.write([2], to: "b")
        #expect(RenameOutcome.renaming(folder.path("a"), toNew: folder.path("b")) == .failed(EEXIST))
        #expect(RenameOutcome.renaming(folder.path("gone"), toNew: folder.path("c")) == .failed(ENOENT))
        #expect(RenameOutcome.renaming(folder.path("a"), toNew: folder.path("c")) == .done)
        #expect(try folder.bytes("c") == [1] && folder.bytes("b") == [2])
    }

    @Test func exchangesNames() throws {
        let folder = try TemporaryFolder()
        try folder.write([1], to: "a")
        try folder.write([2], to: "b")
        #expect(RenameOutcome.exchanging(folder.path("a"), folder.path("b")) == .done)
        #expect(try folder.bytes("a") == [2] && folder.bytes("b") == [1])
        #expect(RenameOutcome.exchanging(folder.path("a"), folder.path("gone")) == .failed(ENOENT))
    }

    @Test func reservedFilesAreLongEnoughAndNeverShorter() throws {
        let folder = try TemporaryFolder()
        try folder.write([7, 8, 9], to: "a")
        let descriptor = open(folder.path("a"), O_RDWR)
        defer { close(descriptor) }
        #expect(reserveDisk(descriptor, byteCount: 2) == 0)
        #expect(try folder.bytes("a") == [7, 8, 9])
        #expect(reserveDisk(descriptor, byteCount: 70_000) == 0)
        let bytes = try folder.bytes("a")
        #expect(bytes.count == 70_000 && bytes.prefix(4) == [7, 8, 9, 0])
        #expect(reserveDisk(-1, byteCount: 1) == EBADF)
        #expect(bringToDisk(descriptor) == 0 && bringToDisk(-1) == EBADF)
    }

    @Test func threadsRunAndAreJoined() throws {
        let sum = Sum()
        let threads = try (1...8).map { number in try #require(SystemThread { sum.value.add(number, ordering: .relaxed) }) }
        for thread in threads { thread.join() }
        #expect(sum.value.load(ordering: .relaxed) == 36)
    }

    @Test func eachRingLetsOneWaitReturn() throws {
        let bell = try #require(SignalBell())
        errno = ERANGE
        for _ in 0..<3 { bell.ring() }
        #expect(errno == ERANGE)
        for _ in 0..<3 { bell.wait() }
        let later = try #require(
            SystemThread {
                usleep(20_000)
                bell.ring()
            })
        bell.wait()
        later.join()
    }

    @Test func signalsReachTheirHandler() {
        #expect(!isIgnored(signal: SIGUSR2))
        handle(signal: SIGUSR2) { _ in seen.add(1, ordering: .sequentiallyConsistent) }
        // Threads of a pool may have it blocked: to whichever thread takes it.
        for count in 1...2 {
            kill(getpid(), SIGUSR2)
            for _ in 0..<5000 where seen.load(ordering: .sequentiallyConsistent) < count { usleep(1000) }
            #expect(seen.load(ordering: .sequentiallyConsistent) == count)
        }
        signal(SIGUSR2, SIG_IGN)
        #expect(isIgnored(signal: SIGUSR2) && isIgnored(signal: -1))
        signal(SIGUSR2, SIG_DFL)
    }

    @Test func theMachineTellsOfItself() throws {
        #expect(1...Machine.onlineProcessorCount ~= Machine.availableProcessorCount)
        let memory = try #require(Machine.memoryByteCount), available = try #require(Machine.availableMemoryByteCount)
        #expect(available > 1 << 20 && available < memory)
        let peak = ProcessMemory.peakByteCount, mapped = ProcessMemory.mappedByteCount
        #expect(peak > 1 << 20 && peak < memory)
        #expect(mapped > peak / 2)
        #expect(Machine.kernelRelease?.contains(".") == true && Machine.kernelRelease?.contains("\n") == false)
        #expect(Machine.columnCount(ofTerminal: -1) == nil)
    }

    @Test func childProcessesWriteWhereTheyAreTold() throws {
        let folder = try TemporaryFolder()
        let (process, code) = ChildProcess.start(["printf", "%s|", "a b", "c"], output: folder.path("out"))
        #expect(code == 0)
        var status: Int32 = -1
        var usage = rusage()
        #expect(wait4(process, &status, 0, &usage) == process && status == 0)
        #expect(ProcessMemory.peakByteCount(of: usage) > 1 << 16)
        #expect(try folder.bytes("out") == Array("a b|c|".utf8))
        #expect(ChildProcess.start(["/no such program"], output: "/dev/null").code == ENOENT)
    }

    @Test func limitsAreToldAsTheyAreSet() throws {
        var limit = rlimit()
        #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(ResourceLimit.openFiles.current == .atMost(Int(limit.rlim_cur)))
        #expect(ResourceLimit.fileLength.current != .unknown && ResourceLimit.addressSpace.current != .unknown)
    }

    @Test func textOfTheSystemIsReadUpToItsLimit() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("one\ntwo\n".utf8), to: "a")
        try folder.write([], to: "empty")
        #expect(SystemText.contents(of: folder.path("a")) == "one\ntwo\n")
        #expect(SystemText.contents(of: folder.path("a"), limit: 5) == "one\nt")
        #expect(SystemText.contents(of: folder.path("empty")) == nil && SystemText.contents(of: folder.path("gone")) == nil)
    }

    @Test func modificationTimesAreOfTheBytes() throws {
        let folder = try TemporaryFolder()
        try folder.write([1], to: "a")
        let times = [timespec(tv_sec: 1, tv_nsec: 2), timespec(tv_sec: 1_000_000, tv_nsec: 500)]
        #expect(utimensat(AT_FDCWD, folder.path("a"), times, 0) == 0)
        var status = stat()
        #expect(stat(folder.path("a"), &status) == 0)
        #expect(status.modificationTime.tv_sec == 1_000_000 && status.modificationTime.tv_nsec == 500)
    }
}

private let seen = Atomic<Int>(0)

private final class Sum: Sendable {
    let value = Atomic<Int>(0)
}
