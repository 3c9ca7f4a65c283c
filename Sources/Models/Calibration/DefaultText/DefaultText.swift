/// The text that models are calibrated with where nobody gives another: prose, code, documentation, instructions with their answers,
/// and several languages, written for this (`formats/calibration.md`).
///
/// What is calibrated with it depends on every byte: a change is a change of the format of results.
package enum DefaultText {
    package static var text: String { [prose, instructions, code, languages, documentation].joined(separator: "\n") }
}
