#!/usr/bin/env bash
# The emulated runner's integration tests in the places that it is made for:
#   restricted   a container as PodSecurity `restricted` has it, under containerd's seccomp profile
#   crio         the same under CRI-O's, with a uid of OpenShift's and gid 0
#   plain        no container: a user without groups, capabilities or new privileges
# Prints the closing lines of each, and what was skipped; the logs stay in target/restricted.
# What only root can make lies ready: results to compare with, a network with the addresses of clouds'
# metadata services, small file systems, a service account's token.
# usage: restricted.sh HARNESS     HARNESS has mkimages.sh, restricted-run.sh and plain-nonroot.sh; needs root
set -euo pipefail
harness=$(realpath -m "$1")
cd "$(dirname "$0")/.."
if [ ! -x "$harness/restricted-run.sh" ]; then
    echo "skipped: no harness of restricted pods at $harness: make test-restricted HARNESS=DIR"
    exit
fi
if [ "$(id -u)" != 0 ]; then
    echo "skipped: only root can make restricted pods"
    exit
fi
# What is mounted here is gone with this script.
if [ -z "${KILN_RESTRICTED:-}" ]; then
    KILN_RESTRICTED=1 exec unshare --mount bash tests/restricted.sh "$harness"
fi
"$harness/mkimages.sh" >/dev/null

program=$(${CARGO:-cargo} test --package kiln-runner-emulated --test it --no-run 2>&1 |
    sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
[ -n "$program" ] || { echo "the tests do not compile"; exit 1; }
logs=target/restricted
mkdir -p "$logs"
scratch=$(mktemp -d)
trap 'umount --quiet --lazy "$scratch"/{over,below,small}; rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mkdir "$scratch/truth" "$scratch/token"
cp "$program" "$scratch/it"
echo CANARY-service-account >"$scratch/token/token"
chmod 644 "$scratch/token/token"
# Small ones, for what happens where there is no room: in memory, and an overlay of that.
mkdir "$scratch/small" "$scratch/below" "$scratch/over"
mount -t tmpfs -o size=128m,mode=1777 none "$scratch/small"
mount -t tmpfs -o size=128m none "$scratch/below"
mkdir "$scratch"/below/{upper,work,lower}
chmod 1777 "$scratch/below/upper"
mount -t overlay -o "lowerdir=$scratch/below/lower,upperdir=$scratch/below/upper,workdir=$scratch/below/work" \
    none "$scratch/over"

# With the addresses of metadata services, and with ports below 1024 for everybody: those have port 80.
with_metadata() {
    unshare --net bash -ec 'ip link set lo up
        ip address add 169.254.169.254/32 dev lo
        ip -6 address add fd00:ec2::254/128 dev lo nodad
        echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
        "$@"' bash "$@"
}

# Of this machine's /usr the tests make their images. OPTION...: of restricted-run.sh
in_container() {
    local options=() file
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    for file in /etc/alternatives /etc/login.defs /etc/default/useradd; do
        [ ! -e $file ] || options+=(--bind "$file:$file:ro")
    done
    "$harness/restricted-run.sh" "${options[@]}" --workspace "$scratch/workspace" --tmp \
        --bind /usr:/usr:ro --bind "$scratch/it:/it:ro" --bind "$scratch/truth:/truth:ro" \
        --bind "$scratch/token:/run/secrets/kubernetes.io/serviceaccount:ro" \
        --bind "$scratch/small:/mnt:rw" --bind "$scratch/over:/opt:rw" \
        --env TMPDIR=/workspace --env KILN_TRUTH=/truth --env KILN_SMALL=/mnt:/opt -- "${@:2}"
}

in_crio() { in_container --seccomp crio --uid 1000680000 --gid 0 "$@"; }

in_plain() {
    (cd / && TMPDIR="$scratch/workspace" KILN_TRUTH="$scratch/truth" KILN_SMALL="$scratch/small:$scratch/over" \
        "$harness/plain-nonroot.sh" "$@")
}

# For the shell that `unshare` starts.
export harness scratch
export -f in_container in_crio in_plain

failed=0
run() { # PLACE PROGRAM FUNCTION
    local place=$1 program=$2 function=$3 log=$logs/$1.log
    rm -rf "$scratch/workspace"
    mkdir -m 777 "$scratch/workspace"
    { "$function" -- "$program" --nocapture --skip metadata:: &&
        with_metadata "$function" -- "$program" --nocapture metadata::; } >"$log" 2>&1 ||
        { failed=1; echo "$place: failed, see $log"; grep -E '^test .* FAILED$' "$log" || tail "$log"; }
    sed -n "s/^skipped: /$place: &/p; s/^test result: /$place: /p" "$log"
}

KILN_TRUTH=$scratch/truth "$scratch/it" differential:: sysv:: >"$logs/truth.log" 2>&1 ||
    { cat "$logs/truth.log"; exit 1; }
run restricted /it in_container
run crio /it in_crio
run plain "$scratch/it" in_plain
exit $failed
