#!/bin/sh
# A Debian package of the six tools: qnf_VERSION_amd64.deb. Two runs of one build give the same bytes.
#   sh Sources/Development/packaging/deb.sh BIN OUT
set -eu
bin=$1
out=$2
repository=$(cd "$(dirname "$0")/../../.." && pwd)
. "$repository/Sources/Development/packaging/common.sh"
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
sh "$repository/Sources/Development/packaging/stage.sh" "$bin" "$work/stage"
mkdir -p "$root/DEBIAN" "$root/usr"
cp -R "$work/stage/." "$root/usr/"
# As Debian keeps them.
mkdir -p "$root/usr/share/zsh/vendor-completions"
mv "$root"/usr/share/zsh/site-functions/* "$root/usr/share/zsh/vendor-completions/"
rmdir "$root/usr/share/zsh/site-functions"
mv "$root/usr/share/doc/qnf/LICENSE" "$root/usr/share/doc/qnf/copyright"
mv "$root/usr/share/doc/qnf/CHANGELOG.md" "$root/usr/share/doc/qnf/changelog"
gzip -9n "$root/usr/share/doc/qnf/changelog" "$root"/usr/share/man/man1/*.1

# The package of each library that a program asks for, as this system has it; OpenBLAS has several builds.
depends="libc6 (>= $(glibc_version "$root"/usr/bin/*))"
for library in $(libraries "$root"/usr/bin/*); do
    case $library in
    libc.so.* | libm.so.* | ld-linux* | libpthread.so.* | libdl.so.* | librt.so.* | libutil.so.*) continue ;;
    libopenblas.so.0) package="libopenblas0-pthread | libopenblas0" ;;
    libz.so.1) package=zlib1g ;;
    libstdc++.so.6) package=libstdc++6 ;;
    libgcc_s.so.1) package=libgcc-s1 ;;
    *) echo "deb: no package is known for $library" >&2; exit 1 ;;
    esac
    depends="$depends, $package"
done
cat >"$root/DEBIAN/control" <<CONTROL
Package: qnf
Version: $version
Architecture: $architecture
Maintainer: The qnf authors <qnf@localhost>
Section: science
Priority: optional
Installed-Size: $(find "$root/usr" -type f -printf '%s\n' | awk '{ kilobytes += int(($1 + 1023) / 1024) } END { print kilobytes }')
Depends: $depends
Description: 4-bit language models: convert, inspect, verify, merge, tune and run
 qconvert makes 4-bit files of models and other formats of these, qinspect looks
 into them, qverify compares, qmerge merges LoRA adapters and takes them out
 again, qtrain tunes, and qrun runs.
CONTROL
(cd "$root" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
chmod 644 "$root/DEBIAN/control" "$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$out"
package=$out/qnf_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
(cd "$out" && sha256sum "$(basename "$package")" >"$(basename "$package").sha256")
echo "$package: $(wc -c <"$package") bytes, Depends: $depends"
