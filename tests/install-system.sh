#!/bin/sh
# What the tests need of the system: Python with venv, Node.js with npm, R as a kernel, and
# Chromium. Debian and its kin.
set -eu

missing=
python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
Rscript -e 'library(IRkernel)' >/dev/null 2>&1 || missing="$missing r-base-core r-cran-irkernel"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
