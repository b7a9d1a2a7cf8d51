#!/bin/sh
# configurable-http-proxy, TLS ended here. It begins without routes, whoever starts the kernels adds
# them: POST http://API_ADDRESS:API_PORT/api/routes/k1 with {"target": "http://KERNEL_1"}.
# Who may: CONFIGPROXY_AUTH_TOKEN in the environment. Keep the API off the public network.
# The path and Host are passed on as they are; websockets have no idle timeout here.
set -eu
: "${CONFIGPROXY_AUTH_TOKEN:?is not set: anybody could change the routes}"
exec configurable-http-proxy \
    --ip "$ADDRESS" --port "$PORT" --ssl-cert "$CERTIFICATE" --ssl-key "$KEY" \
    --api-ip "$API_ADDRESS" --api-port "$API_PORT" "$@"
