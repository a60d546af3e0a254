//go:build race

package objects_test

const raceEnabled = true
