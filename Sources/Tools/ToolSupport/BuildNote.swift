import CBuild
import CKernels
package import CommandLineKit

/// What a program is, besides its version: what somebody who reports a problem should say.
package enum BuildNote {
    /// The commit that it was built of; nil where the build was not told.
    package static var commit: String? {
        let text = String(cString: qnf_commit())
        return text.isEmpty ? nil : text
    }

    /// Instructions that kernels use on this processor.
    package static var level: String { qk_simd_best().title }

    /// Why kernels cannot be run as the environment asks.
    static var obstacle: Failure? {
        guard !qk_simd_isUnderstood() else { return nil }
        let names = (0..<UInt32(QK_SIMD_COUNT)).map(qk_simd.init(rawValue:)).filter(qk_simd_supports).map {
            String(cString: qk_simd_name($0))
        }
        return Failure(
            "QNF_SIMD in the environment names no instructions of this processor", hint: "it has \(names.joined(separator: ", "))")
    }

    /// `commit 5aa4942, AVX-512`
    package static var text: String { (commit.map { "commit \($0), " } ?? "") + level }
}

extension qk_simd {
    package var title: String {
        switch self {
        case QK_AVX512: "AVX-512"
        case QK_AVX2: "AVX2"
        case QK_SCALAR: "plain C"
        default: String(cString: qk_simd_name(self))
        }
    }
}

extension Tool {
    /// Is the whole program; `--version` tells of the build.
    package func main() -> Never { main(buildNote: BuildNote.text, obstacle: BuildNote.obstacle) }
}
