import ByteIO

extension HeaderCursor {
    /// Arrays in arrays at most; nobody writes more than two.
    static let depthLimit = 8

    /// Bytes of a string of the metadata at most: whole tokenizers stand in some.
    static let textByteCountLimit = 64 << 20

    /// A value of a type that was read before it.
    ///
    /// - Parameter what: the value is, for messages: `key 'a'`.
    mutating func value(_ type: GGUFValueType, _ what: @autoclosure () -> String) throws(FileError) -> GGUFValue {
        switch type {
        case .u8: .u8(try integer(UInt8.self, what()))
        case .i8: .i8(try integer(Int8.self, what()))
        case .u16: .u16(try integer(UInt16.self, what()))
        case .i16: .i16(try integer(Int16.self, what()))
        case .u32: .u32(try integer(UInt32.self, what()))
        case .i32: .i32(try integer(Int32.self, what()))
        case .u64: .u64(try integer(UInt64.self, what()))
        case .i64: .i64(try integer(Int64.self, what()))
        case .f32: .f32(Float(bitPattern: try integer(UInt32.self, what())))
        case .f64: .f64(Double(bitPattern: try integer(UInt64.self, what())))
        case .bool: .bool(try integer(UInt8.self, what()) != 0)
        case .string: .string(try string(limit: Self.textByteCountLimit, what()))
        case .array: .array(try array(what()))
        }
    }

    mutating func valueType(_ what: @autoclosure () -> String) throws(FileError) -> GGUFValueType {
        let start = offset
        let number = try integer(UInt32.self, "the type of \(what())")
        guard let type = GGUFValueType(rawValue: number) else {
            throw failure("the type of \(what()) is \(Int32(bitPattern: number)), but types are 0 to 12", at: start)
        }
        return type
    }

    /// Checks an array from its item type to its last item, and remembers where the items are.
    private mutating func array(_ what: @autoclosure () -> String) throws(FileError) -> GGUFArray {
        let head = try arrayHead(what())
        let start = offset
        // Items that are still to come of each array that is open, from the outermost one on: no recursion, as the file decides.
        var open: [Int] = []
        var next: (type: GGUFValueType, count: Int)? = head
        while true {
            if let (type, count) = next {
                next = nil
                if type == .array {
                    guard open.count + 1 < Self.depthLimit else {
                        throw failure("arrays in \(what()) are nested more than \(Self.depthLimit) deep")
                    }
                    open.append(count)
                } else if let byteCount = type.byteCount {
                    skip(byteCount: count * byteCount)
                } else {
                    try skipStrings(count: count, of: what())
                }
            }
            while open.last == 0 { open.removeLast() }
            guard let left = open.last else { break }
            open[open.count - 1] = left - 1
            next = try arrayHead(what())
        }
        guard let file else { preconditionFailure("arrays of arrays are never made, only read") }
        return GGUFArray(itemType: head.type, count: head.count, content: .stored(file, start..<offset, order))
    }

    /// Item type and count of an array; the file is long enough for so many items.
    private mutating func arrayHead(_ what: @autoclosure () -> String) throws(FileError) -> (type: GGUFValueType, count: Int) {
        let type = try valueType("the items of \(what())")
        let start = offset
        let count = try integer(UInt64.self, "the count of items of \(what())")
        guard count <= UInt64(remainingCount / type.leastByteCount) else {
            throw failure(
                "\(what()) is an array of \(count) \(type), but only \(remainingCount) bytes follow", at: start,
                hint: Self.hint(missing: count))
        }
        return (type, Int(count))
    }
}
