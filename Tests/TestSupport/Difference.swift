/// Where two arrays differ first, and in how many places; nil where they are equal. (`#expect(a == b)` of large arrays would
/// take minutes to find the shortest edit between them.)
package func difference<T: Equatable>(_ actual: [T], _ expected: [T]) -> String? {
    if actual == expected { return nil }
    guard actual.count == expected.count else { return "\(actual.count) elements, not \(expected.count)" }
    let places = actual.indices.filter { actual[$0] != expected[$0] }
    return "[\(places[0])] is \(actual[places[0]]), not \(expected[places[0]]); \(places.count) differ"
}
