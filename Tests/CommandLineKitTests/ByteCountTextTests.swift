import CommandLineKit
import Testing

@Suite struct ByteCountTextTests {
    @Test(arguments: [
        ("0", 0), ("4096", 4096), ("512B", 512), ("1K", 1024), ("1k", 1024), ("1kB", 1000), ("1KiB", 1024), ("512M", 512 << 20),
        ("512MB", 512_000_000), ("2GiB", 2 << 30), ("1.5GiB", 3 << 29), ("0.1K", 102), ("2gb", 2_000_000_000), ("3T", 3 << 40),
        ("7P", 7 << 50), ("9223372036854775807", Int.max), ("1.999999999K", 2047),
    ])
    func reads(text: String, count: Int) {
        #expect(ByteCountText.parse(text) == count)
    }

    @Test(arguments: [
        "", "M", ".5M", "5.M", "1.2.3M", "-1M", "+1M", "1 M", "1MX", "1iB", "1Bi", "1E", "0x10", "1e6", "٣M", "8192P",
        "9223372036854775808", "1.0000000001K",
    ])
    func refuses(text: String) {
        #expect(ByteCountText.parse(text) == nil)
    }
}
