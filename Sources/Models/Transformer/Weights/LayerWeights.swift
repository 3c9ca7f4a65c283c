package import Architectures

/// The weights of one layer, by what they do (`LayerDescription` says what is computed with them).
package struct LayerWeights: Sendable {
    /// [out, in] each: query [H D, C], key and value [K D, C] or all three in one [H D + 2 K D, C], attention's output [C, H D];
    /// gate and up [I, C], down [C, I].
    private var linears: ByRole<LinearLayer>
    /// [C] each, those of heads [D].
    private var norms: ByRole<NormWeights>
    /// Of a mixture: gate and up [I, C] or both in one [2 I, C], down [C, I].
    package private(set) var experts: [ExpertWeights]
    /// [H]; empty where attention has none.
    package var sinks: [Float]

    package init(
        linears: [TensorRole: LinearLayer], norms: [TensorRole: NormWeights], experts: [ExpertWeights] = [], sinks: [Float] = []
    ) {
        self.linears = ByRole(linears)
        self.norms = ByRole(norms)
        self.experts = experts
        self.sinks = sinks
    }

    /// - Precondition: the layer has one of this role (`LayerDescription.linearRoles`).
    package subscript(linear role: TensorRole) -> LinearLayer { linears[role] }

    /// - Precondition: the layer has one of this role (`LayerDescription.normRoles`).
    package subscript(norm role: TensorRole) -> NormWeights { norms[role] }

    /// All linear layers, in the order of the forward pass, those of experts last.
    package var linearLayers: [LinearLayer] { linears.elements + experts.flatMap(\.linearLayers) }

    /// Changes each linear layer in turn, in the order of the forward pass.
    package mutating func forEachLinearLayer<Failure: Error>(
        _ body: (inout LinearLayer) throws(Failure) -> Void
    ) throws(Failure) {
        try linears.forEach(body)
        for index in experts.indices { try experts[index].forEachLinearLayer(body) }
    }

    /// Changes each norm in turn, in the order of the forward pass.
    package mutating func forEachNorm<Failure: Error>(_ body: (inout NormWeights) throws(Failure) -> Void) throws(Failure) {
        try norms.forEach(body)
    }
}

/// The linear layers of one expert.
package struct ExpertWeights: Sendable {
    private var linears: ByRole<LinearLayer>

    package init(_ linears: [TensorRole: LinearLayer]) { self.linears = ByRole(linears) }

    /// - Precondition: experts of the layer have one of this role (`Mixture.expertRoles`).
    package subscript(linear role: TensorRole) -> LinearLayer { linears[role] }

    package var linearLayers: [LinearLayer] { linears.elements }

    package mutating func forEachLinearLayer<Failure: Error>(
        _ body: (inout LinearLayer) throws(Failure) -> Void
    ) throws(Failure) {
        try linears.forEach(body)
    }
}

/// A few things by their roles, in the order of the forward pass.
private struct ByRole<Element: Sendable>: Sendable {
    private let roles: [TensorRole]
    private(set) var elements: [Element]

    init(_ elements: [TensorRole: Element]) {
        let sorted = elements.sorted { $0.key < $1.key }
        roles = sorted.map(\.key)
        self.elements = sorted.map(\.value)
    }

    subscript(role: TensorRole) -> Element {
        guard let index = roles.firstIndex(of: role) else { preconditionFailure("the layer has no \(role)") }
        return elements[index]
    }

    mutating func forEach<Failure: Error>(_ body: (inout Element) throws(Failure) -> Void) throws(Failure) {
        for index in elements.indices { try body(&elements[index]) }
    }
}
