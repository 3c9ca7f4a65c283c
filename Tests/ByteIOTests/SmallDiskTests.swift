import ByteIO
import Glibc
import TestSupport
import Testing

@Suite(.enabled(if: SmallDisk.isPossible, "mounting a file system is not permitted here")) struct SmallDiskTests {
    @Test func aFullDiskIsFoundBeforeTheWork() throws {
        try SmallDisk.mounted { folder in
            do {
                let output = try AtomicOutput(destination: folder.path("disk/m.qnf"), replaces: false)
                let file = try output.file()
                try file.reserve(byteCount: 500_000)
                #expect(
                    report(in: folder) { try file.reserve(byteCount: 2_000_000) }
                        == "disk/m.qnf: 2000000 bytes are needed, but no space left on device")
            }
            #expect(try folder.names("disk") == [])
        }
    }

    @Test func aDiskThatFillsUpLeavesTheOldOutputAlone() throws {
        try SmallDisk.mounted { folder in
            try folder.write("old", to: "disk/m.qnf")
            let message = report(in: folder) {
                let output = try AtomicOutput(destination: folder.path("disk/m.qnf"), replaces: true)
                let file = try output.file()
                for offset in stride(from: 0, to: 4 << 20, by: 1 << 16) {
                    try file.write([UInt8](repeating: 1, count: 1 << 16), atOffset: offset)
                }
                try output.commit([file])
            }
            let end = try #require(message?.split(separator: " ").dropFirst(2).first?.dropLast()).description
            #expect(message == "disk/m.qnf: byte \(end): cannot be written: no space left on device")
            #expect((900_000...1 << 20).contains(try #require(Int(end))))
            #expect(try folder.names("disk") == ["m.qnf"])
            #expect(try folder.text("disk/m.qnf") == "old")
        }
    }

    @Test func aMountPointIsNotReplaced() throws {
        try SmallDisk.mounted { folder in
            #expect(
                report(in: folder) { try writeOutputFolder(["a.safetensors": "x"], to: "disk", in: folder, replaces: true) }
                    == "disk: is a mount point, which cannot be replaced\nhint: choose an output inside it")
            #expect(try folder.names() == ["disk"])
            try writeOutputFolder(["a.safetensors": "x"], to: "disk/model", in: folder)
            try writeOutputFolder(["b.safetensors": "x"], to: "disk/model", in: folder, replaces: true)
            #expect(try folder.names("disk") == ["model"])
        }
    }
}
