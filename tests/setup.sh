#!/usr/bin/env bash
# Installs what the tests need and makes the base images they build from, once, under target/bases:
#   debian/  OCI layout (tag bookworm), Debian 12 minbase by mmdebstrap
#   busybox/ OCI layout (tag latest), Debian's busybox-static
#   busybox-full/ OCI layout (tag latest), BusyBox 1.37 with all its tools, see busybox.sh
#   tools/   OCI layout (tag latest), Debian 12 with compilers, git, Python, Node and Rust
#   apt/     a flat repository of packages whose maintainer scripts change users, owners and modes
# Needs root for apt-get; without it, missing programs make their tests skip with a printed line.
set -euo pipefail
cd "$(dirname "$0")/.."
bases=${KILN_TEST_BASES:-$PWD/target/bases}
packages=(docker-registry skopeo umoci runc mmdebstrap busybox-static uidmap apache2-utils
    libcap2-bin attr time xz-utils zstd bzip2 dash git openssh-server openssh-client ca-certificates
    util-linux mawk adduser passwd diffutils unzip zip openssl dpkg-dev gcc libc6-dev make)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        echo "setup: not root, cannot install: ${missing[*]}"
    fi
fi
mkdir -p "$bases"
make_layout() { # TAR LAYOUT TAG [LEVEL]
    rm -rf "$2.part"
    python3 tests/oci_layout.py "$1" "$2.part" "$3" ${4:+"$4"}
    rm -rf "$2"
    mv "$2.part" "$2"
}
if [ ! -f "$bases/debian/index.json" ] && command -v mmdebstrap >/dev/null; then
    mmdebstrap --quiet --variant=minbase bookworm "$bases/debian.tar"
    tar --delete -f "$bases/debian.tar" ./dev
    make_layout "$bases/debian.tar" "$bases/debian" bookworm
    rm "$bases/debian.tar"
fi
if [ ! -f "$bases/busybox/index.json" ] && [ -x /bin/busybox ]; then
    root=$(mktemp -d)
    chmod 755 "$root"
    mkdir -p "$root"/{bin,etc,root,tmp,usr/bin}
    cp /bin/busybox "$root/bin/busybox"
    for applet in $(/bin/busybox --list); do
        [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\ndaemon:x:1:\n' >"$root/etc/group"
    chmod 1777 "$root/tmp"
    tar -C "$root" --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -cf "$bases/busybox.tar" .
    rm -rf "$root"
    make_layout "$bases/busybox.tar" "$bases/busybox" latest
    rm "$bases/busybox.tar"
fi
[ -f "$bases/busybox-full/index.json" ] || bash tests/busybox.sh "$bases/busybox-full"
if [ ! -f "$bases/tools/index.json" ] && command -v mmdebstrap >/dev/null; then
    mmdebstrap --quiet --variant=minbase bookworm "$bases/tools.tar" \
        --include=gcc,libc6-dev,musl-tools,make,git,python3-pip,python3-venv,npm,cargo \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*'
    tar --delete -f "$bases/tools.tar" ./dev
    make_layout "$bases/tools.tar" "$bases/tools" latest 1
    rm "$bases/tools.tar"
fi
# `rsyslog` is among what was added last.
if ! grep -qs '^Package: rsyslog$' "$bases/apt/Packages" && command -v mmdebstrap >/dev/null && command -v dpkg-scanpackages >/dev/null; then
    rm -rf "$bases/apt.part"
    mkdir -p "$bases/apt.part"
    install='DEBIAN_FRONTEND=noninteractive chroot "$1" apt-get -qq install -y --download-only --no-install-recommends'
    mmdebstrap --quiet --variant=minbase --skip=cleanup/apt \
        --customize-hook="$install openssh-client cron dbus man-db exim4-daemon-light sudo gosu tini adduser libcap2-bin \
            openssh-server rsyslog nginx-light redis-server" \
        --customize-hook="sync-out /var/cache/apt/archives $bases/apt.part" bookworm /dev/null
    rm -rf "$bases/apt.part"/{lock,partial}
    (cd "$bases/apt.part" && dpkg-scanpackages --multiversion . >Packages 2>/dev/null)
    rm -rf "$bases/apt"
    mv "$bases/apt.part" "$bases/apt"
fi
