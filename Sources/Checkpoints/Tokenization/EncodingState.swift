/// Memory that encoding keeps from text to text.
struct EncodingState: Sendable {
    var cache = WordCache()
    var merging = PairMerging()
    let words = WordScanning()
}
