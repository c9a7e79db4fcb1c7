//go:build !linux

package local

import "os/exec"

func dieWithParent(*exec.Cmd) {}

func startProcess(cmd *exec.Cmd) error { return cmd.Start() }
