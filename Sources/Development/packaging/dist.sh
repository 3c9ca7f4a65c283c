#!/bin/sh
# A tarball of everything, with checksums: qnf-VERSION-linux-x86_64.tar.gz. Two runs of one build give the same bytes.
#   sh Sources/Development/packaging/dist.sh BIN OUT
set -eu
bin=$1
out=$2
repository=$(cd "$(dirname "$0")/../../.." && pwd)
. "$repository/Sources/Development/packaging/common.sh"
name=qnf-$version-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh "$repository/Sources/Development/packaging/stage.sh" "$bin" "$work/$name"
{
    echo "Copy bin and share to a prefix, such as /usr/local. The programs need:"
    echo "- a C library of version $(glibc_version "$work/$name"/bin/*) or later"
    libraries "$work/$name"/bin/* | sed 's/^/- /'
} >"$work/$name/INSTALL"
(cd "$work/$name" && find . -type f ! -name SHA256SUMS | sort | sed 's#^\./##' | xargs sha256sum >"$work/sums" && mv "$work/sums" SHA256SUMS)
chmod 644 "$work/$name/INSTALL" "$work/$name/SHA256SUMS"
mkdir -p "$out"
tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar -cf - "$name" \
    | gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$out/$name.tar.gz: $(wc -c <"$out/$name.tar.gz") bytes"
