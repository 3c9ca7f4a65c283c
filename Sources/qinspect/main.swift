import CommandLineKit
import Glibc
