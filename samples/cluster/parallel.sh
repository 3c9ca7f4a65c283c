#!/bin/sh
# A model in parts by GNU parallel, on this machine or on those of $PARALLEL ("--sshloginfile nodes"): parallel.sh SOURCE OUTPUT PARTS
set -eu
seq "$3" | parallel --retries 3 --halt soon,fail=1 "${QCONVERT:-qconvert}" to-nf4 "$1" -o "$2" --part "{}/$3"
"${QCONVERT:-qconvert}" join "$2".part-*-of-"$3" -o "$2"
