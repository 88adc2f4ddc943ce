#!/bin/sh
# Make a virtual environment in the folder $1, with a Python that is new enough and a pip that knows dependency groups.
set -eu

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

if ! { [ -x "$1/bin/python" ] && "$1/bin/python" -c "$new_enough"; }; then
    python=
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c "$new_enough" 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "rlsguard needs Python 3.11 or later; python3 here is: $(python3 --version 2>&1 || true)" >&2
        exit 1
    fi
    # Debian ships the venv module apart.
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        "$(dirname "$0")/apt_install.sh" "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" || {
            echo "$python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
            exit 1
        }
    fi
    "$python" -m venv --clear "$1"
fi
"$1/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
