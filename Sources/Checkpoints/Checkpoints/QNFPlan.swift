import ByteIO
import JSONText
package import Quantization
import SafetensorsFormat
package import TensorCore

/// A tensor that a .qnf is to hold.
package struct PlannedTensor: Sendable {
    package enum Form: Sendable {
        /// As it is, or in another type.
        case plain(TensorInfo)
        /// `shape` as quantized ([out, in]), `scalarType` what the dense weight is recorded as.
        case quantized(QuantizationSettings, scalarType: ScalarType, shape: Shape)
    }

    package let name: String
    package let form: Form
    package let orientation: Orientation

    package init(name: String, form: Form, orientation: Orientation) {
        self.name = name
        self.form = form
        self.orientation = orientation
    }
}

/// The layout of a .qnf: which stored tensors there are and in which order, all of it known before any data.
///
/// Order: that of `StorageOrder`, but with companion files after the weights of the same alignment, then an undo record,
/// and quant states last: they hold the mean of the constants as a decimal number, whose length is known only at the end.
package struct QNFPlan: Sendable {
    /// Where the parts of one planned tensor lie in `stored`.
    package struct Parts: Sendable {
        package var codes = 0
        package var absmax = 0
        package var quantMap = 0
        package var nestedAbsmax: Int?
        package var nestedQuantMap: Int?
        /// Index among the quant states.
        package var stateBlob = 0

        /// Index in `stored`; nil where the weight has no such part.
        package func index(of part: QuantizedTensor.Part) -> Int? {
            switch part {
            case .quantMap: quantMap
            case .absmax: absmax
            case .nestedAbsmax: nestedAbsmax
            case .nestedQuantMap: nestedQuantMap
            }
        }
    }

    package enum Place: Sendable {
        case plain(Int)
        case quantized(Parts)
    }

    package let tensors: [PlannedTensor]
    package let files: [CompanionFile]
    /// All stored tensors in the order of the data; the last `trailingCount` are quant states at their greatest length.
    package let stored: [TensorInfo]
    package let trailingCount: Int
    /// For each planned tensor.
    package let places: [Place]
    /// For each companion file, its index in `stored`.
    package let filePlaces: [Int]
    /// Whether the first trailing tensor is an undo record, which is written as it becomes known.
    package let hasUndoRecord: Bool

    /// - Parameter undoRecord: name and greatest length of an undo record that is to be written.
    package init(
        tensors: [PlannedTensor], files: [CompanionFile], undoRecord: (name: String, byteCountLimit: Int)? = nil
    ) throws(QuantizationError) {
        var builder = PlanBuilder(tensors: tensors, files: files)
        // Parts are added in almost their final order, which makes sorting them cheap.
        for index in StorageOrder.naturalOrder(of: tensors.map(\.name)) { try builder.add(tensors[index], index: index) }
        for (index, file) in files.enumerated() { try builder.add(file, index: index) }
        if let undoRecord { try builder.addUndoRecord(undoRecord.name, byteCount: undoRecord.byteCountLimit) }
        hasUndoRecord = undoRecord != nil
        self.tensors = tensors
        self.files = files
        let layout = builder.layout(tensorCount: tensors.count, fileCount: files.count)
        stored = layout.stored
        trailingCount = layout.trailingCount
        places = layout.places
        filePlaces = layout.filePlaces
    }

    /// The longest text of a quant state of this form: with the longest decimal number a float32 can have as a double.
    static func longestState(_ settings: QuantizationSettings, scalarType: ScalarType, shape: Shape) throws(QuantizationError) -> Int {
        let longestOffset = -Float(bitPattern: 0x0080_0001)  // 24 characters: -1.1754945054449876e-38 has 23
        let state = try QuantState(
            settings: settings, scalarType: scalarType, shape: shape, offset: settings.isDoubleQuantized ? longestOffset : nil)
        return state.jsonText.utf8.count + 2
    }
}

private enum Role {
    case plain, codes, absmax, quantMap, nestedAbsmax, nestedQuantMap, stateBlob, file, undoRecord
}

/// Collects stored tensors with what they belong to, then puts them in order.
private struct PlanBuilder {
    // Side by side rather than in one struct: there are six of a weight, and some checkpoints have 100,000 weights.
    private var infos: [TensorInfo] = []
    private var roles: [Role] = []
    /// Index of the planned tensor or companion file.
    private var owners: [Int] = []

    /// Parts of equal weights share their dimensions in memory.
    private var shapes: [[Int]: Shape] = [:]
    private static let sharedShapeLimit = 1000

