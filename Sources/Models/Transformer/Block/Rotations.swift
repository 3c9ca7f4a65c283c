package import Architectures

/// Cosines and sines of some positions, one after another, for each way in which layers of a model rotate.
package struct Rotations {
    /// A position of a sequence, and how many the sequence has: some rotations depend on that.
    package struct Place: Hashable {
        package let position: Int
        package let length: Int

        package init(position: Int, length: Int) {
            self.position = position
            self.length = length
        }
    }

    private struct Key: Hashable {
        let rotary: RotaryEmbedding
        let headWidth: Int
    }

    private let tables: [Key: FloatBuffer]
    private let places: [Place]

    /// - Parameter places: of each row.
    package init(of model: ModelDescription, places: [Place]) {
        var tables: [Key: FloatBuffer] = [:]
        for layer in model.layers {
            guard let rotary = layer.attention.rotary else { continue }
            let key = Key(rotary: rotary, headWidth: layer.attention.headWidth)
            if tables[key] == nil { tables[key] = Self.table(key, places) }
        }
        self.tables = tables
        self.places = places
    }

    /// [N, R / 2] each; nil where nothing is rotated.
    func angles(of attention: Attention) -> (cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, count: Int)? {
        guard let rotary = attention.rotary else { return nil }
        guard let table = tables[Key(rotary: rotary, headWidth: attention.headWidth)] else {
            preconditionFailure("tables are those of the model that has this layer")
        }
        let count = rotary.turnedWidth(headWidth: attention.headWidth) / 2
        return (UnsafePointer(table.start), UnsafePointer(table.start + places.count * count), count)
    }

    /// What the query of a row is multiplied by.
    func factor(_ temperature: QueryTemperature, row: Int) -> Float { temperature.factor(at: places[row].position) }

    private static func table(_ key: Key, _ places: [Place]) -> FloatBuffer {
        let count = key.rotary.turnedWidth(headWidth: key.headWidth) / 2
        let table = FloatBuffer(count: 2 * places.count * count)
        var frequencies: [Int: [Double]] = [:]
        var firstRows: [Place: Int] = [:]
        for (row, place) in places.enumerated() {
            let cosines = table.start + row * count, sines = cosines + places.count * count
            // Positions of one batch come up in many of its samples.
            let stage = key.rotary.stage(ofLength: place.length), turn = Place(position: place.position, length: stage)
            if let first = firstRows[turn] {
                cosines.update(from: table.start + first * count, count: count)
                sines.update(from: table.start + (places.count + first) * count, count: count)
                continue
            }
            firstRows[turn] = row
            let known = frequencies[stage] ?? key.rotary.frequencies(headWidth: key.headWidth, length: place.length)
            frequencies[stage] = known
            let values = key.rotary.turn(to: place.position, known)
            for i in 0..<count { (cosines[i], sines[i]) = (values.cosines[i], values.sines[i]) }
        }
        return table
    }
}
