/// `((i + 1) * 2654435761 mod 2^32 >> 8) * 2^-24 - 0.5`, exact in float32: the values of the large reference runs.
func proceduralValues(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
        var product: UInt32 = 0
        for i in 0..<count {
            product &+= 2_654_435_761
            buffer[i] = Float(product >> 8) * 0x1p-24 - 0.5
        }
        initializedCount = count
    }
}
