import ByteIO
import TestSupport

/// What the error of a failing call says, with the folder's own path left out, and the hint on a line of its own.
func report(in folder: TemporaryFolder? = nil, _ body: () throws -> Void) -> String? {
    do { try body() } catch let error as FileError { return folder?.report(error) ?? error.report } catch {
        return "another error: \(error)"
    }
    return nil
}
