import CommandLineKit
import JSONText
import Testing

@testable import qinspect

/// What a person sends along with a report of a problem.
@Suite struct DoctorTests {
    @Test func findsKernelsThatGiveOneResult() throws {
        let run = ToolRunner(qinspect, ["doctor"])
        #expect(run.status == .done && run.errors.isEmpty)
        #expect(run.output.contains("\nOK: 14 families of kernels give the bits of plain C ("))
        for name in ["version", "commit", "processor", "instructions", "memory", "limits", "openblas", "c library"] {
            #expect(run.output.split(separator: "\n").contains { $0.hasPrefix("\(name) ") }, "\(name)")
        }
    }

    @Test func tellsTheSameAsJSON() throws {
        let document = try ToolRunner(qinspect, ["doctor", "--json"]).document()
        #expect(document["ok"]?.bool == true && document["version"]?.string != nil && document["instructions"]?.string != nil)
        #expect(document["kernels"]?.array?.count == 14)
        #expect(try #require(document["seconds"]?.double) < 2)
    }
}
