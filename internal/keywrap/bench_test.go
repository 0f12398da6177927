package keywrap

import (
	"bytes"
	"crypto/aes"
	"testing"

	"github.com/cleanroom-go/sdk/internal/cputime"
)

// A PKCS #8 key of RSA-2048, wrapped and unwrapped, against the AES operations
// alone that the two take: 12 for each 8 bytes. Times are of the processor.
func BenchmarkKWP(b *testing.B) {
	const size = 1218
	key, plain := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{1}, size)
	block, err := aes.NewCipher(key)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	start := cputime.Now()
	for b.Loop() {
		wrapped, err := WrapKWP(key, plain)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := UnwrapKWP(key, wrapped); err != nil {
			b.Fatal(err)
		}
	}
	ours := cputime.Now() - start
	b.StopTimer()
	start = cputime.Now()
	var buf [16]byte
	for range b.N * 6 * ((size + 7) / 8) {
		block.Encrypt(buf[:], buf[:])
		block.Decrypt(buf[:], buf[:])
	}
	bare := cputime.Now() - start
	b.ReportMetric(float64(b.N)/ours.Seconds(), "wrap+unwrap/s")
	b.ReportMetric(float64(ours)/float64(bare), "x-bare-AES")
}
