/// What `keys()`, `values()` and `items()` give.
final class DictionaryView {
    enum Kind: String {
        case keys = "dict_keys"
        case values = "dict_values"
        case items = "dict_items"
    }

    let kind: Kind
    let dictionary: ValueDictionary

    init(_ kind: Kind, of dictionary: ValueDictionary) {
        self.kind = kind
        self.dictionary = dictionary
    }
}
