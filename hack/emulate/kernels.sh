#!/usr/bin/env bash
# kernels.sh [TEST FLAG...]: run the tests of internal/kernels with AVX-512 VNNI: on this machine's CPU if
# it has that, otherwise on an emulated one (Ice Lake). There Bochs boots Debian's kernel, and that runs two
# programs: guest and the tests; without flags what concerns products, limits and the choice of kernels,
# since all else is AVX2 code that any machine tests. Exit status 77: it did not run, and says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. hack/need.sh
. hack/emulate/lib.sh
tests='Int8|MatMulEqualBits|AddProduct|VNNI|SameBits|LimitLoops|Choose|Name|Alloc'
limit=${EMULATE_LIMIT:-15m}            # a machine that hangs must not wait for ever
proof=TestInt8EqualBits/avx512-vnni    # unless this ran and passed, nothing is shown

# What the boot line works around:
# - 515, 321, 323 are PKU, XSAVEC and XSAVES: Bochs 2.7 tells sizes for them that do not fit together.
# - 580 is FSRM: with it and without ERMS, as Bochs has it, Linux 6.1 copies wrongly.
# - avx512bw=off keeps Go's garbage collector from vector code that Bochs does not run rightly: with it
#   programs fail that use no kernel of ours. Our kernels do not need AVX512BW.
boot="console=ttyS0,115200 quiet panic=-1 mitigations=off nokaslr clearcpuid=515,321,323,580 GODEBUG=cpu.avx512bw=off"

# programs ROOT FLAG...: what the emulated machine runs.
programs() {
  local root=$1; shift
  CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$root/init" ./hack/emulate/guest
  CGO_ENABLED=0 go test -trimpath -ldflags '-s -w' -c -o "$root/test" ./internal/kernels
  [ $# -gt 0 ] || set -- -test.run "$tests"
  echo "-test.v -test.short $*" >"$root/args"
}

# disc DIR: a CD that boots the kernel with DIR/root as its initial file system.
disc() {
  local dir=$1 iso=$1/iso kernel isolinux modules
  kernel=$(kernel_image)
  isolinux=$(unpacked isolinux)/usr/lib/ISOLINUX
  modules=$(unpacked syslinux-common)/usr/lib/syslinux/modules/bios
  mkdir -p "$iso"
  (cd "$dir/root" && find . | cpio -o -H newc --quiet) >"$iso/initrd"
  cp "$kernel"/boot/vmlinuz-* "$iso/vmlinuz"
  cp "$isolinux/isolinux.bin" "$modules/ldlinux.c32" "$iso"
  printf 'DEFAULT x\nLABEL x\nKERNEL /vmlinuz\nINITRD /initrd\nAPPEND %s\n' "$boot" >"$iso/isolinux.cfg"
  xorriso -as mkisofs -quiet -o "$dir/cd.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$iso" 2>"$dir/xorriso.log" ||
    { cat "$dir/xorriso.log" >&2; return 1; }
}

machine() { # machine DIR: the emulator's settings; time runs as instructions do, 100 million a second
  cat <<EOF
config_interface: textconfig
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
cpu: model=corei7_icelake_u, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=512, host=512
ata0-master: type=cdrom, path=$1/cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$1/serial
log: $1/bochs.log
panic: action=fatal
sound: driver=dummy
speaker: enabled=0
EOF
}

# watch SCREEN PID: read what the emulator draws. It does that on a terminal of its own, and once that is full, which takes a
# minute or two, it waits for a reader: a machine that is slow would never come to the end.
watch() {
  local terminal=
  until [ -n "$terminal" ] || ! kill -0 "$2" 2>/dev/null; do
    sleep 0.1
    terminal=$(sed -n 's/^Bochs connected to screen "\(.*\)"/\1/p' "$1")
  done
  [ -z "$terminal" ] || cat "$terminal" >/dev/null 2>&1 || true
}

# record: a test compares, so that the assembly does not change untested.
record() { (cd internal/kernels && sha256sum ./*_vnni_amd64.s ./*_avx512_amd64.s | sed 's, \./, ,' >testdata/avx512.sha256); }

# here: this machine's CPU has what the kernels need.
here() { grep -m1 ^flags /proc/cpuinfo | grep -w avx512_vnni | grep -qw avx512vl; }

native() {
  local result=0
  CGO_ENABLED=0 go test -trimpath -count=1 -v -skip AssemblyWasRun "$@" ./internal/kernels >"$dir/output" || result=1
  grep -E '^(ok|FAIL|---? FAIL|panic)' "$dir/output" || true
  [ $result = 0 ] && { [ $# -gt 0 ] || grep -q -e "--- PASS: $proof" "$dir/output"; } ||
    { echo "kernel tests FAILED on this CPU ($proof must be among what passes)"; return 1; }
  [ $# -gt 0 ] || record
  echo "kernel tests passed on this CPU, which has AVX-512 VNNI"
}

main() {
  local status=0 t0=$SECONDS bochs
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  if here; then native "$@"; return; fi
  tools bochs bochs-term xorriso cpio
  mkdir "$dir/root"
  programs "$dir/root" "$@"
  disc "$dir"
  machine "$dir" >"$dir/bochsrc"
  echo c >"$dir/start"   # Debian's Bochs has a debugger, which waits for "continue"
  TERM=linux timeout -s KILL "$limit" bochs -q -f "$dir/bochsrc" -rc "$dir/start" </dev/null >"$dir/screen" 2>&1 &
  bochs=$!
  watch "$dir/screen" $bochs
  wait $bochs || true
  tr -d '\r' <"$dir/serial" | grep -v '^=== ' || { tail -n 20 "$dir/bochs.log" >&2; status=1; }
  grep -q 'guest: tests passed' "$dir/serial" && grep -q -e "--- PASS: $proof" "$dir/serial" || status=1
  [ $status != 0 ] || [ $# -gt 0 ] || record
  [ $status = 0 ] && echo "emulated kernel tests passed in $((SECONDS - t0)) s" || echo "emulated kernel tests FAILED ($proof must be among what passes)"
  return $status
}

main "$@"; exit   # on one line: the script may change while it runs
