#!/bin/sh
# Holds the seam to the system: only the room Platform imports the C library, and all of Sources can be parsed for macOS.
# Usage: check.sh SWIFTC
set -eu
swiftc=$1
# Deeper lines with the word are of texts.
strays=$(grep -rnE '^ {0,4}(@[A-Za-z_]+ +)*([a-z]+ +)?import +(Glibc|Darwin|Musl|Foundation)' Sources --include='*.swift' |
    grep -v '^Sources/Bytes/Platform/' || true)
if [ -n "$strays" ]; then
    echo "only Sources/Bytes/Platform imports the C library; import Platform instead:" >&2
    echo "$strays" >&2
    exit 1
fi
for target in arm64-apple-macosx13.0 x86_64-apple-macosx13.0; do
    find Sources -name '*.swift' ! -name main.swift | sort | xargs "$swiftc" -frontend -parse -swift-version 6 -target "$target"
    # Statements may stand outside of functions where a file is parsed alone.
    find Sources -name main.swift | sort | xargs -n 1 "$swiftc" -frontend -parse -swift-version 6 -target "$target"
done
