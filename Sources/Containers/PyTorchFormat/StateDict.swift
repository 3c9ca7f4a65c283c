import ByteIO
import JSONText
import TensorCore

/// The dict of a file that is the model, and the names of its tensors.
///
/// A state dict is a dict of tensors, or lies under a name in one that training programs save.
struct StateDict {
    struct Entry {
        let name: String
        let tensor: PickledTensor
    }

    private(set) var entries: [Entry] = []
    private(set) var unreadable: [UnreadableTensor] = []
    /// What stands under `model_args` beside the tensors, where training programs save the sizes of a model.
    private(set) var settings: [String: PickledSetting] = [:]

    private let heap: PickleHeap
    private let reader: TensorReader
    private let path: String

    /// Where Lightning, nanoGPT, DeepSpeed and others put it.
    private static let places = ["state_dict", "model", "model_state_dict", "module", "net"]
    private static let saveHint = "in Python, torch.save(model.state_dict(), ...) or model.save_pretrained(...)"

    init(_ root: PickleValue, _ heap: PickleHeap, path: String) throws(FileError) {
        self.heap = heap
        self.path = path
        reader = TensorReader(heap: heap)
        guard let items = heap.items(root) else { throw notADict(root) }
        let root = Self.byName(items)
        let (dictionary, place) = try model(in: root)
        if let arguments = root.first(where: { $0.name == "model_args" }).flatMap({ heap.items($0.value) }) {
            for (name, value) in Self.byName(arguments) { settings[name] = PickledSetting(value) }
        }
        var found: [Entry] = []
        for (name, value) in dictionary {
            switch reader.read(value) {
            case .tensor(let tensor): found.append(Entry(name: name, tensor: tensor))
            case .refused(let what): throw FileError(path, at: "tensor '\(name)'", what, hint: Self.saveHint)
            case .other: try passOver(name, value)
            }
        }
        guard !found.isEmpty else {
            throw FileError(
                path, "is a pickled dict without tensors",
                hint: "the program that saved it wrote no weights; look for another file of the model")
        }
        let isLightning = place == "state_dict" && items.contains { $0.key == .text("pytorch-lightning_version") }
        entries = try renamed(found, isLightning: isLightning)
    }

    /// In the order of the file; of equal names the last value, at the place of the first.
    private static func byName(_ items: [PickleItem]) -> [(name: String, value: PickleValue)] {
        var named: [(name: String, value: PickleValue)] = []
        var places: [ByteKey: Int] = [:]
        for item in items {
            guard case .text(let name) = item.key else { continue }
            if let place = places[ByteKey(name)] {
                named[place].value = item.value
            } else {
                places[ByteKey(name)] = named.count
                named.append((name, item.value))
            }
        }
        return named
    }

    private func model(
        in root: [(name: String, value: PickleValue)]
    ) throws(FileError) -> (items: [(name: String, value: PickleValue)], place: String?) {
        var found: [(name: String, items: [(name: String, value: PickleValue)])] = []
        for (name, value) in root where Self.places.contains(name) {
            if isWholeModel(value) { throw wholeObject("'\(name)' of the file is") }
            guard let items = heap.items(value).map(Self.byName), items.contains(where: { isTensor($0.value) }) else { continue }
            found.append((name, items))
        }
        guard found.count < 2 else {
            let names = found.map { "'\($0.name)'" }.joined(separator: " and ")
            throw FileError(
                path, "holds \(found.count) dicts of tensors, \(names), and does not say which is the model", hint: Self.saveHint)
        }
        return found.first.map { ($0.items, $0.name) } ?? (root, nil)
    }

    private func isTensor(_ value: PickleValue) -> Bool { if case .other = reader.read(value) { false } else { true } }

    private func isWholeModel(_ value: PickleValue) -> Bool {
        guard let object = heap.object(value), object.kind == .record else { return false }
        return heap.items(value) == nil && !isTensor(value)
    }

    private func wholeObject(_ what: String) -> FileError {
        FileError(path, "\(what) a whole Python object, not a dict of tensors", hint: "save its state_dict: \(Self.saveHint)")
    }

    private func notADict(_ root: PickleValue) -> FileError {
        if isWholeModel(root) { return wholeObject("is") }
        if isTensor(root) { return FileError(path, "is a single tensor without a name", hint: Self.saveHint) }
        return FileError(path, "is a pickle, but not of a dict of tensors", hint: Self.saveHint)
    }

    /// Numbers and settings among tensors say nothing of the weights; tensors further inside would be lost.
    private mutating func passOver(_ name: String, _ value: PickleValue) throws(FileError) {
        if heap.items(value)?.contains(where: { isTensor($0.value) }) ?? false {
            throw FileError(path, at: "'\(name)'", "is a dict of tensors among tensors", hint: Self.saveHint)
        }
        unreadable.append(UnreadableTensor(name: name, typeName: "Python object", shape: [], byteCount: 0))
    }

    // MARK: - Names

    /// Without what wrappers put before every name: torch.compile, DataParallel, Lightning.
    private func renamed(_ entries: [Entry], isLightning: Bool) throws(FileError) -> [Entry] {
        var entries = entries
        for prefix in ["_orig_mod.", "module."] + (isLightning ? ["model.", "_orig_mod."] : []) {
            guard entries.allSatisfy({ $0.name.hasPrefix(prefix) && $0.name.count > prefix.count }) else { continue }
            entries = entries.map { Entry(name: String($0.name.dropFirst(prefix.count)), tensor: $0.tensor) }
        }
        return entries
    }
}
