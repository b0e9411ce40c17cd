#!/usr/bin/env bash
# Writes docs/wasi-speed.md: a small step and larger works under each runner, in one run on one machine.
# usage: speed.sh PROGRAM BASES     (make bench-wasi)
set -euo pipefail
cd "$(dirname "$0")/../.."
truth=$1 bases=$2
{
    cat tests/truth/speed-head.md
    both=(--base "debian=$bases/debian" --base "busybox=$bases/busybox")
    "$truth" --speed "${both[@]}"
    if command -v buildkitd >/dev/null; then
        echo "BuildKit's worker is on this machine, but is not measured: nothing here drives it."
    else
        echo "BuildKit's worker is not measured: it is not available on this machine (no \`buildkitd\`)."
    fi
    echo "It starts runc for each step, so that what runc takes is a part of what it takes."
    echo
    cat tests/truth/works-head.md
    "$truth" --works "${both[@]}"
    echo "Load of the machine when this ended (1, 5, 15 minutes): $(cut -d' ' -f1-3 /proc/loadavg)."
} >docs/wasi-speed.md.part
mv docs/wasi-speed.md.part docs/wasi-speed.md
cat docs/wasi-speed.md
