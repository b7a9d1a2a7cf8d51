# A Python kernel behind w2z. Build w2z.Dockerfile first: docs/containers.md.
ARG BASE=python:3.11-slim
ARG W2Z=w2z
FROM ${W2Z} AS w2z

FROM ${BASE}
LABEL org.opencontainers.image.title="w2z-python" \
      org.opencontainers.image.description="ipykernel as one authenticated websocket" \
      org.opencontainers.image.licenses="BSD-3-Clause"
RUN pip install --no-cache-dir ipykernel

# Group 0 may write what the user may: platforms that choose the user keep that group.
RUN useradd --uid 1000 --gid 0 --create-home kernel && chmod g=u /home/kernel
ENV HOME=/home/kernel
WORKDIR /home/kernel
USER 1000:0

COPY --from=w2z /opt/w2z /opt/w2z
ENV W2Z_TOKEN_FILE=/run/secrets/w2z_token
EXPOSE 8888
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
    CMD ["/opt/w2z/bin/w2z", "wait", "--timeout", "3"]
ENTRYPOINT ["/opt/w2z/bin/w2z", "--", "python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
