# need.sh: programs that do not come from the Go module proxy; sourced.

# need COMMAND PACKAGE...: install Debian packages if COMMAND is missing. Fails, saying what to do,
# where that is not possible.
need() {
  local command=$1; shift
  ! command -v "$command" >/dev/null || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: $command is missing; install it (Debian: $*)" >&2
    return 1
  fi
  echo "installing with apt-get: $*" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null   # lists may be missing or old
}
