package podctl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ErrListen is an address that the process cannot have.
var ErrListen = errors.New("cannot listen")

// Listen listens at HOST:PORT, the value of a flag, which errors name. An IPv4 address is IPv4 alone: for 0.0.0.0 package net would
// listen at all of IPv6, too, where nobody may have thought of a firewall. Without HOST it is both.
func Listen(flag, address string) (net.Listener, error) {
	l, err := listen(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrListen, flag, err)
	}
	return l, nil
}

func listen(address string) (net.Listener, error) {
	if address == "" { // all interfaces and any port to package net: a variable that is not set
		return nil, errors.New("the address is empty: give HOST:PORT")
	}
	network := "tcp"
	host, _, _ := net.SplitHostPort(address) // what is wrong with it net.Listen tells
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		network = "tcp4"
	}
	return net.Listen(network, address)
}
