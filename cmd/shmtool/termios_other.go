//go:build !linux

package main

import (
	"errors"
	"os"
)

func terminalSize(*os.File) (columns, rows int, ok bool) { return 0, 0, false }

func keyMode(*os.File) (restore func(), err error) {
	return nil, errors.New("no live view on this system")
}

func notifyResized(chan<- os.Signal) {}
