//go:build linux

// Command guest is the first and only program of an emulated machine: it runs
// /test with the arguments in /args, one a line, on the serial console, says how
// that ended, and turns the machine off (see kernels.sh).
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	err := test()
	if err == nil {
		fmt.Println("\nguest: tests passed")
	} else {
		fmt.Println("\nguest: tests FAILED:", err)
	}
	time.Sleep(time.Second) // the serial line is slow
	err = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("guest: the machine does not turn off:", err)
}

// test mounts what the Go runtime and tests read, and runs the tests.
func test() error {
	for _, dir := range []string{"/proc", "/tmp"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	args, err := os.ReadFile("/args")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.Background(), "/test", strings.Fields(string(args))...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
