import Architectures
import CommandLineKit
import Transformer

extension ModelError: Explained {}
