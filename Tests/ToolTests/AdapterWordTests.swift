import ByteIO
import CommandLineKit
import Glibc
import TestSupport
import Testing
import ToolSupport

/// `FILE@W`, as every tool takes it.
@Suite struct AdapterWordTests {
    @Test func whatFollowsTheLastAtIsTheWeightUnlessSomethingHasThatName() throws {
        let folder = try TemporaryFolder()
        let root = folder.path
        for name in ["hat", "cap@2", "dir@3"] { #expect(mkdir("\(root)/\(name)", 0o700) == 0) }
        func word(_ name: String) throws -> (String, Double) {
            let word = try AdapterWord("\(root)/\(name)")
            return (String(word.path.dropFirst(root.utf8.count + 1)), word.weight)
        }
        #expect(try word("hat") == ("hat", 1))
        #expect(try word("hat@2") == ("hat", 2))
        #expect(try word("hat@-0.5") == ("hat", -0.5))
        #expect(try word("cap@2") == ("cap@2", 1))
        #expect(try word("cap@2@3") == ("cap@2", 3))
        #expect(try word("dir@3/missing") == ("dir@3/missing", 1))
        #expect(try word("missing") == ("missing", 1))
        for (name, number) in [("hat@foo", "foo"), ("hat@", ""), ("hat@nan", "nan"), ("hat@inf", "inf"), ("hat@1e39", "1e39")] {
            let error = #expect(throws: UsageError.self) { try AdapterWord("\(root)/\(name)") }
            #expect(error?.message == "\(root)/\(name): '\(number)' is no weight")
            #expect(error?.hint == "a weight is a number: '\(root)/hat@0.5'")
        }
    }
}
