package local

import (
	"errors"
	"os/exec"
	"syscall"
)

// killed is os/exec's exit code of a process that a signal ended.
const killed = -1

// exitCode of a process that ended with err; 0 where it never ran.
func exitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0
	}
	return exit.ExitCode()
}

// ending says how a process ended: its exit status, the signal, or why it did not start.
func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// hint says where to look for the reason. One that the kernel kills, mostly for want of
// memory, has no last words.
func hint(err error) string {
	var exit *exec.ExitError
	switch {
	case exitCode(err) > 0:
		return " (its last words are above)"
	case !errors.As(err, &exit):
		return ""
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		return ": is there enough memory?"
	}
	return ""
}
