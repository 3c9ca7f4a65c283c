import ByteIO
package import Checkpoints
import Comparison
package import Inspection
import JSONText
import Platform
package import Streaming
import TensorCore

/// Everything a report tells, found out before the first line of it is written.
package struct ReportContent {
    /// The last part of the path: where a model lies on this machine is nobody's business.
    let name: String
    let checkpoint: Checkpoint
    let listing: LayerListing
    let bands: LayerBands
    package let integrity: IntegrityReport
    /// Nil of a damaged model.
    let values: ReportValues?
    /// The model against its source, where one was given; nil as well of a damaged model.
    let comparison: ModelDiffReport?
    let sourceName: String?
    /// `qinspect 0.1.0`.
    let maker: String

    /// Reads the model for its checksums, for what is in it, and against its source: `readByteCount` bytes.
    ///
    /// - Parameter maker: name and version of the tool.
    package init(
        _ checkpoint: Checkpoint, path: String, against source: Checkpoint?, sourcePath: String?, maker: String, resources: Resources
    ) throws {
        integrity = try IntegrityCheck(checkpoint, resources: resources).run()
        // The values of a damaged file mean nothing, and some cannot even be read.
        let isReadable = integrity.problems.isEmpty
        values = try isReadable ? ReportValues(checkpoint, resources: resources) : nil
        comparison = try isReadable ? source.map { try ModelDiff($0, checkpoint, resources: resources).run() } : nil
        self.checkpoint = checkpoint
        self.maker = maker
        name = Self.name(of: path)
        sourceName = sourcePath.map(Self.name)
        listing = LayerListing(checkpoint, matching: nil)
        var seen: Set<String> = []
        bands = LayerBands(listing.rows.compactMap(\.layer).filter { seen.insert($0).inserted })
    }

    package static func readByteCount(_ checkpoint: Checkpoint, against source: Checkpoint?) -> Int {
        2 * checkpoint.storedByteCount + (source?.storedByteCount ?? 0)
    }

    /// Types of storage, the one with most weights first; those beyond what charts tell apart share the last class.
    var types: [(name: String, rows: [LayerListing.Row])] {
        Dictionary(grouping: listing.rows, by: \.typeName)
            .map { (name: $0.key, rows: $0.value) }
            .sorted { a, b in
                let (first, second) = (a.rows.reduce(0) { $0 + $1.shape.elementCount }, b.rows.reduce(0) { $0 + $1.shape.elementCount })
                return (second, a.name) < (first, b.name)
            }
    }

    /// Of the files that hold tensors.
    var fileByteCount: Int { checkpoint.source.files.reduce(0) { $0 + $1.byteCount } }

    var layerCount: Int { bands.bands.reduce(0) { $0 + $1.layers.count } }

    /// The tensors of each band of layers.
    var rowsByBand: [[LayerListing.Row]] {
        var rows = [[LayerListing.Row]](repeating: [], count: bands.bands.count)
        for row in listing.rows {
            if let band = row.layer.flatMap(bands.index(ofLayer:)) { rows[band].append(row) }
        }
        return rows
    }

    /// The last part of the path; of `.`, that of the folder it stands for.
    private static func name(of path: String) -> String {
        let name = FilePath.name(of: path)
        guard [".", ".."].contains(name), let resolved = realpath(path, nil) else { return name }
        defer { free(resolved) }
        return FilePath.name(of: String(cString: resolved))
    }
}
