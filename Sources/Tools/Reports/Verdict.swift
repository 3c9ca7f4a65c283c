import CommandLineKit

/// An answer at the head of a page: yes, or no and why.
package struct Verdict {
    private let isGood: Bool
    private let title: String
    private let text: String
    private let findings: [[HTML]]

    private static let findingLimit = 20

    package static func good(_ title: String, _ text: String) -> Verdict { Verdict(isGood: true, title: title, text: text, findings: []) }

    /// - Parameter findings: each what stands on a line of a list.
    package static func bad(_ title: String, _ text: String, _ findings: [[HTML]]) -> Verdict {
        Verdict(isGood: false, title: title, text: text, findings: findings)
    }

    var html: HTML {
        .tag(
            "div", ["class": isGood ? "verdict good" : "verdict bad", "role": "status"],
            .tag("b", [:], .text((isGood ? "✓ " : "✗ ") + title)),
            isGood ? .tag("span", [:], .text(text)) : .tag("div", [:], .text(text), list))
    }

    private var list: HTML {
        let listed = findings.prefix(Self.findingLimit).map { HTML.tag("li", [:], $0) }
        let rest: [HTML] =
            findings.count > listed.count ? [.tag("li", [:], "and \(NumberText.grouped(findings.count - listed.count)) more")] : []
        return .tag("ul", [:], listed + rest)
    }
}
