#!/bin/sh
# Traefik with the routes of traefik.yaml. The idle timeout is that between two requests; websockets
# have none here.
set -eu
exec traefik \
    --entrypoints.https.address="$ADDRESS:$PORT" \
    --entrypoints.https.transport.respondingtimeouts.idletimeout="$IDLE_TIMEOUT" \
    --providers.file.filename="$(dirname "$0")/traefik.yaml" \
    --global.checknewversion=false --global.sendanonymoususage=false "$@"
