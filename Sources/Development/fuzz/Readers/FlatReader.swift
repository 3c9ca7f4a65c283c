import ByteIO
import FlatFormat

@testable import Checkpoints

extension Reader {
    /// A file of llm.c or llama2.c: a byte whose lowest bit says which, the header, and what follows it.
    static let flat = Reader(
        "flat",
        seeds: { samples in
            ["llm.c", "llama2.c"].enumerated().flatMap { number, name in
                samples.file("Tests/Fixtures/layouts/\(name)/model.bin").map { [UInt8(number)] + $0 }
            } + [[0] + header([20_240_326, 3, 1, 1, 1, 1, 1, 1]), [1] + header([2, 1, 1, 1, 1, -1, 1])]
        },
        read: { bytes in
            var input = FuzzInput(bytes)
            let isLlama = input.byte() & 1 != 0
            flatFolder.write(input.rest(), to: "m.bin")
            do throws(FileError) {
                let file = try InputFile(path: flatFolder.path("m.bin"))
                let source = try isLlama ? FlatFile(llama2C: file) : FlatFile(llmC: file)
                for index in source.tensors.indices { try source.readAll(index) }
                _ = try Checkpoint.openFlat(source)
            } catch {
                tell(error)
            }
        })

    private static let flatFolder = Folder.temporary()

    private static func header(_ values: [Int32]) -> [UInt8] { values.flatMap { withUnsafeBytes(of: $0) { Array($0) } } }
}
