import TensorCore

/// A tensor as a pickle describes it: elements of a storage, by strides.
struct PickledTensor: Hashable, Sendable {
    let scalarType: ScalarType
    let storage: String
    /// Elements, from the start of the storage on.
    let offset: Int
    let shape: Shape
    /// In elements, one for each dimension.
    let strides: [Int]
    /// Elements of the storage, as the pickle counts them.
    let storageCount: Int
}

/// What a value is, where a tensor is looked for.
enum TensorReading {
    case tensor(PickledTensor)
    /// A tensor of a kind that is not read: what it is, for a message.
    case refused(String)
    case other
}

/// Finds tensors among records: a closed list of functions, everything else is what it is.
///
/// Source: torch/_utils.py and torch/_tensor.py of PyTorch 2.13.
struct TensorReader {
    let heap: PickleHeap

    /// Parameters in a function of a type in a parameter are as deep as it gets.
    private static let depthLimit = 8
    private static let wrappers: Set<String> = [
        "torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer",
    ]

    func read(_ value: PickleValue) -> TensorReading {
        guard let call = heap.call(value) else { return .other }
        return read(call.name, call.arguments, depth: 0)
    }

    private func read(_ name: String, _ arguments: [PickleValue], depth: Int) -> TensorReading {
        guard depth < Self.depthLimit else { return .refused("is wrapped into itself") }
        switch name {
        case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2": return strided(arguments, type: nil)
        case "torch._utils._rebuild_tensor_v3":
            guard arguments.count >= 7, let type = heap.global(arguments[6]) else { return .refused("has no type") }
            guard let known = Self.types[type] else { return .refused("is of the type '\(type)'") }
            return strided(arguments, type: known)
        case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
            guard let call = arguments.first.flatMap(heap.call) else { return .refused("is a parameter of what is no tensor") }
            return read(call.name, call.arguments, depth: depth + 1)
        case "torch._tensor._rebuild_from_type_v2":
            guard arguments.count >= 3, let function = heap.global(arguments[0]), let type = heap.global(arguments[1]),
                let inner = heap.tuple(arguments[2])
            else { return .refused("is of a type that the file does not name") }
            guard Self.wrappers.contains(type) else { return .refused("is of the class '\(type)', not a plain tensor") }
            return read(function, inner, depth: depth + 1)
        case "torch._utils._rebuild_qtensor": return .refused("is a quantized tensor of PyTorch's own kind")
        case "torch._utils._rebuild_sparse_tensor": return .refused("is a sparse tensor")
        case "torch._utils._rebuild_nested_tensor": return .refused("is a nested tensor")
        case "torch._utils._rebuild_meta_tensor_no_storage": return .refused("is a tensor without elements (on the device 'meta')")
        case "torch._utils._rebuild_wrapper_subclass": return .refused("is a tensor of another library's class")
        default:
            let isTensor = name.hasPrefix("torch._utils._rebuild") || name.hasPrefix("torch._tensor._rebuild")
            return isTensor ? .refused("is made by '\(name)'") : .other
        }
    }

    /// `(storage, offset, size, stride, ...)`; `type` where the storage is one of bytes.
    private func strided(_ arguments: [PickleValue], type: ScalarType?) -> TensorReading {
        guard arguments.count >= 4, let storage = storage(arguments[0]) else { return .refused("has no storage") }
        guard let kind = type ?? Self.storageTypes[storage.kind] else { return .refused("has elements of the kind '\(storage.kind)'") }
        guard case .integer(let offset) = arguments[1], offset >= 0, let sizes = numbers(arguments[2]), let strides = numbers(arguments[3]),
            let shape = Shape(sizes), strides.count == sizes.count, strides.allSatisfy({ $0 >= 0 })
        else { return .refused("has sizes or strides that are out of range") }
        let width = kind.bitCount / 8
        let count = type == nil ? storage.count : storage.count / width
        guard Self.fits(shape, strides, offset: offset, count: count) else {
            return .refused("reaches beyond the \(count) elements of its storage '\(storage.key)'")
        }
        return .tensor(
            PickledTensor(scalarType: kind, storage: storage.key, offset: offset, shape: shape, strides: strides, storageCount: count))
    }

