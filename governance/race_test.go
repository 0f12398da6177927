//go:build race

package governance_test

const raceDetector = true
