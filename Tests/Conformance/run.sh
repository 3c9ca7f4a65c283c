#!/bin/sh
# The kernels of two kinds of processors against plain C on this one:
#
#     run.sh CLANG FOLDER
#
# builds CKernels and the driver for this processor and for arm64, where cross libraries and qemu-aarch64 are installed, and compares
# the digests of all kernels on all levels that this processor and three emulated ones have. Exits with 77 where arm64 is left out.
set -eu
cd "$(dirname "$0")/../.."
clang=$1
out=$2
arm="--target=aarch64-linux-gnu"
link="-static -fuse-ld=lld"
mkdir -p "$out"

# build NAME TARGET LINK
build() { make -s -j 2 -f Tests/Conformance/build.mk FOLDER="$out/$1" CLANG="$clang" TARGET="$2" LINK="$3"; }

failures=0
# check NAME COMMAND...: every level of that processor.
check() {
    name=$1
    shift
    "$@" levels >"$out/levels"
    while read -r level; do
        "$@" "$level" >"$out/digests"
        if cmp -s "$out/expected" "$out/digests"; then
            echo "$name, $level: $(wc -l <"$out/digests") kernels as in plain C"
        else
            echo "$name, $level: these kernels differ from plain C (kernel, digest here)"
            diff "$out/expected" "$out/digests" | grep '^>' || true
            failures=$((failures + 1))
        fi
    done <"$out/levels"
}

build native "" ""
"$out/native/conformance" scalar >"$out/expected"
check "$(uname -m)" "$out/native/conformance"
missing=""
if ! command -v qemu-aarch64 >/dev/null; then
    missing="qemu-aarch64 (package qemu-user)"
elif ! echo 'int main(void) { return 0; }' | "$clang" $arm $link -x c - -o "$out/probe" 2>"$out/probe.log"; then
    missing="C library to link with (packages gcc-aarch64-linux-gnu and libc6-dev-arm64-cross)"
else
    build arm64 "$arm" "$link"
    # A processor without dot products, one with them, and one with matrix products of bytes.
    for processor in cortex-a53 cortex-a76 max; do
        check "arm64 (qemu's $processor)" qemu-aarch64 -cpu "$processor" "$out/arm64/conformance"
    done
fi
[ $failures -eq 0 ] || exit 1
if [ -n "$missing" ]; then
    echo "arm64: left out, as there is no $missing"
    exit 77
fi
