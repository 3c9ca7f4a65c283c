import ByteIO
import JSONText

/// Where the storages of a file lie, and the value that is pickled in it.
struct StorageTable {
    let root: PickleValue
    let heap: PickleHeap
    /// Of each storage in the file, by its key.
    let places: [ByteKey: Range<Int>]
    let isBigEndian: Bool

    /// A zip archive: `NAME/data.pkl`, `NAME/data/KEY`, `NAME/byteorder`.
    init(zip file: InputFile) throws(FileError) {
        let directory = try ZipDirectory(file)
        let pickles = directory.records.filter { $0.name.hasSuffix("/data.pkl") }
        guard let pickle = pickles.first else {
            throw FileError(
                file.path, "is a zip archive, but none of PyTorch's: no record is called 'data.pkl'",
                hint: "unpack it, and look what is inside")
        }
        guard pickles.count == 1 else {
            throw FileError(
                file.path, "has \(pickles.count) records 'data.pkl', '\(pickle.name)' and '\(pickles[1].name)', but one is expected",
                hint: "do not use this file: it was made to be read in two ways")
        }
        let base = String(pickle.name.dropLast("data.pkl".count))
        guard !directory.records.contains(where: { $0.name == base + "constants.pkl" || $0.name.hasPrefix(base + "code/") }) else {
            throw FileError(
                file.path, "is a TorchScript program, not a file of weights",
                hint: "in Python, save the state_dict() of what torch.jit.load gives")
        }
        if let record = directory.records.first(where: { $0.method != 0 }) {
            throw FileError(
                file.path, at: "record '\(record.name)'", "is compressed (method \(record.method)), but PyTorch stores records as they are",
                hint: "unpack the archive, and pack it again without compression (zip -0)")
        }
        var places: [ByteKey: Range<Int>] = [:]
        for record in directory.records where record.name.hasPrefix(base + "data/") {
            places[ByteKey(String(record.name.dropFirst(base.count + 5)))] = record.range
        }
        isBigEndian =
            try directory.records.first { $0.name == base + "byteorder" }.map { (record) throws(FileError) in
                switch String(
                    decoding: try file.bytes(atOffset: record.range.lowerBound, count: min(record.range.count, 16)), as: UTF8.self)
                {
                case "little": return false
                case "big": return true
                case let other:
                    throw FileError(file.path, at: "record '\(record.name)'", "is '\(other)', but 'little' or 'big' is expected")
                }
            } ?? false
        guard pickle.range.count <= Self.pickleByteCountLimit else {
            throw FileError(
                file.path, at: "record '\(pickle.name)'",
                "has \(pickle.range.count) bytes, but at most \(Self.pickleByteCountLimit) are read")
        }
        var machine = PickleMachine(PickleCursor(file, pickle.range))
        root = try machine.run()
        heap = machine.heap
        self.places = places
    }

    private static let pickleByteCountLimit = 1 << 28

    /// The form before version 1.6: five pickles, and the storages in the order of the last.
    ///
    ///     magic number | version | { little_endian } | value | [key] | for each key: i64 count, elements
    init(legacy file: InputFile) throws(FileError) {
        var machine = PickleMachine(PickleCursor(file, 0..<file.byteCount))
        guard try machine.run() == .largeInteger(Self.magic) else {
            throw FileError(
                file.path, "is a Python pickle, but none of PyTorch's: its magic number is missing",
                hint: "nothing is known of what is inside; it was not run")
        }
        guard try machine.run() == .integer(1001) else {
            throw FileError(file.path, at: "byte \(machine.offset)", "is of a version of PyTorch's old format other than 1001")
        }
        let info = try machine.run()
        guard case .bool(let isLittleEndian)? = machine.heap.items(info)?.last(where: { $0.key == .text("little_endian") })?.value else {
            throw FileError(
                file.path, at: "byte \(machine.offset)", "does not say in which order the bytes of a number are ('little_endian')")
        }
        isBigEndian = !isLittleEndian
        root = try machine.run()
        let list = try machine.run()
        heap = machine.heap
        places = try Self.places(of: list, heap, from: machine.offset, file)
    }

    private static let magic: [UInt8] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]

    private static func places(
        of list: PickleValue, _ heap: PickleHeap, from start: Int, _ file: InputFile
    ) throws(FileError) -> [ByteKey: Range<Int>] {
        let widths = try widths(heap, file)
        guard let keys = heap.object(list), keys.kind == .list else {
            throw FileError(file.path, at: "byte \(start)", "the list of storages is missing")
        }
        var places: [ByteKey: Range<Int>] = [:]
        var position = start
        for value in keys.values {
            var key: String?
            if case .text(let text) = value { key = text }
            if case .integer(let number) = value { key = String(number) }
            guard let key, let width = widths[ByteKey(key)], places[ByteKey(key)] == nil else {
                throw FileError(file.path, at: "byte \(position)", "a storage is listed that no tensor has, or twice")
            }
            let bytes = try file.bytes(atOffset: position, count: 8)
            let count = Int(bytes.reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) })
            let (byteCount, overflows) = count.multipliedReportingOverflow(by: width)
            position += 8
            guard count >= 0, !overflows, byteCount <= file.byteCount - position else {
                throw FileError(
                    file.path, at: "byte \(position - 8)",
                    "storage '\(key)' has \(count) elements of \(width) bytes, but \(file.byteCount - position) bytes are left",
                    hint: "the download is incomplete; fetch the file again")
            }
            places[ByteKey(key)] = position..<position + byteCount
            position += byteCount
        }
        guard position == file.byteCount else {
            throw FileError(file.path, at: "byte \(position)", "\(file.byteCount - position) bytes follow the last storage")
        }
        return places
    }

    /// Bytes of an element of each storage, as the value says it.
    private static func widths(_ heap: PickleHeap, _ file: InputFile) throws(FileError) -> [ByteKey: Int] {
        let reader = TensorReader(heap: heap)
        var widths: [ByteKey: Int] = [:]
        for number in heap.objects.indices where heap.objects[number].kind == .persistent {
            guard let storage = reader.storage(.object(number)) else {
                throw FileError(
                    file.path, "has a storage that is a view of another, or described in another way than PyTorch does since version 0.4",
                    hint: "load it with PyTorch, and save it again")
            }
            guard let width = TensorReader.width(ofStorage: storage.kind) else {
                throw FileError(file.path, at: "storage '\(storage.key)'", "is of the kind '\(storage.kind)', which is not known")
            }
            guard widths.updateValue(width, forKey: ByteKey(storage.key)).map({ $0 == width }) ?? true else {
                throw FileError(file.path, at: "storage '\(storage.key)'", "has elements of two lengths")
            }
        }
        return widths
    }
}
