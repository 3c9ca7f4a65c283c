/// How a tool ends, as scripts see it in `$?`. The same four for every tool; the fifth belongs to the shell.
/// (Not `ExitStatus`: Swift Testing has a type of that name, and every test of a tool would have to choose.)
package enum ExitCode: Int32, Sendable {
    /// Done; where a question was asked, the answer is yes.
    case done = 0
    /// The answer is no: a check failed, files differ. Nothing went wrong in finding out.
    case no = 1
    /// Input or output failed, or the input is malformed or unsupported.
    case failed = 2
    /// The command line was wrong (`EX_USAGE` of sysexits.h); nothing was read or written.
    case usage = 64
    /// Whoever read standard output stopped (`| head -1`). The process then dies by SIGPIPE itself;
    /// 128 + 13 is how shells report that death.
    case closedPipe = 141
}
