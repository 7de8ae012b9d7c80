#!/bin/sh
# What an image adds to Debian's files: wheels, our code, and the bytecode of both and of Python's own library.
# Same inputs, same bytes: nothing is resolved or compiled here, and no time, path or random number stays behind.
#
#   tree.sh wheels LOCK OUT             the wheels of a lock file, by their hashes
#   tree.sh code SOURCE OUT PACKAGE...  packages of a checkout
#   tree.sh library FOLDER              bytecode of a library that is there; what installs or draws windows goes
#   tree.sh debian [ROOT]               what installs Debian's packages goes; the list of them stays, for scanners
#
# PYTHON is the one that they are for, SOURCE_DATE_EPOCH the time that all files get, STRIP binutils' program.
set -eu

export PYTHONHASHSEED=0 SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"
python="${PYTHON:-python3}"

# Not compared with its source when it is loaded, since nobody can write either of them where this runs. One process
# compiles all in one order: what it has seen before decides how it writes what comes next.
bytecode() {
  find "$1" -type d -name __pycache__ -prune -exec rm -rf {} +
  "$python" -m compileall -q -j 1 --invalidation-mode unchecked-hash -s "$1" -p "$2" "$1"
}

# The time of everything, and what others may do with it, whatever the builder's umask is.
finish() {
  chmod -R u=rwX,go=rX "$1"
  find "$1" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}

wheels() {
  lock=$1 out=$2
  "$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile --root-user-action ignore \
    --only-binary :all: --no-deps --require-hashes --requirement "$lock" --target "$out"
  # Their programs name the Python that installed them, and the lists of files name what goes here.
  rm -rf "${out:?}/bin"
  find "$out" -type d -name tests -prune -exec rm -rf {} +
  find "$out" -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name RECORD \) -delete
  # A third of the wheels is what only a debugger reads. Libraries that a wheel brings along (*.libs) were moved about
  # in when it was made, and could not be loaded any more.
  [ -z "${STRIP:-}" ] || find "$out" -type f -name '*.so*' ! -path '*.libs/*' -exec "$STRIP" --strip-unneeded {} +
  bytecode "$out" /opt/delinkcious/wheels
  finish "$out"
}

code() {
  from=$1 out=$2
  shift 2
  for package in "$@"; do
    mkdir -p "$out/$package"
    cp -R "$from/$package/." "$out/$package"
  done
  # A package inside of another one (mesh.canary) needs the file that makes the outer one a package.
  find "$out" -mindepth 1 -maxdepth 1 -type d | while read -r outer; do
    cp "$from/${outer#"$out"/}/__init__.py" "$outer/__init__.py"
  done
  bytecode "$out" /opt/delinkcious/code
  finish "$out"
}

library() {
  rm -rf "$1"/ensurepip "$1"/idlelib "$1"/tkinter "$1"/turtledemo "$1"/test "$1"/site-packages "$1"/config-*
  bytecode "$1" "$1"
  finish "$1"
}

# No package is installed here any more: neither apt nor Perl, in which packages' scripts are written, has a use.
debian() {
  root=${1:-}
  rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/info "$root"/usr/share/perl* \
    "$root"/usr/lib/*/perl-base "$root"/usr/lib/apt "$root"/usr/lib/*/libapt-* "$root"/var/cache/* \
    "$root"/var/lib/apt "$root"/var/log/* "$root"/usr/bin/perl* "$root"/usr/bin/apt* "$root"/usr/local/bin/pip* \
    "$root"/usr/local/bin/idle* "$root"/usr/local/bin/pydoc* "$root"/usr/local/include
}

what=$1
shift
"$what" "$@"
