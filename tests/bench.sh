#!/usr/bin/env bash
# Measures kiln on this machine: wall time, CPU time and peak memory of whole builds, each runner beside
# the others. Figures of one run are to be compared with each other, not with another machine's.
# usage: bench.sh [RUNS]     (make bench)
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
kiln=$PWD/target/release/kiln
bases=$PWD/target/bases
tmp=$(mktemp -d "${TMPDIR:-/tmp}/kiln-bench.XXXXXX")
trap 'rm -rf "$tmp"; kill "${registry:-}" 2>/dev/null || true' EXIT
for program in docker-registry skopeo /usr/bin/time; do
    command -v "$program" >/dev/null || { echo "skipped: $program is not installed; tests/setup.sh installs it"; exit 0; }
done
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$tmp" "$port" >"$tmp/registry.yml"
docker-registry serve "$tmp/registry.yml" >/dev/null 2>&1 &
registry=$!
for _ in $(seq 100); do skopeo list-tags --tls-verify=false "docker://127.0.0.1:$port/x" 2>&1 | grep -q refused || break; sleep 0.1; done
skopeo copy -q --dest-tls-verify=false "oci:$bases/debian:bookworm" "docker://127.0.0.1:$port/debian:12"

measure() { # NAME PREPARE BUILD...
    local name=$1 prepare=$2
    shift 2
    for _ in $(seq "$runs"); do
        eval "$prepare"
        /usr/bin/time -f '%e %U %S %M' -a -o "$tmp/times" "$@" >/dev/null 2>"$tmp/log" || { cat "$tmp/log"; exit 1; }
    done
    sort -n "$tmp/times" | awk -v name="$name" '{ w[NR] = $1; c[NR] = $2 + $3; if ($4 > m) m = $4 }
        END { n = int((NR + 1) / 2); printf "%-44s %7.2f s %7.2f s %7.1f MiB\n", name, w[n], c[n], m / 1024 }'
    rm "$tmp/times"
}

steps() { # FILE BASE
    { echo "FROM $2"; for i in $(seq 20); do echo "RUN mkdir -p /opt/d$i && chown daemon:daemon /opt/d$i && echo $i > /opt/d$i/f"; done; } >"$1"
}
mkdir "$tmp/ctx" "$tmp/files" "$tmp/big"
steps "$tmp/ctx/Dockerfile" "127.0.0.1:$port/debian:12"
printf 'FROM scratch\nCOPY . /\n' | tee "$tmp/files/Dockerfile" >"$tmp/big/Dockerfile"
python3 - "$tmp" <<'EOF'
import os, sys
for number in range(10000):
    directory = f"{sys.argv[1]}/files/{number // 100}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{number}", "wb") as file:
        file.write(os.urandom(512).hex().encode())
with open(f"{sys.argv[1]}/big/file", "wb") as file:
    for _ in range(500):
        file.write(os.urandom(1 << 20))
EOF
build() { echo "$kiln build $tmp/$1 --work-dir $tmp/work --progress quiet -t 127.0.0.1:$port/out:$1 --push"; }
printf '%-44s %9s %9s %11s\n' "work (median of $runs)" wall CPU "peak RSS"
for runner in wasi namespaces; do
    measure "nothing cached, pull, 20 steps, push: $runner" 'rm -rf "$tmp/work"' $(build ctx) --runner $runner
    measure "base in the store, 20 steps, push: $runner" ':' $(build ctx) --runner $runner --no-cache
done
measure "fully cached, push" ':' $(build ctx)
measure "COPY of 10,000 files of 1 KiB, push" 'rm -rf "$tmp/work"' $(build files)
measure "one random file of 500 MB, push" 'rm -rf "$tmp/work"' $(build big)
measure "start (kiln --version)" ':' "$kiln" --version
ls -l "$kiln" | awk '{ printf "the binary: %.1f MiB\n", $5 / 1048576 }'
for peer in buildctl buildah; do command -v $peer >/dev/null || echo "skipped: $peer is not installed, no peer to compare with"; done
