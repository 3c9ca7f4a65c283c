/// Whether bytes are UTF-8: no character cut, overlong, above U+10FFFF, or half of a surrogate pair.
///
/// By hand, as a vocabulary has a million strings of a few bytes, where the call into the standard library takes most of the time.
func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var position = 0
    while position < bytes.count {
        if position + 8 <= bytes.count,
            bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
            position += 8
            continue
        }
        let lead = bytes[position]
        if lead < 0x80 {
            position += 1
            continue
        }
        // The second byte of some characters has a range of its own, which rules the wrong ones out.
        let (length, second): (Int, ClosedRange<UInt8>)
        switch lead {
        case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: (length, second) = (3, 0x80...0xbf)
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: return false
        }
        guard position + length <= bytes.count, second.contains(bytes[position + 1]) else { return false }
        if length > 2, bytes[position + 2] & 0xc0 != 0x80 { return false }
        if length > 3, bytes[position + 3] & 0xc0 != 0x80 { return false }
        position += length
    }
    return true
}
