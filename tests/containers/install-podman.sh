#!/bin/sh
# What the tests of containers need of the system: podman with what it runs containers with, and
# debootstrap for the base images. Debian and its kin.
set -eu

packages="podman runc catatonit netavark aardvark-dns iptables iproute2 debootstrap"
# shellcheck disable=SC2086 # one word a package
dpkg --status $packages >/dev/null 2>&1 && exit 0

echo "installing: $packages"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
