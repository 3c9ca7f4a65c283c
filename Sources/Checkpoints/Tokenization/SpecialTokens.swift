/// The tokens that a model's files give a role.
package struct SpecialTokens: Hashable, Sendable {
    /// Begins a text (BOS).
    package var beginning: TokenID?
    /// Ends a text (EOS).
    package var end: TokenID?
    package var padding: TokenID?
    package var unknown: TokenID?
    /// Every token after which a model has said what it had to say: `end`, and what generation_config.json and
    /// config.json call `eos_token_id`. In ascending order.
    package var stops: [TokenID] = []
}
