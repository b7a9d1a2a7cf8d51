# Fill in the variables of the environment in the templates, and no others, as the public image does.
set -eu
named=$(env | sed 's/=.*//; s/.*/${&}/' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
    envsubst "$named" <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
done
exec nginx -g 'daemon off; error_log /dev/stderr;'
