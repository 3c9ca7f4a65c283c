import ByteIO
import Testing

@Suite struct FileErrorTests {
    @Test func namesFilePlaceAndProblem() {
        #expect(FileError("a.qnf", "has 3 bytes").description == "a.qnf: has 3 bytes")
        let error = FileError("a.qnf", at: "tensor 'w'", "has 3 bytes", hint: "fetch it again")
        #expect(error.description == "a.qnf: tensor 'w': has 3 bytes")
        #expect(error.hint == "fetch it again")
    }
}
