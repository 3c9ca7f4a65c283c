import Adapters
import ByteIO
import Checkpoints
import CommandLineKit
import JSONText
import MergeSupport
import Merging
import ModelToolSupport
import ToolSupport

/// The merged model that `--merge-into` asks for: what qmerge makes of the base and the adapter, once that is written.
struct MergeInto {
    let path: String
    private let base: Checkpoint
    private let options: MergeOptions
    private let arguments: ParsedArguments

    /// Nil where none is asked for.
    ///
    /// - Throws: where there is no 4-bit model to merge into, or the output exists.
    init?(_ base: Checkpoint, _ options: TrainOptions, _ arguments: ParsedArguments) throws {
        guard let path = options.files.merged else { return nil }
        guard !options.isFull else {
            throw UsageError("--merge-into merges an adapter, but --full trains the weights themselves: the output is the model")
        }
        guard base.kind == .qnf else {
            throw UsageError(
                "--merge-into makes a .qnf of a .qnf, but \(options.model.path) is a \(base.kind.title)",
                hint: "'qconvert to-nf4' makes one; 'qmerge' merges into other models afterwards")
        }
        guard options.files.replaces || options.files.resumes || FilePath.kind(of: path) == .missing else {
            throw FileError(path, "exists already", hint: "`replaces` replaces it")
        }
        guard FilePath.kind(of: FilePath.folder(of: path)) == .folder else {
            throw FileError(path, "cannot be created: there is no folder '\(FilePath.folder(of: path))'")
        }
        self.path = path
        self.base = base
        self.arguments = arguments
        // As the adapter was learned, and a general text beside it; an adapter that brings samples along says so itself.
        self.options = MergeOptions(texts: options.files.sampleCount == nil ? [options.data.path, Self.generalText] : [])
    }

    private static let generalText = "default"

    /// Merges the adapter that was written.
    func run(_ adapterPath: String, replaces: Bool, _ console: Console) throws -> MergeOutcome {
        let adapter = try console.openAdapter(adapterPath)
        let plan = try MergePlan(
            base: base, reference: nil, adapters: [WeightedAdapter(adapter, weight: 1)], form: .qnf, keepsUndo: true)
        if plan.changes.isEmpty { console.warning("the adapter adds nothing: all of its deltas are zero") }
        do {
            let flips = try flips(plan, options, arguments, console)
            let progress = console.progress("merging", total: plan.inputByteCount)
            let outcome = try Merge(
                plan, resources: arguments.resources(for: [base], progress: progress), toolVersion: toolVersion,
                options: options.texts.map { "--calibrate \(FilePath.name(of: $0))" }, flips: flips
            ).run(path: path, isFolder: false, replaces: replaces)
            progress.finish()
            for warning in outcome.warnings { console.warning(warning) }
            return outcome
        } catch {
            console.note("\(adapterPath) is written: 'qmerge' can merge it")
            throw error
        }
    }
}

extension MergeOutcome {
    /// What became of the adapter: shares of its deltas, or of their effect where that was measured.
    var line: String {
        guard let flips = report.flips else {
            return "\(NumberText.percent(report.total.survival)) of the deltas are kept"
        }
        return "\(NumberText.percent(flips.survival)) of the adapter's effect is kept in \(flips.count) weights whose codes were flipped, "
            + "\(NumberText.percent(flips.leastSurvival)) at the least"
    }

    var document: JSONValue {
        .object([
            "bytes": .integer(outputByteCount), "survival": .double(report.total.survival),
            "flipped": .integer(report.flips?.count ?? 0), "activation_survival": report.flips.map { .double($0.survival) } ?? .null,
            "least_activation_survival": report.flips.map { .double($0.leastSurvival) } ?? .null,
        ])
    }
}
