# Stands in for the public nginx image, as far as containers/compose uses it: at its start the
# variables in /etc/nginx/templates are filled in.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gettext-base nginx-light \
 && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/default
COPY <<'SCRIPT' /start.sh
set -eu
named=$(env | sed 's/=.*//; s/.*/${&}/' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
    envsubst "$named" <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
done
exec nginx -g 'daemon off; error_log /dev/stderr;'
SCRIPT
ENTRYPOINT ["sh", "/start.sh"]
