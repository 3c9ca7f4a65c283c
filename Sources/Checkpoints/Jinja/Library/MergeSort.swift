/// A stable sort whose comparison may throw, which the standard library's only does untyped.
enum MergeSort {
    static func sorted<Element>(
        _ elements: [Element], by precedes: (Element, Element) throws(Fault) -> Bool
    ) throws(Fault) -> [Element] {
        var source = elements
        var target = elements
        var width = 1
        while width < elements.count {
            var start = 0
            while start < elements.count {
                let middle = min(start + width, elements.count)
                let end = min(middle + width, elements.count)
                var left = start
                var right = middle
                for index in start..<end {
                    // Of equal elements the left one comes first.
                    var takesRight = left == middle
                    if !takesRight, right < end { takesRight = try precedes(source[right], source[left]) }
                    target[index] = source[takesRight ? right : left]
                    if takesRight { right += 1 } else { left += 1 }
                }
                start = end
            }
            swap(&source, &target)
            width *= 2
        }
        return source
    }
}
