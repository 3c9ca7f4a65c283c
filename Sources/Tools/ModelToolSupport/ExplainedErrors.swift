import Architectures
import CommandLineKit
import Tokenization
import Transformer

extension ModelError: Explained {}

extension PromptError: Explained {
    package var hint: String? { nil }
}
