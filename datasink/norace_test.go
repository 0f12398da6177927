//go:build !race

package datasink_test

const underRace = false
