package local

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent lets the kernel interrupt the child when this process is killed,
// so that no orphan keeps a port.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}

// starter is one OS thread that lives as long as the process: the parent-death
// signal is sent when the thread that started the child ends, not the process.
var starter = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for f := range starter {
			f()
		}
	}()
}

func startProcess(cmd *exec.Cmd) error {
	err := make(chan error)
	starter <- func() { err <- cmd.Start() }
	return <-err
}
