import Platform

/// The time that `strftime_now` tells. Given from outside, so that a rendering can be repeated.
package struct TemplateClock: Hashable, Sendable {
    private let year: Int
    private let month: Int
    private let day: Int
    private let hour: Int
    private let minute: Int
    private let second: Int

    /// Months and days from 1, as on a calendar; nil where there is no such time.
    package init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        guard (1...9999).contains(year), (1...12).contains(month), (0..<24).contains(hour), (0..<60).contains(minute),
            (0..<61).contains(second)
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let dayCount = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
        guard (1...dayCount).contains(day) else { return nil }
        self.init(checkedYear: year, month, day, hour, minute, second)
    }

    private init(checkedYear year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int, _ second: Int) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// The local time of this machine.
    package static var now: TemplateClock {
        var seconds = time(nil)
        var fields = tm()
        localtime_r(&seconds, &fields)
        return TemplateClock(
            checkedYear: Int(fields.tm_year) + 1900, Int(fields.tm_mon) + 1, Int(fields.tm_mday), Int(fields.tm_hour), Int(fields.tm_min),
            Int(fields.tm_sec))
    }

    /// C's `strftime`, as Python uses it; nil where the result would be empty without need, or longer than any date.
    func formatted(_ format: String) -> String? {
        guard !format.isEmpty else { return "" }
        guard format.utf8.count <= 1024, !format.utf8.contains(0) else { return nil }
        var fields = tm()
        fields.tm_year = Int32(year - 1900)
        fields.tm_mon = Int32(month - 1)
        fields.tm_mday = Int32(day)
        fields.tm_hour = Int32(hour)
        fields.tm_min = Int32(minute)
        fields.tm_sec = Int32(second)
        fields.tm_isdst = -1
        fields.tm_wday = Int32(Self.weekday(year, month, day))
        fields.tm_yday = Int32(Self.dayOfYear(year, month, day))
        // %p may be empty: a mark behind it tells that from a result that does not fit.
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let count = strftime(base, buffer.count, format + "|", &fields)
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<(count - 1)].map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    private static func dayOfYear(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month - 1]
        return before + (isLeap && month > 2 ? 1 : 0) + day - 1
    }

    /// From Sunday, 0.
    private static func weekday(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shift = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month - 1]
        let year = month < 3 ? year - 1 : year
        return (year + year / 4 - year / 100 + year / 400 + shift + day) % 7
    }
}
