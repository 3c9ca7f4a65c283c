#!/bin/sh
# Puts what is released under a folder, as it will lie under a prefix: stripped binaries, manual pages, completions, licence.
#   sh Sources/Development/packaging/stage.sh BIN FOLDER
set -eu
bin=$1
stage=$2
repository=$(cd "$(dirname "$0")/../../.." && pwd)
rm -rf "$stage"
mkdir -p "$stage/bin" "$stage/share/man/man1" "$stage/share/bash-completion/completions" "$stage/share/zsh/site-functions" \
    "$stage/share/fish/vendor_completions.d" "$stage/share/doc/qnf"
for tool in qconvert qinspect qmerge qrun qtrain qverify; do
    strip -o "$stage/bin/$tool" "$bin/$tool"
    "$bin/$tool" --generate-manual >"$stage/share/man/man1/$tool.1"
    "$bin/$tool" --generate-completions bash >"$stage/share/bash-completion/completions/$tool"
    "$bin/$tool" --generate-completions zsh >"$stage/share/zsh/site-functions/_$tool"
    "$bin/$tool" --generate-completions fish >"$stage/share/fish/vendor_completions.d/$tool.fish"
done
cp "$repository/LICENSE" "$repository/README.md" "$repository/CHANGELOG.md" "$stage/share/doc/qnf/"
cp -R "$repository/formats" "$repository/samples/cluster" "$stage/share/doc/qnf/"
chmod -R u=rwX,go=rX "$stage"
chmod 755 "$stage"/bin/*
