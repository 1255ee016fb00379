#!/bin/sh
# Prepares a machine for one of the Makefile's commands: installs the system packages of the group
# when root or sudo is there, otherwise says in one line what to install; then decides which RocksDB
# the build links. Safe to run any number of times; does nothing when everything is there.
#
#   sh setup/setup.sh run|test|conformance|bench
set -eu

cd "$(dirname "$0")/.."
group=${1:-run}
case $group in
  run) groups="run" ;;
  test) groups="run test" ;;
  bench) groups="run test kafka" ;;
  conformance) groups="run test kafka conformance" ;;
  *) echo "setup: unknown group '$group': expected run, test, conformance or bench" >&2; exit 2 ;;
esac

say() { echo "setup: $*" >&2; }
stop() { say "$*"; exit 1; }

# --- the toolchain -------------------------------------------------------------------------------
command -v cargo >/dev/null 2>&1 || stop "cargo not found: install Rust 1.95 or newer from https://rustup.rs"
command -v cc >/dev/null 2>&1 || stop "no C compiler found: install gcc and g++ (Debian: apt-get install build-essential)"
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(rustc --version | cut -d' ' -f2)
oldest=$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || stop "Rust $wanted or newer is needed, found $found: run 'rustup update stable'"
if [ "$group" != run ]; then
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
    stop "rustfmt and clippy are needed: run 'rustup component add rustfmt clippy'"
fi

# --- system packages -----------------------------------------------------------------------------
library_dir=""
for dir in "/usr/lib/$(cc -print-multiarch 2>/dev/null || true)" /usr/lib64 /usr/lib /usr/local/lib; do
  if [ -e "$dir/librocksdb.so" ]; then library_dir=$dir; break; fi
done

# The C interface that bindgen loads. libclang-cpp is another library, often there without this one.
have_libclang() {
  {
    ldconfig -p 2>/dev/null
    ls /usr/lib/llvm-*/lib/ /usr/lib64/ 2>/dev/null
  } | grep -Eq 'libclang(-[0-9.]+)?\.so'
}

# One test per package that also holds on other distributions; for the rest dpkg knows.
is_there() {
  case $1 in
    libclang-dev) have_libclang ;;
    librocksdb-dev) [ -n "$library_dir" ] ;;
    iproute2) command -v ip >/dev/null 2>&1 ;;
    kcat|make|npm) command -v "$1" >/dev/null 2>&1 ;;
    maven) command -v mvn >/dev/null 2>&1 ;;
    nodejs) command -v node >/dev/null 2>&1 ;;
    golang-go) command -v go >/dev/null 2>&1 ;;
    python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
    default-jdk-headless) command -v javac >/dev/null 2>&1 ;;
    default-jre-headless) command -v java >/dev/null 2>&1 ;;
    *) dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' ;;
  esac
}

missing_of() {
  # $1: "required" or "optional"; prints the packages of the groups that are absent.
  for name in $groups; do
    while read -r of package _version kind; do
      [ "$of" = "$name" ] || continue
      [ "${kind:-required}" = "$1" ] || continue
      is_there "$package" || printf '%s ' "$package"
    done < setup/apt-packages.txt
  done
}

required=$(missing_of required)
optional=$(missing_of optional)
if [ -n "$required$optional" ]; then
  as_root=none
  if [ "$(id -u)" = 0 ]; then
    as_root=""
  elif command -v sudo >/dev/null 2>&1; then
    if sudo -n true 2>/dev/null; then as_root="sudo -n"; elif [ -t 0 ]; then as_root="sudo"; fi
  fi
  if command -v apt-get >/dev/null 2>&1 && [ "$as_root" != none ]; then
    say "installing $required$optional"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get update -qq >/dev/null || say "apt-get update failed, trying with the lists that are there"
    # shellcheck disable=SC2086
    if [ -n "$required" ]; then
      $as_root apt-get install -y -qq --no-install-recommends $required >/dev/null ||
        stop "could not install: $required"
    fi
    # shellcheck disable=SC2086
    if [ -n "$optional" ]; then
      $as_root apt-get install -y -qq --no-install-recommends $optional >/dev/null ||
        say "could not install $optional(slower fallback follows)"
    fi
  elif [ -n "$required" ]; then
    stop "please install these packages, then run the same command again: apt-get install $required$optional"
  fi
  for dir in "/usr/lib/$(cc -print-multiarch 2>/dev/null || true)" /usr/lib64 /usr/lib; do
    if [ -z "$library_dir" ] && [ -e "$dir/librocksdb.so" ]; then library_dir=$dir; fi
  done
fi

# --- which RocksDB -------------------------------------------------------------------------------
# The rocksdb crate 0.20.1 compiles against the C API of 7.8 to 8.x.
include_dir=/usr/include
[ "$library_dir" = /usr/local/lib ] && include_dir=/usr/local/include
version_header=$include_dir/rocksdb/version.h
major=0
if [ -n "$library_dir" ] && [ -r "$version_header" ]; then
  major=$(sed -n 's/^#define ROCKSDB_MAJOR \([0-9]*\).*/\1/p' "$version_header")
fi

write_local() {
  if [ ! -f .cargo/local.toml ] || [ "$(cat .cargo/local.toml)" != "$1" ]; then
    printf '%s\n' "$1" > .cargo/local.toml
  fi
}

if [ "$major" = 7 ] || [ "$major" = 8 ]; then
  if grep -q "^ROCKSDB_LIB_DIR = \"$library_dir\"" .cargo/rocksdb-system.toml; then
    rm -f .cargo/local.toml
  else
    write_local "# Written by setup/setup.sh: the distribution's RocksDB is in another folder here.
[env]
ROCKSDB_LIB_DIR = \"$library_dir\"
ROCKSDB_INCLUDE_DIR = \"$include_dir\""
  fi
else
  say "no librocksdb 7 or 8 found: RocksDB is built from the bundled source (10 to 15 minutes on two cores, once)"
  # GCC 13 and newer no longer include <cstdint> by accident, and this RocksDB relied on it.
  write_local "# Written by setup/setup.sh: no usable RocksDB is installed here, so the bundled source is built.
[env]
ROCKSDB_COMPILE = \"1\"
ROCKSDB_INCLUDE_DIR = \"rocksdb/include\"
CXXFLAGS = \"-include cstdint\""
fi
