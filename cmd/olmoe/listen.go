package main

import "github.com/olmoe-serving/olmoe-operator/internal/podctl"

// checkListen refuses an address that nobody could listen at, before anything is started.
func checkListen(flag, address string) error {
	l, err := podctl.Listen(flag, address)
	if err != nil {
		return err
	}
	return l.Close()
}
