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

    /// `commit 5aa4942, AVX-512`
    package static var text: String { (commit.map { "commit \($0), " } ?? "") + level }
}

extension qk_simd {
    package var title: String {
        switch self {
        case QK_AVX512: "AVX-512"
        case QK_AVX2: "AVX2"
        default: "plain C"
        }
    }
}

extension Tool {
    /// Is the whole program; `--version` tells of the build.
    package func main() -> Never { main(buildNote: BuildNote.text) }
}
