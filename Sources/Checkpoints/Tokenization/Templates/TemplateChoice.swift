/// Which template conversations are written in, and why.
package struct TemplateChoice: Hashable, Sendable {
    package let template: PromptTemplate
    /// What to tell where the model has a template of its own that is not followed to the letter; nil where all is as it should be.
    package let warning: String?

    /// - Parameters:
    ///   - asked: chosen by name, whatever the model has.
    ///   - otherwise: used where the model has no template, or one that resembles none.
    package init(_ tokenizer: Tokenizer, asked: PromptTemplate.Name?, otherwise: PromptTemplate.Name) {
        if let asked {
            (template, warning) = (PromptTemplate(asked), nil)
        } else if let own = tokenizer.chatTemplate {
            if let known = PromptTemplate.recognized(inJinja: own) {
                (template, warning) = (known, nil)
                return
            }
            let unknown =
                "the model's own chat template is none that is followed to the letter, so prompts differ from what it was trained with: "
            if let similar = PromptTemplate.resembling(jinja: own) {
                (template, warning) = (similar, unknown + "'\(similar.name.rawValue)' is used, which it resembles")
            } else {
                (template, warning) = (PromptTemplate(otherwise), unknown + "'\(otherwise.rawValue)' is used")
            }
        } else {
            (template, warning) = (PromptTemplate(otherwise), nil)
        }
    }
}
