//go:build race

package datasink_test

// underRace says that pools lose, on purpose, a part of what they are given.
const underRace = true
