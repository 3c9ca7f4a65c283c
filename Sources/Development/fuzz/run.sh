#!/bin/sh
# Fuzzes one reader after another; called by `make fuzz`.
#   sh Sources/Development/fuzz/run.sh FUZZ FOLDER [READER...]     FUZZ: the built fuzzer; FOLDER: keeps inputs, logs and findings
# FUZZ_SECONDS for each reader, or FUZZ_RUNS executions instead. Exit status 1 where something was found.
set -eu
fuzz=$1
folder=$2
shift 2
[ $# -gt 0 ] || set -- $("$fuzz" --list)

# Files that inputs are written to lie in memory, and are gone afterwards.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
FUZZ_SCRATCH=$(mktemp -d "$memory/qnf-fuzz-XXXXXX")
export FUZZ_SCRATCH
trap 'rm -rf "$FUZZ_SCRATCH"' EXIT
trap 'exit 130' INT TERM
# A trap shall reach libFuzzer, not the backtracer.
export SWIFT_BACKTRACE=enable=no

if [ -n "${FUZZ_RUNS:-}" ]; then limit=-runs=$FUZZ_RUNS; else limit=-max_total_time=${FUZZ_SECONDS:-60}; fi
mkdir -p "$folder/findings" "$folder/logs"
"$fuzz" --seeds="$folder/seeds" --from="$(dirname "$0")/../../.."

found=
for reader; do
    mkdir -p "$folder/corpus/$reader"
    words=
    [ -s "$folder/seeds/$reader.dict" ] && words=-dict=$folder/seeds/$reader.dict
    log=$folder/logs/$reader.log
    status=0
    "$fuzz" --reader="$reader" "$limit" $words -timeout=30 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$folder/findings/$reader-" \
        "$folder/corpus/$reader" "$folder/seeds/$reader" > "$log" 2>&1 || status=$?
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    memory=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
    if [ $status -eq 0 ]; then
        printf '%-18s %10s executions, %s MB, nothing found\n' "$reader" "$count" "$memory"
    else
        found=yes
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        printf '%-18s %10s executions: FOUND, exit status %s, log in %s\n' "$reader" "$count" "$status" "$log"
        [ -z "$input" ] || printf '  again: SWIFT_BACKTRACE=enable=no %s --reader=%s %s\n' "$fuzz" "$reader" "$input"
    fi
done
[ -z "$found" ]
