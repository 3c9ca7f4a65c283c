package import JSONText

/// Everything that decides what a run computes, by name: a run can go on only as what it was.
package struct RunIdentity: Equatable, Sendable {
    /// Members in a fixed order.
    package let members: JSONObject

    package init(_ members: JSONObject) { self.members = members }

    /// Those members alone.
    func only(_ names: [String]) -> RunIdentity {
        var kept = JSONObject()
        for member in members.members where names.contains(member.key) { kept[member.key] = member.value }
        return RunIdentity(kept)
    }

    /// What differs in `other`, each as `NAME was A, but is B`.
    package func differences(from other: RunIdentity) -> [String] {
        let names = other.members.members.map(\.key) + members.members.map(\.key).filter { other.members[$0] == nil }
        return names.compactMap { name in
            let (before, now) = (other.members[name], members[name])
            guard before != now else { return nil }
            return "\(name) was \(before?.text(.compact) ?? "not set"), but is \(now?.text(.compact) ?? "not set")"
        }
    }
}
