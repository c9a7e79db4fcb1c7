// Package podctl is what a pod of either role needs to be controlled: it keeps
// the newest placement document, from the mounted file or the Control service,
// and answers Describe.
package podctl
