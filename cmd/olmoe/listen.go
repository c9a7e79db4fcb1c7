package main

import (
	"fmt"
	"net"

	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/router"
)

// listen listens at the address that a flag gives.
func listen(flag, address string) (net.Listener, error) {
	l, err := podctl.Listen(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", router.ErrListen, flag, err)
	}
	return l, nil
}

// checkListen refuses an address that nobody could listen at, before anything is started.
func checkListen(flag, address string) error {
	l, err := listen(flag, address)
	if err != nil {
		return err
	}
	return l.Close()
}
