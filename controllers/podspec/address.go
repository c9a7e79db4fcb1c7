package podspec

import (
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// ControlAddress is where a running pod's Control service is.
func ControlAddress(p *corev1.Pod) string {
	return net.JoinHostPort(p.Status.PodIP, strconv.Itoa(PortControl))
}
