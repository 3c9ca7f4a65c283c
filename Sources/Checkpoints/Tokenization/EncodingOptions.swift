/// What is asked of an encoding beside the text.
package struct EncodingOptions: Hashable, Sendable {
    /// Put the special tokens around the text that the model expects, such as a BOS. Default yes.
    package var addsSpecialTokens: Bool
    /// Take `</s>` in the text for the token; else it is text like any other. Default yes: right for what a template made,
    /// wrong for what a stranger wrote.
    package var findsSpecialTokens: Bool
    /// The text goes on where other text ended: no space is put in front. Default no.
    package var continuesText: Bool

    package init(addsSpecialTokens: Bool = true, findsSpecialTokens: Bool = true, continuesText: Bool = false) {
        self.addsSpecialTokens = addsSpecialTokens
        self.findsSpecialTokens = findsSpecialTokens
        self.continuesText = continuesText
    }
}
