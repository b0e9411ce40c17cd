#!/usr/bin/env bash
# Writes docs/wasi-truth.md: the cases on both bases, and the counts over a corpus of Dockerfiles that is
# no part of the project.
# usage: report.sh PROGRAM BASES [CORPUS]     (make truth)
set -euo pipefail
cd "$(dirname "$0")/../.."
truth=$1 bases=$2 corpus=${3:-}
part=$(mktemp)
trap 'rm -f "$part"' EXIT
status=0
# A file that differs is shown by its begin alone.
short() { LC_ALL=C.UTF-8 sed -E 's/^(.{400}).+/\1 …/' "$1"; }
{
    cat tests/truth/report-head.md
    for base in debian busybox; do
        "$truth" --report "$part" --base "$base=$bases/$base" tests/truth/cases/both "tests/truth/cases/$base" || status=$?
        echo
        short "$part"
    done
    if [ -n "$corpus" ]; then
        printf '\n## RUN steps of public repositories\n\n'
        printf 'Steps that fetch nothing, with made-up files for what they COPY. The files are no part of the project.\n\n'
        "$truth" --skip-refused --summary --report "$part" --base "debian=$bases/debian" --base "busybox=$bases/busybox" "$corpus" || status=$?
        short "$part"
    fi
} >docs/wasi-truth.md.part
mv docs/wasi-truth.md.part docs/wasi-truth.md
exit $status
