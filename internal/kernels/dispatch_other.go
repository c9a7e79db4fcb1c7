//go:build !amd64

package kernels

// available lists the kernel sets this CPU can run, fastest first.
func available() []*kernelSet { return []*kernelSet{&portable} }
