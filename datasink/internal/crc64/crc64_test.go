package crc64

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

// TestAgainstStandardLibrary compares every length around the borders of the
// lanes, and some long ones.
func TestAgainstStandardLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 3<<20+11)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	lengths := []int{1 << 20, 3 << 20, 3<<20 + 11}
	for n := range 700 {
		lengths = append(lengths, n, lanes*laneBytes-350+n)
	}
	for _, n := range lengths {
		if got, want := Checksum(data[:n]), crc64.Checksum(data[:n], crc64.MakeTable(polynomial)); got != want {
			t.Fatalf("%d bytes: got %016x, want %016x", n, got, want)
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, 8<<20)
	for name, sum := range map[string]func([]byte) uint64{
		"lanes":    Checksum,
		"standard": func(p []byte) uint64 { return crc64.Checksum(p, crc64.MakeTable(polynomial)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				sum(data)
			}
		})
	}
}
