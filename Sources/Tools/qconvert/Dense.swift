import CommandLineKit
import Streaming
import TensorCore

/// The type of `--dtype`; nil for `keep`.
func denseType(_ arguments: ParsedArguments) -> ScalarType? {
    switch arguments.string(always: "dtype") {
    case "f32": .f32
    case "f16": .f16
    case "bf16": .bf16
    default: nil
    }
}

/// Says what a narrower type could not hold.
func warn(of counts: NarrowingCounts, _ arguments: ParsedArguments, _ console: Console) {
    let type = arguments.string(always: "dtype")
    if counts.overflows > 0 {
        console.warning("\(NumberText.grouped(counts.overflows)) values were too large for \(type) and became infinite")
    }
    if counts.underflows > 0 {
        console.warning("\(NumberText.grouped(counts.underflows)) values were too small for \(type) and became zero")
    }
}
