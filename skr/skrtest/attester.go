package skrtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/skr"
)

// Where an SEV-SNP report has what is compared (AMD 56860, table 23).
const (
	reportSize     = 1184
	reportDataAt   = 80
	hostDataAt     = 192
	concurrentUses = 8
)

// AttesterEnvironment is what [Attester] runs against.
type AttesterEnvironment struct {
	Attester skr.Attester
	// HostData is that of the guest; zero means that it is not compared.
	HostData [32]byte
}

// Attester puts an attester through the suite: evidence of the right form, bound
// to exactly the bytes that were given, of the right guest, for several callers
// at a time, and none for one who has gone.
func Attester(t *testing.T, env AttesterEnvironment) {
	t.Helper()
	t.Run("good", func(t *testing.T) {
		data := []byte(`{"keys":[]}`)
		given := bytes.Clone(data)
		ev, err := env.Attester.Attest(t.Context(), data)
		if err := errors.Join(err, checkEvidence(ev, given)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, given) {
			t.Error("the attester changed the caller's runtime data")
		}
		data[0]++
		if !bytes.Equal(ev.RuntimeData, given) {
			t.Error("the evidence shares the caller's memory")
		}
	})
	t.Run("exact bytes", func(t *testing.T) {
		var reports [][]byte
		for _, data := range []string{`{"a":1}`, `{"a":1}` + "\n", `{ "a":1}`, "\x00\xff no text"} {
			ev, err := env.Attester.Attest(t.Context(), []byte(data))
			if err := errors.Join(err, checkEvidence(ev, []byte(data))); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			for _, other := range reports {
				if bytes.Equal(other, ev.Report) {
					t.Errorf("%q: the report of other bytes", data)
				}
			}
			reports = append(reports, ev.Report)
		}
	})
	t.Run("host data", func(t *testing.T) {
		ev, err := env.Attester.Attest(t.Context(), []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := ev.Report[hostDataAt : hostDataAt+32]; env.HostData != [32]byte{} && !bytes.Equal(got, env.HostData[:]) {
			t.Errorf("host data %x, want %x: this is another guest", got, env.HostData)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := env.Attester.Attest(ctx, []byte("{}")); !errors.Is(err, context.Canceled) {
			t.Errorf("want context.Canceled, got %v", err)
		}
	})
	t.Run("concurrent", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range concurrentUses {
			all.Go(func() {
				data := fmt.Appendf(nil, `{"caller":%d}`, i)
				ev, err := env.Attester.Attest(t.Context(), data)
				if err := errors.Join(err, checkEvidence(ev, data)); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		all.Wait()
	})
}

// checkEvidence wants evidence for these bytes.
func checkEvidence(ev *skr.Evidence, data []byte) error {
	if ev == nil {
		return errors.New("no evidence")
	}
	if len(ev.Report) != reportSize {
		return fmt.Errorf("the report has %d bytes, want %d", len(ev.Report), reportSize)
	}
	sum := sha256.Sum256(data)
	if got := ev.Report[reportDataAt : reportDataAt+64]; !bytes.Equal(got, append(sum[:], make([]byte, 32)...)) {
		return errors.New("REPORT_DATA is not the SHA-256 of the runtime data and 32 zero bytes")
	}
	if !bytes.Equal(ev.RuntimeData, data) {
		return errors.New("the runtime data is not what was given")
	}
	rest, n := ev.Certificates, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d: %w", n, err)
		}
		n++
	}
	if n != 3 || len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("%d certificates and %d bytes behind them, want VCEK, ASK and ARK", n, len(rest))
	}
	return nil
}
