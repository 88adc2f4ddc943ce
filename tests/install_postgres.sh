#!/bin/sh
# Install PostgreSQL 15, pgaudit and plpgsql_check from Debian's packages where they are missing and that is possible;
# otherwise say loudly that they are left out, and succeed. No cluster is created, and none that exists is touched.
set -eu

here=$(dirname "$0")
installed=/usr/lib/postgresql/15
missing=
[ -x $installed/bin/postgres ] || missing="postgresql-15"
[ -e $installed/lib/pgaudit.so ] || missing="$missing postgresql-15-pgaudit"
[ -e $installed/lib/plpgsql_check.so ] || missing="$missing postgresql-15-plpgsql-check"
[ -n "$missing" ] || exit 0

left_out() {
    echo "=============================================================================="
    echo "LEFT OUT:$missing"
    echo "  $1"
    echo "  The tests go on without; what needs them is skipped, and the summary says so."
    echo "=============================================================================="
    exit 0
}

root=
[ "$(id -u)" -eq 0 ] || root='sudo -n'
conf=/etc/postgresql-common/createcluster.conf

echo "Installing from Debian's packages:$missing"
# It comes first, for its configuration decides whether a new server gets a cluster, running at once.
reason=$("$here/apt_install.sh" postgresql-common 2>&1) || left_out "$reason"
before=$(mktemp)
cp "$conf" "$before"
trap '$root cp "$before" "$conf"; rm -f "$before"' EXIT
echo 'create_main_cluster = false' | $root tee -a "$conf" >/dev/null
# shellcheck disable=SC2086
reason=$("$here/apt_install.sh" $missing 2>&1) || left_out "$reason"
