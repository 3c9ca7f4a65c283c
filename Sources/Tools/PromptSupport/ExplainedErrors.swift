import CommandLineKit
import Prompts

extension PromptError: Explained {}
