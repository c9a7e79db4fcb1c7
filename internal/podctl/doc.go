// Package podctl is what a pod of either role needs to be controlled: it keeps
// the newest placement document, from the mounted file or the Control service
// (Watcher), answers that service (Server; before the model is loaded, Gate), and
// makes /debug/load (LoadPage).
package podctl
