import Architectures
import Calibration
import Testing

@Suite struct CalibrationSamplesTests {
    private static func ids(_ range: Range<Int>) -> [Int32] { range.map(Int32.init) }

    @Test func windowsBeginWithWhatBeginsEveryText() throws {
        let samples = try CalibrationSamples(texts: [Self.ids(0..<25)], beginning: [99], window: 10, tokenLimit: nil)
        #expect(samples.samples.map(\.ids) == [[99] + Self.ids(0..<9), [99] + Self.ids(9..<18)])
        #expect(samples.samples.map(\.isHeldOut) == [false, true])
        #expect((samples.tokenCount, samples.heldOutCount, samples.calibratingCount) == (20, 10, 10))
    }

    /// Of 100 windows 20, and of these two for judging: all parts of the text are among both.
    @Test func fewerTokensAreSpreadOverTheWholeText() throws {
        let samples = try CalibrationSamples(texts: [Self.ids(0..<400), Self.ids(400..<1000)], beginning: [], window: 10, tokenLimit: 209)
        #expect(samples.samples.map { $0.ids[0] } == (0..<20).map { Int32(50 * $0 + 20) })
        #expect(samples.samples.indices.filter { samples.samples[$0].isHeldOut } == [5, 15])
    }

    @Test func refusesTooLittle() {
        func error(_ count: Int, _ limit: Int?) -> ModelError? {
            do throws(ModelError) {
                _ = try CalibrationSamples(texts: [Self.ids(0..<count)], beginning: [], window: 10, tokenLimit: limit)
                return nil
            } catch { return error }
        }
        #expect(error(19, nil)?.message == "the text has 19 tokens, but calibrating takes two windows of 10 at least")
        #expect(error(19, 20)?.message == "the text has 19 tokens, but calibrating takes two windows of 10 at least")
        #expect(error(100, 19)?.message == "19 tokens are no two windows of 10")
        #expect(error(20, 20) == nil)
    }
}
