import ByteIO
import Checkpoints
import Conversion
import Quantization
import Streaming
import TensorCore

/// Small .qnf files, made by the tools' own conversion.
enum SyntheticModel {
    /// NF4 with and without double quantization, FP4, a transposed weight, a companion file.
    static var files: [[UInt8]] {
        let settings = [(QuantType.nf4, 64, true), (.nf4, 32, false), (.fp4, 64, true)]
        return settings.compactMap { type, blockSize, isDoubleQuantized in
            guard let settings = try? QuantizationSettings(quantType: type, blockSize: blockSize, isDoubleQuantized: isDoubleQuantized)
            else { return nil }
            return try? convert(settings)
        }
    }

    private static func convert(_ settings: QuantizationSettings) throws -> [UInt8] {
        let folder = Folder.temporary()
        let header = """
            {"h.0.attn.c_attn.weight":{"dtype":"F32","shape":[3,9],"data_offsets":[0,108]},\
            "proj.weight":{"dtype":"F32","shape":[5,13],"data_offsets":[108,368]},\
            "norm.weight":{"dtype":"BF16","shape":[2],"data_offsets":[368,372]}}
            """
        var data: [UInt8] = []
        for index in 0..<92 { data += Wire.littleEndian((Float(index % 7) - Float(index % 11)).bitPattern) }
        data += [0x80, 0x3f, 0, 0x40]
        folder.write(SafetensorsImage(json: Array(header.utf8), data: data).bytes, to: "model.safetensors")
        folder.write(Array("{\"model_type\":\"gpt2\"}".utf8), to: "config.json")
        let plan = try ConversionPlan(
            Checkpoint.open(folder.path("model.safetensors")), settings: settings, rules: ConversionRules(), castingTo: nil,
            toolVersion: "0", options: [])
        let path = folder.path("m.qnf")
        _ = try Conversion(plan, resources: Resources(threadCount: 1), allowsNonfinite: false).run(path: path, replaces: true)
        return try InputFile(path: path).allBytes(limit: 1 << 20)
    }
}
