# The plain way in an image that has Python 3.11 or later: w2z beside the kernel, from pip.
ARG BASE=python:3.11-slim
FROM ${BASE}
LABEL org.opencontainers.image.title="w2z-pip" \
      org.opencontainers.image.description="ipykernel as one authenticated websocket" \
      org.opencontainers.image.licenses="BSD-3-Clause"
RUN pip install --no-cache-dir ipykernel
COPY . /tmp/w2z
RUN pip install --no-cache-dir /tmp/w2z && rm -rf /tmp/w2z

RUN useradd --uid 1000 --gid 0 --create-home kernel && chmod g=u /home/kernel
ENV HOME=/home/kernel
WORKDIR /home/kernel
USER 1000:0

ENV W2Z_TOKEN_FILE=/run/secrets/w2z_token
EXPOSE 8888
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
    CMD ["python", "-I", "-m", "w2z", "wait", "--timeout", "3"]
# -I: nothing of the home of the user who runs code, nor of the working directory, gets into w2z.
ENTRYPOINT ["python", "-I", "-m", "w2z", "--kernel", "python3"]
