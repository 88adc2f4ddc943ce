#!/bin/sh
# Install Go and golang.org/x/mod from Debian's packages where they are missing and that is possible; otherwise say
# loudly that they are left out, and succeed.
set -eu

missing=
command -v go >/dev/null || missing="golang-go"
[ -e /usr/share/gocode/src/golang.org/x/mod/sumdb/note/note.go ] || missing="$missing golang-golang-x-mod-dev"
[ -n "$missing" ] || exit 0

echo "Installing from Debian's packages: $missing"
# shellcheck disable=SC2086
if ! reason=$("$(dirname "$0")/apt_install.sh" $missing 2>&1); then
    echo "=============================================================================="
    echo "LEFT OUT: $missing"
    echo "  $reason"
    echo "  The tests go on without; what needs them is skipped, and the summary says so."
    echo "=============================================================================="
fi
