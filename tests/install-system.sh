#!/bin/sh
# What the tests need of the system: Python with venv, Node.js with npm, R as a kernel, Chromium,
# nginx and HAProxy, and OpenSSL to make certificates for them. Debian and its kin.
set -eu

# Where servers are, which is not in everybody's PATH.
PATH=$PATH:/usr/sbin
missing=
python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
Rscript -e 'library(IRkernel)' >/dev/null 2>&1 || missing="$missing r-base-core r-cran-irkernel"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
servers=
for server in nginx haproxy; do
    command -v "$server" >/dev/null 2>&1 || servers="$servers $server"
done
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
missing="$missing$servers"
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

# Servers would be started as soon as they are installed, unless this file says no; the tests start
# their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

$as_root apt-get update -qq
# shellcheck disable=SC2086 # one word a package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing

# Not at the next boot either.
for server in $servers; do
    $as_root update-rc.d "$server" disable
done
