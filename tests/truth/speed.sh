#!/usr/bin/env bash
# Writes docs/wasi-speed.md: a small step under each runner, in one run on one machine.
# usage: speed.sh PROGRAM BASES     (make bench-wasi)
set -euo pipefail
cd "$(dirname "$0")/../.."
truth=$1 bases=$2
{
    cat tests/truth/speed-head.md
    "$truth" --speed --base "debian=$bases/debian" --base "busybox=$bases/busybox"
} >docs/wasi-speed.md.part
mv docs/wasi-speed.md.part docs/wasi-speed.md
cat docs/wasi-speed.md
