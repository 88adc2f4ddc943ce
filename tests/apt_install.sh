#!/bin/sh
# Install the named Debian packages, quietly, without upgrading what is there. Fails, with the reason on standard
# error, where that is not possible.
set -eu

if ! command -v apt-get >/dev/null; then
    echo "there is no apt-get here" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    root=
elif sudo -n true 2>/dev/null; then
    root='sudo -n'
else
    echo "this takes root, or sudo without a password" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
$root apt-get -qq update >"$log" 2>&1 || true
for package; do
    if ! apt-cache show "$package" >/dev/null 2>&1; then
        echo "the package sources here have no $package" >&2
        exit 1
    fi
done
if ! $root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
    apt-get -qq -y install --no-install-recommends --no-upgrade "$@" >>"$log" 2>&1 </dev/null; then
    tail -n 5 "$log" >&2
    exit 1
fi
