#!/bin/sh
# Makes a stand-in for a public base image from Debian's and PyPI's packages, so that the
# Dockerfiles in containers/ build as they are where no registry can be reached.
#
#   stand-in.sh KIND IMAGE    KIND: bookworm, bullseye, python, busybox, deno
#
# Builds inside of a stand-in use this machine's package mirror and trust the certificates that
# this machine trusts. Images for others are built on the real base images, and have nothing of it.
set -eu

kind=$1 image=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

debian() {
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        grep -v -- '-security' | head -n 1)
    debootstrap --variant=minbase --merged-usr "$kind" "$folder" "$mirror" >"$folder.log" ||
        { cat "$folder.log"; exit 1; }
    rm "$folder.log"
    cd "$folder"
    # What the slim images leave out, too.
    rm -rf var/cache/apt/*.bin var/cache/apt/archives/*.deb var/lib/apt/lists/* var/log/*.log \
        usr/share/doc usr/share/man usr/share/info usr/share/locale
    # As they do: no package stays where it was downloaded to.
    echo 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };' \
        >etc/apt/apt.conf.d/docker-clean
    # Once for now, and once for the package ca-certificates, if it comes.
    mkdir -p etc/ssl/certs usr/local/share/ca-certificates
    cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
    cp -L /etc/ssl/certs/ca-certificates.crt usr/local/share/ca-certificates/this-machine.crt
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf etc/
    tar -c . | podman import --change 'CMD ["bash"]' - "$image" >/dev/null
}

from() {
    podman build --quiet --pull=never --network=host --tag "$image" --file - "$folder" >/dev/null
}

case $kind in
bookworm | bullseye) debian ;;
python)
    from <<'END'
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-pip \
 && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED \
 && ln -s /usr/bin/python3 /usr/local/bin/python
CMD ["python3"]
END
    ;;
busybox)
    chmod 755 "$folder"
    (cd "$folder" && apt-get -o APT::Sandbox::User=root download -qq busybox-static &&
        dpkg-deb -x ./*.deb .)
    from <<'END'
FROM scratch
COPY bin/busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
CMD ["sh"]
END
    ;;
deno)
    mkdir "$folder/wheel"
    python3 -m pip download --quiet --no-deps --dest "$folder" deno==2.9.8
    python3 -m zipfile -e "$folder"/deno-*.whl "$folder/wheel"
    find "$folder/wheel" -type f -name deno -exec cp {} "$folder/deno" ';'
    chmod 755 "$folder/deno"
    from <<'END'
FROM scratch
COPY deno /deno
ENTRYPOINT ["/deno"]
END
    ;;
*) echo "no such kind: $kind" >&2 && exit 2 ;;
esac
