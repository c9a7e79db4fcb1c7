# lib.sh: what the emulators need that no Go module has; sourced after need.sh.
cache=${OLMOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/olmoe-operator}/emulate

# not_run REASON: end; 77 is the exit status for that in hack/test.sh.
not_run() { echo "emulated tests did NOT run: $*" >&2; exit 77; }

# tools PACKAGE...: install them where that is possible.
tools() { dpkg -s "$@" >/dev/null 2>&1 || need "one of $*" "$@" || not_run "no $*"; }

# unpacked PACKAGE: a folder with the files of a Debian package that is not installed: kernel and boot
# loader of an emulated machine are none of this machine's.
unpacked() {
  local dir=$cache/$1
  if [ ! -e "$dir" ]; then
    rm -rf "$dir.new"; mkdir -p "$dir.new"
    (cd "$dir.new" && apt-get -qq -o APT::Sandbox::User=root download "$1" && dpkg-deb --fsys-tarfile ./*.deb | tar -x --exclude=./lib) >&2 ||
      not_run "no Debian package $1"
    rm "$dir.new"/*.deb; mv "$dir.new" "$dir"
  fi
  echo "$dir"
}

# kernel_image: the kernel for clouds: packed with LZ4 it unpacks soon, and it has a serial console.
kernel_image() {
  unpacked "$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)"
}
