/// What a pickle describes, as data: globals stay names, calls stay records of what would have been called.
///
/// Whatever holds others lies in `PickleHeap` and is named by its number there, so that a pickle that is nested a million deep, or
/// holds itself, is an array like any other.
enum PickleValue: Hashable, Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    /// Two's complement, lowest byte first; too long for an `Int`.
    case largeInteger([UInt8])
    case real(Double)
    case text(String)
    case bytes
    case object(Int)
}

struct PickleObject: Sendable {
    enum Kind: Hashable, Sendable {
        case tuple
        /// And sets.
        case list
        case dictionary
        /// `module.name`.
        case global(String)
        /// A call that was not made: function and arguments. A state that follows is dropped; items that are put into its result are kept.
        case record
        /// A persistent id: where the elements of a tensor are.
        case persistent
    }

    let kind: Kind
    var values: [PickleValue] = []
    /// Of a dictionary, or a record.
    var items: [PickleItem] = []
}

struct PickleItem: Sendable {
    let key: PickleValue
    let value: PickleValue
}

/// The objects of one pickle, or of several of one file.
struct PickleHeap: Sendable {
    private(set) var objects: [PickleObject] = []

    /// A model with 100,000 tensors has about a million.
    static let countLimit = 1 << 23

    /// - Returns: nil where there are too many.
    mutating func insert(_ object: PickleObject) -> PickleValue? {
        guard objects.count < Self.countLimit else { return nil }
        objects.append(object)
        return .object(objects.count - 1)
    }

    /// - Returns: whether the object takes values.
    mutating func extend(_ value: PickleValue, by values: some Sequence<PickleValue>) -> Bool {
        guard case .object(let number) = value else { return false }
        switch objects[number].kind {
        case .list: objects[number].values += values
        // An object of a class that is a list: nobody asks for its values.
        case .record: break
        default: return false
        }
        return true
    }

    /// - Returns: whether the object takes items.
    mutating func fill(_ value: PickleValue, with items: some Sequence<PickleItem>) -> Bool {
        guard case .object(let number) = value, [.dictionary, .record].contains(objects[number].kind) else { return false }
        objects[number].items += items
        return true
    }

    func object(_ value: PickleValue) -> PickleObject? {
        guard case .object(let number) = value else { return nil }
        return objects[number]
    }

    func tuple(_ value: PickleValue) -> [PickleValue]? {
        guard let object = object(value), object.kind == .tuple else { return nil }
        return object.values
    }

    func global(_ value: PickleValue) -> String? {
        guard case .global(let name)? = object(value)?.kind else { return nil }
        return name
    }

    /// Name of the function and arguments of a call.
    func call(_ value: PickleValue) -> (name: String, arguments: [PickleValue])? {
        guard let object = object(value), object.kind == .record, let name = global(object.values[0]),
            let arguments = tuple(object.values[1])
        else { return nil }
        return (name, arguments)
    }

    /// Of a dict, or an OrderedDict.
    func items(_ value: PickleValue) -> [PickleItem]? {
        guard let object = object(value) else { return nil }
        if object.kind == .dictionary { return object.items }
        guard let call = call(value), call.name == "collections.OrderedDict" else { return nil }
        return pairs(call.arguments) + object.items
    }

    /// Of `OrderedDict([[key, value], ...])`, as Python 2 wrote it.
    private func pairs(_ arguments: [PickleValue]) -> [PickleItem] {
        guard let first = arguments.first.flatMap(object), first.kind == .list else { return [] }
        return first.values.compactMap { entry in
            guard let pair = object(entry), [.list, .tuple].contains(pair.kind), pair.values.count == 2 else { return nil }
            return PickleItem(key: pair.values[0], value: pair.values[1])
        }
    }
}
