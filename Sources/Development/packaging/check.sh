#!/bin/sh
# What is released, tried: the packages have the same bytes when they are made again; the tarball's checksums hold, and its tools run; the
# Debian package is installed into a root of its own, its tools run, and nothing is left once it is purged.
#   sh Sources/Development/packaging/check.sh BIN OUT        OUT: where `make dist deb` wrote
set -eu
bin=$1
out=$2
repository=$(cd "$(dirname "$0")/../../.." && pwd)
. "$repository/Sources/Development/packaging/common.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "check: $1" >&2; exit 1; }

tarball=$(ls "$out/qnf-$version"-*.tar.gz)
package=$(ls "$out/qnf_${version}"_*.deb)
sh "$repository/Sources/Development/packaging/dist.sh" "$bin" "$work/again" >/dev/null
sh "$repository/Sources/Development/packaging/deb.sh" "$bin" "$work/again" >/dev/null
cmp "$tarball" "$work/again/$(basename "$tarball")"
cmp "$package" "$work/again/$(basename "$package")"
(cd "$out" && sha256sum --quiet -c ./*.sha256)
echo "made again: the same bytes"

tar -C "$work" -xzf "$tarball"
top=$work/$(basename "$tarball" .tar.gz)
(cd "$top" && sha256sum --quiet -c SHA256SUMS)
for tool in qconvert qinspect qmerge qrun qtrain qverify; do
    [ "$("$top/bin/$tool" --version | cut -d ' ' -f 1-2)" = "$tool $version" ] || fail "$tool of the tarball says another version"
    [ -s "$top/share/man/man1/$tool.1" ] || fail "$tool has no manual page"
done
"$top/bin/qconvert" to-nf4 "$repository/samples/llama-hf" -o "$work/a.qnf" --quiet >/dev/null
"$top/bin/qverify" integrity "$work/a.qnf" >/dev/null
echo "tarball: $(find "$top" -type f | wc -l) files, tools run"

# dpkg's own state of a root without other packages: what the package depends on is this system's.
root=$work/root
mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/triggers" "$root/var/log"
: >"$root/var/lib/dpkg/status"
fakeroot dpkg --root="$root" --log="$root/var/log/dpkg.log" --force-depends --force-not-root --force-script-chrootless \
    -i "$package" >/dev/null 2>"$work/dpkg.log" || { cat "$work/dpkg.log"; fail "the package cannot be installed"; }
(cd "$root" && md5sum --quiet -c var/lib/dpkg/info/qnf.md5sums)
for tool in qconvert qinspect qmerge qrun qtrain qverify; do
    [ "$("$root/usr/bin/$tool" --version | cut -d ' ' -f 1-2)" = "$tool $version" ] || fail "$tool of the package says another version"
done
fakeroot dpkg --root="$root" --log="$root/var/log/dpkg.log" --force-not-root --force-script-chrootless --purge qnf >/dev/null 2>&1
left=$(find "$root" -path "$root/var" -prune -o ! -path "$root" -print)
[ -z "$left" ] || fail "after removal there is still: $left"
echo "package: installed, run and removed without a trace"
