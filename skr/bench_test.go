package skr

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/cputime"
)

// One token with all its checks, against its signature's verification alone.
// Times are of the processor.
func BenchmarkVerifyToken(b *testing.B) {
	v := readVectors(b)
	c := vectorClient(b)
	ctx := context.Background()
	runtimeData := []byte(v.Runtime.Bytes)
	b.ReportAllocs()
	start := cputime.Now()
	for b.Loop() {
		if _, err := c.verify(ctx, v.Token.Token, "1234567890123456789", runtimeData); err != nil {
			b.Fatal(err)
		}
	}
	ours := cputime.Now() - start
	b.StopTimer()
	dot := strings.LastIndexByte(v.Token.Token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(v.Token.Token[dot+1:])
	if err != nil {
		b.Fatal(err)
	}
	var pub *rsa.PublicKey
	for _, pub = range c.keys {
	}
	start = cputime.Now()
	for range b.N {
		digest := sha256.Sum256([]byte(v.Token.Token[:dot]))
		if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig); err != nil {
			b.Fatal(err)
		}
	}
	bare := cputime.Now() - start
	b.ReportMetric(float64(b.N)/ours.Seconds(), "tokens/s")
	b.ReportMetric(float64(ours)/float64(bare), "x-bare-RSA")
}