    init(tensors: [PlannedTensor], files: [CompanionFile]) {
        let partCount = tensors.reduce(0) { count, tensor in
            if case .quantized(let settings, _, _) = tensor.form { count + (settings.isDoubleQuantized ? 6 : 4) } else { count + 1 }
        }
        infos.reserveCapacity(partCount + files.count + 1)
        roles.reserveCapacity(partCount + files.count + 1)
        owners.reserveCapacity(partCount + files.count + 1)
    }

    private mutating func shape(_ dimensions: [Int]) -> Shape? {
        if let known = shapes[dimensions] { return known }
        let shape = Shape(dimensions)
        if shapes.count < Self.sharedShapeLimit { shapes[dimensions] = shape }
        return shape
    }

    mutating func add(_ tensor: PlannedTensor, index: Int) throws(QuantizationError) {
        switch tensor.form {
        case .plain(let info):
            try add(info.name, info.scalarType, info.shape, .plain, index)
        case .quantized(let settings, let scalarType, let shape):
            let state = try QuantState(
                settings: settings, scalarType: scalarType, shape: shape, offset: settings.isDoubleQuantized ? 0 : nil)
            let name = tensor.name
            try add(name, .u8, self.shape([state.packedByteCount, 1]), .codes, index)
            try add(
                name + QuantizedTensor.Part.absmax.rawValue, settings.isDoubleQuantized ? .u8 : .f32, self.shape([state.blockCount]),
                .absmax, index)
            if settings.isDoubleQuantized {
                try add(name + QuantizedTensor.Part.nestedAbsmax.rawValue, .f32, self.shape([state.nestedBlockCount]), .nestedAbsmax, index)
                try add(name + QuantizedTensor.Part.nestedQuantMap.rawValue, .f32, self.shape([256]), .nestedQuantMap, index)
            }
            try add(name + QuantizedTensor.Part.quantMap.rawValue, .f32, self.shape([16]), .quantMap, index)
            let length = try QNFPlan.longestState(settings, scalarType: scalarType, shape: shape)
            try add(name + BitsandbytesLayout.statePrefix + settings.quantType.rawValue, .u8, self.shape([length]), .stateBlob, index)
        }
    }

    mutating func add(_ file: CompanionFile, index: Int) throws(QuantizationError) {
        try add(QNFMetadata.filePrefix + file.name, .u8, Shape([file.byteCount]), .file, index)
    }

    mutating func addUndoRecord(_ name: String, byteCount: Int) throws(QuantizationError) {
        try add(name, .u8, Shape([byteCount]), .undoRecord, 0)
    }

    private mutating func add(
        _ name: String, _ type: ScalarType, _ shape: Shape?, _ role: Role, _ owner: Int
    ) throws(QuantizationError) {
        guard let shape, let info = TensorInfo(name: name, scalarType: type, shape: shape) else {
            throw QuantizationError("tensor '\(name)' has no possible size")
        }
        infos.append(info)
        roles.append(role)
        owners.append(owner)
    }

    func layout(tensorCount: Int, fileCount: Int) -> (stored: [TensorInfo], trailingCount: Int, places: [QNFPlan.Place], filePlaces: [Int])
    {
        var groups = [Int](repeating: 0, count: infos.count)
        for (index, role) in roles.enumerated() {
            // Quant states last, an undo record before them; otherwise by alignment, greatest first, and weights before files.
            switch role {
            case .stateBlob: groups[index] = 2
            case .undoRecord: groups[index] = 1
            default: groups[index] = -2 * StorageOrder.alignment(of: infos[index]) + (role == .file ? 1 : 0)
            }
        }
        let byGroup = Dictionary(grouping: StorageOrder.naturalOrder(of: infos)) { groups[$0] }
        let order = byGroup.keys.sorted().flatMap { byGroup[$0] ?? [] }
        let statesStart = roles.count { $0 != .stateBlob }
        let trailingStart = roles.count { $0 != .stateBlob && $0 != .undoRecord }
        var parts = [QNFPlan.Parts](repeating: .init(), count: tensorCount)
        var plain = [Int?](repeating: nil, count: tensorCount)
        var filePlaces = [Int](repeating: 0, count: fileCount)
        for (position, index) in order.enumerated() {
            let owner = owners[index]
            switch roles[index] {
            case .plain: plain[owner] = position
            case .codes: parts[owner].codes = position
            case .absmax: parts[owner].absmax = position
            case .quantMap: parts[owner].quantMap = position
            case .nestedAbsmax: parts[owner].nestedAbsmax = position
            case .nestedQuantMap: parts[owner].nestedQuantMap = position
            case .stateBlob: parts[owner].stateBlob = position - statesStart
            case .undoRecord: break
            case .file: filePlaces[owner] = position
            }
        }
        let places = (0..<tensorCount).map { plain[$0].map(QNFPlan.Place.plain) ?? .quantized(parts[$0]) }
        return (order.map { infos[$0] }, infos.count - trailingStart, places, filePlaces)
    }
}
