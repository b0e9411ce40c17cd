#!/usr/bin/env bash
# Writes docs/wasi-truth.md: the cases on the bases, and the counts over a random part of a corpus of
# Dockerfiles that is no part of the project. Without CORPUS the page keeps what it has of it.
# usage: report.sh PROGRAM BASES [CORPUS [STEPS [SEED]]]     (make truth)
set -euo pipefail
cd "$(dirname "$0")/../.."
truth=$1 bases=$2 corpus=${3:-} steps=${4:-700} seed=${5:-$(date +%Y%m%d)}
page=docs/wasi-truth.md heading='## RUN steps of public repositories'
part=$(mktemp)
trap 'rm -f "$part"' EXIT
status=0
# A file that differs is shown by its begin alone.
short() { LC_ALL=C.UTF-8 sed -E 's/^(.{400}).+/\1 …/' "$1"; }
present=()
for base in debian busybox busybox-full; do
    if [ -f "$bases/$base/index.json" ]; then present+=("$base"); else echo "skipped: no base $base" >&2; fi
done
{
    cat tests/truth/report-head.md
    printf '\nMeasured %s at %s.\n' "$(date -u +%F)" "$(git rev-parse --short HEAD)"
    for base in "${present[@]}"; do
        "$truth" --report "$part" --base "$base=$bases/$base" tests/truth/cases/both "tests/truth/cases/${base%-full}" || status=$?
        echo
        short "$part"
    done
    echo
    if [ -n "$corpus" ]; then
        printf '%s\n\n' "$heading"
        cat tests/truth/report-corpus.md
        printf '\nMeasured %s at %s: random files of %d, seed %s, until %s steps were taken.\n\n' "$(date -u +%F)" \
            "$(git rev-parse --short HEAD)" "$(find "$corpus" -type f | wc -l)" "$seed" "$steps"
        over=()
        for base in "${present[@]}"; do
            # Debian's short BusyBox tells nothing that the whole one does not.
            [ "$base" = busybox ] && [[ " ${present[*]} " = *" busybox-full "* ]] || over+=(--base "$base=$bases/$base")
        done
        "$truth" --corpus --sample "$steps" --seed "$seed" --summary --report "$part" "${over[@]}" "$corpus" || status=$?
        short "$part"
    else
        sed -n "/^$heading\$/,\$p" "$page"
    fi
} >"$page.part"
mv "$page.part" "$page"
exit $status