    /// Whether the last element lies in the storage.
    private static func fits(_ shape: Shape, _ strides: [Int], offset: Int, count: Int) -> Bool {
        guard shape.elementCount > 0 else { return offset <= count }
        var last = offset
        for (size, stride) in zip(shape.dimensions, strides) {
            let (step, stepOverflows) = (size - 1).multipliedReportingOverflow(by: stride)
            let (next, overflows) = last.addingReportingOverflow(step)
            guard !stepOverflows, !overflows else { return false }
            last = next
        }
        return last < count
    }

    private func numbers(_ value: PickleValue) -> [Int]? {
        guard let items = heap.tuple(value) else {
            // torch.Size, as some versions wrote it.
            guard let call = heap.call(value), call.name == "torch.Size", let first = call.arguments.first else { return nil }
            return numbers(first)
        }
        let numbers = items.compactMap { if case .integer(let number) = $0 { number } else { nil } }
        return numbers.count == items.count ? numbers : nil
    }

    /// `('storage', class, key, location, count[, view])`; the location does not matter.
    func storage(_ value: PickleValue) -> (kind: String, key: String, count: Int)? {
        guard let object = heap.object(value), object.kind == .persistent, let parts = heap.tuple(object.values[0]), parts.count >= 5,
            parts[0] == .text("storage"), let kind = heap.global(parts[1]), case .integer(let count) = parts[4], count >= 0,
            parts.count == 5 || parts[5] == .none
        else { return nil }
        switch parts[2] {
        case .text(let key): return (kind, key, count)
        case .integer(let key): return (kind, String(key), count)
        default: return nil
        }
    }

    /// Bytes of an element of a storage; one of a storage of bytes.
    static func width(ofStorage kind: String) -> Int? {
        isUntyped(kind) ? 1 : storageTypes[kind].map { $0.bitCount / 8 } ?? complexWidths[kind]
    }

    private static func isUntyped(_ kind: String) -> Bool {
        ["torch.storage.UntypedStorage", "torch.storage._UntypedStorage", "torch.UntypedStorage"].contains(kind)
    }

    private static let storageTypes: [String: ScalarType] = {
        let types: [(String, ScalarType)] = [
            ("Float", .f32), ("Double", .f64), ("Half", .f16), ("BFloat16", .bf16), ("Long", .i64), ("Int", .i32), ("Short", .i16),
            ("Char", .i8), ("Byte", .u8), ("Bool", .bool),
        ]
        var known: [String: ScalarType] = [:]
        for (name, type) in types { for prefix in ["torch.", "torch.cuda."] { known["\(prefix)\(name)Storage"] = type } }
        return known
    }()
    /// Not read, but stepped over in the older files.
    private static let complexWidths = [
        "torch.ComplexFloatStorage": 8, "torch.ComplexDoubleStorage": 16, "torch.QInt8Storage": 1, "torch.QUInt8Storage": 1,
        "torch.QInt32Storage": 4,
    ]
    private static let types: [String: ScalarType] = [
        "torch.float32": .f32, "torch.float64": .f64, "torch.float16": .f16, "torch.bfloat16": .bf16, "torch.int64": .i64,
        "torch.int32": .i32, "torch.int16": .i16, "torch.int8": .i8, "torch.uint8": .u8, "torch.bool": .bool, "torch.uint16": .u16,
        "torch.uint32": .u32, "torch.uint64": .u64, "torch.float8_e4m3fn": .f8e4m3, "torch.float8_e5m2": .f8e5m2,
        "torch.float8_e8m0fnu": .f8e8m0, "torch.float8_e4m3fnuz": .f8e4m3fnuz, "torch.float8_e5m2fnuz": .f8e5m2fnuz,
    ]
}
