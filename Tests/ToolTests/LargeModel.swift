import ByteIO
import Glibc

/// A dense model of tensors of 64 MiB of zeros, which take no room on the disk but time to work on: there is a middle to be
/// interrupted in.
enum LargeModel {
    private static let dimensions = [4096, 8192]

    static func write(to path: String, tensorCount: Int = 16) throws {
        let byteCount = dimensions[0] * dimensions[1] * 2
        let members = (0..<tensorCount).map { number in
            "\"\(module(number)).weight\":{\"dtype\":\"BF16\",\"shape\":[\(dimensions[0]),\(dimensions[1])],"
                + "\"data_offsets\":[\(number * byteCount),\((number + 1) * byteCount)]}"
        }
        let header = Array("{\(members.joined(separator: ","))}".utf8)
        try write(littleEndian(header.count) + header, to: path)
        guard truncate(path, 8 + header.count + tensorCount * byteCount) == 0 else { throw FileError(path, "cannot be made longer") }
    }

    /// An adapter of rank 1, as PEFT saves one, for the first tensors of such a model.
    static func writeAdapter(to folder: String, tensorCount: Int) throws {
        guard mkdir(folder, 0o700) == 0 else { throw FileError(folder, "cannot be made") }
        try write(
            Array(
                """
                {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["up_proj"], "bias": "none", "fan_in_fan_out": false}
                """.utf8), to: FilePath.join(folder, "adapter_config.json"))
        var members: [String] = [], data: [UInt8] = []
        for number in 0..<tensorCount {
            for (factor, shape) in [("A", [1, dimensions[1]]), ("B", [dimensions[0], 1])] {
                let start = data.count
                for index in 0..<shape[0] * shape[1] {
                    withUnsafeBytes(of: Float(index % 7 - 3).bitPattern.littleEndian) { data += $0 }
                }
                members.append(
                    "\"base_model.model.\(module(number)).lora_\(factor).weight\":{\"dtype\":\"F32\",\"shape\":[\(shape[0]),\(shape[1])],"
                        + "\"data_offsets\":[\(start),\(data.count)]}")
            }
        }
        let header = Array("{\(members.joined(separator: ","))}".utf8)
        try write(littleEndian(header.count) + header + data, to: FilePath.join(folder, "adapter_model.safetensors"))
    }

    private static func module(_ number: Int) -> String { "model.layers.\(number).mlp.up_proj" }

    private static func littleEndian(_ count: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } }

    static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "wb") else { throw FileError(path, "cannot be created") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw FileError(path, "cannot be written") }
    }
}
