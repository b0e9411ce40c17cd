#!/usr/bin/env bash
# Makes the base busybox-full: BusyBox 1.37 with every tool of its default configuration (adduser, unzip,
# ash's bash features …), which Debian's busybox-static is short of. The source is Debian's source
# package, had by name from the mirror that apt has here; where it cannot be had, a line says so.
# usage: busybox.sh LAYOUT
set -euo pipefail
cd "$(dirname "$0")/.."
layout=$1 suite=trixie version=1.37
skip() { echo "setup: no base busybox-full: $1"; exit 0; }
for program in gcc make bzip2 apt-get; do command -v $program >/dev/null || skip "no $program"; done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | head -1 || true)
[ -n "$mirror" ] || skip "apt has no mirror of Debian"
# Lists of its own: the machine's sources stay as they are.
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources.list"
mkdir -p "$work"/{lists,cache,source,root}
own=(-qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/nonexistent
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
apt-get "${own[@]}" update || skip "the mirror has no list of $suite's sources"
(cd "$work/source" && apt-get "${own[@]}" source --download-only busybox) || skip "the source is not to be had"
tar -xf "$work"/source/busybox_"$version".*.orig.tar.bz2 -C "$work/source" || skip "$suite's is not $version"
(
    cd "$work/source"/busybox-"$version".*
    make -s defconfig
    # tc does not build with newer headers of the kernel.
    sed -i 's/.*CONFIG_STATIC[ =].*/CONFIG_STATIC=y/; s/^CONFIG_TC=y/# CONFIG_TC is not set/' .config
    yes '' 2>/dev/null | make -s oldconfig || true
    make -s -j"$(nproc)"
) >"$work/log" 2>&1 || { tail -3 "$work/log"; skip "its source does not build here"; }
root=$work/root
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,home,root,tmp,var/spool/mail,var/www}
cp "$work/source"/busybox-"$version".*/busybox "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list-full); do
    [ -e "$root/$applet" ] || ln -s /bin/busybox "$root/$applet"
done
# The users of Docker's busybox image.
while read -r name uid gid home shell; do
    echo "$name:x:$uid:$gid:$name:$home:$shell" >>"$root/etc/passwd"
    echo "$name:*:10933:0:99999:7:::" >>"$root/etc/shadow"
done <<'E2'
root 0 0 /root /bin/sh
daemon 1 1 /usr/sbin /bin/false
bin 2 2 /bin /bin/false
sys 3 3 /dev /bin/false
sync 4 100 /bin /bin/sync
mail 8 8 /var/spool/mail /bin/false
www-data 33 33 /var/www /bin/false
operator 37 37 /var /bin/false
nobody 65534 65534 /home /bin/false
E2
for group in root:0 daemon:1 bin:2 sys:3 adm:4 tty:5 disk:6 lp:7 mail:8 wheel:10 video:28 audio:29 \
    www-data:33 operator:37 utmp:43 staff:50 netdev:82 users:100 nobody:65534; do
    echo "${group%:*}:x:${group#*:}:" >>"$root/etc/group"
done
chmod 600 "$root/etc/shadow"
chmod 1777 "$root/tmp"
chmod 700 "$root/root"
tar -C "$root" --sort=name --mtime=@1700000000 --owner=0 --group=0 --numeric-owner -cf "$work/base.tar" .
rm -rf "$layout.part"
python3 tests/oci_layout.py "$work/base.tar" "$layout.part" latest
rm -rf "$layout"
mv "$layout.part" "$layout"
