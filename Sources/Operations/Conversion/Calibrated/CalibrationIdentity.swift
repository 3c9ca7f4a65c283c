import ByteIO
package import Calibration
import Checkpoints
import JSONText
import Platform
import Quantization
import Streaming

extension ConversionPlan {
    /// A digest of all that decides what a calibration gives: files of the source by name, length and time of their last change,
    /// text, tokens and damping, settings, which weights are wanted, and the tool.
    package func calibrationIdentity(_ calibration: ModelCalibration) throws -> String {
        let wanted = try calibratedItems(calibration).keys.sorted()
        let files = try checkpoint.inputFiles.map { file throws(FileError) -> JSONValue in
            var status = stat()
            guard stat(file.path, &status) == 0 else {
                throw FileError(file.path, "cannot be looked at: \(String(cString: strerror(errno)))")
            }
            let time = status.modificationTime
            return .array([.string(file.name), .integer(file.byteCount), .integer(time.tv_sec), .integer(time.tv_nsec)])
        }
        let document: JSONValue = .object([
            "quantizer": .string(CalibratedQuantizer.name), "tool": .string(toolVersion), "settings": .string(settings.description),
            "calibration": self.calibration?.document(moments: nil) ?? .null, "files": .array(files), "weights": .strings(wanted),
        ])
        var digest = SHA256()
        digest.append(Array(document.text(.compact).utf8))
        return "sha256:" + digest.finish()
    }
}
