/// A template that is ready to be run; shared by all renderings of it.
struct Program: Sendable {
    let source: SourceText
    /// The first one is the template itself.
    let routines: [Routine]
    let constants: [Constant]
    /// Text that is copied to the result.
    let texts: [[UInt8]]
    let names: [Name]
    let shapes: [CallShape]
    let loops: [LoopShape]

    /// A name, and which methods of which types are called so.
    struct Name: Sendable {
        let text: String
        /// The sandbox keeps templates from everything that begins so.
        let isPrivate: Bool
        let stringMethod: StringMethod?
        let listMethod: ListMethod?
        let dictionaryMethod: DictionaryMethod?
        /// Methods of Python's that are refused, and members of mappings that would be.
        let isUnsupportedStringMethod: Bool
        let changesLists: Bool
        let changesMappings: Bool
        let isFromKeys: Bool
        let bytes: [UInt8]

        init(_ text: String) {
            self.text = text
            bytes = Array(text.utf8)
            isUnsupportedStringMethod = StringMethod.unsupported.contains(text)
            changesLists = ListMethod.mutating.contains(text)
            changesMappings = DictionaryMethod.mutating.contains(text)
            isFromKeys = text == "fromkeys"
            isPrivate = Self.isPrivate(text)
            stringMethod = StringMethod(rawValue: text)
            listMethod = ListMethod(rawValue: text)
            dictionaryMethod = DictionaryMethod(rawValue: text)
        }

        static func isPrivate(_ name: String) -> Bool { name.utf8.first == UInt8(ascii: "_") }
    }

    /// A macro, a block, the body of a call block, the filter of a loop.
    struct Routine: Sendable {
        let name: String?
        let code: [Instruction]
        /// Byte offset in the source, for each instruction.
        let offsets: [UInt32]
        let slotCount: Int
        let parameters: [String]
        /// Slots of the parameters, and of what a macro gets without naming it in its parameters.
        let parameterSlots: [Int]
        let callerSlot: Int?
        let keywordsSlot: Int?
        let surplusSlot: Int?
        /// `caller` is among the parameters.
        let hasExplicitCaller: Bool
    }

    /// What stands on the stack for a call, above the callee.
    struct CallShape: Sendable, Hashable {
        let positionalCount: Int
        let keywords: [String]
        let hasList: Bool
        let hasMapping: Bool

        var operandCount: Int { positionalCount + keywords.count + (hasList ? 1 : 0) + (hasMapping ? 1 : 0) }
    }

    struct LoopShape: Sendable {
        /// Where the loop itself is a variable.
        let slot: Int?
        /// The routine that finds the next element which is looped over.
        let filter: Int?
    }
}
