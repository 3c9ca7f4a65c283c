/// Functions that every template has.
enum GlobalFunction: String {
    case range, dict, namespace
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
    /// Named, and refused where they are called.
    case cycler, joiner, lipsum
}
