package blob_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

// TestKeyStaysHere looks at every request of a sink that encrypts by itself:
// neither key nor plaintext is in it, and no header of a customer's key.
func TestKeyStaysHere(t *testing.T) {
	const marker = "plaintext canary"
	for _, mode := range []datasink.Mode{datasink.CSE, datasink.Sealed} {
		f := newFixture(t)
		var mu sync.Mutex
		var sent bytes.Buffer
		requests := 0
		dek := newDEK(t)
		s := f.sink(t, &datasink.Options{
			ClientOptions: f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				mu.Lock()
				requests++
				fmt.Fprintln(&sent, r.Method, r.URL, r.Header)
				mu.Unlock()
				if r.Body != nil {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					mu.Lock()
					sent.Write(body)
					mu.Unlock()
					r.Body = io.NopCloser(bytes.NewReader(body))
				}
				return next.RoundTrip(r)
			}, -1),
			Mode: mode, DEK: dek, ChunkSize: 7000, BlockSize: crashBlock, Contract: "contract", Datasink: "output",
		})
		for _, size := range []int{100, 3 * crashBlock} {
			data := []byte(strings.Repeat(marker, size/len(marker)+1))
			if err := write(t, s, "a", data); err != nil {
				t.Fatal(err)
			}
			if got, err := readAll(t, s, "a"); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s: read %d bytes, %v", mode, len(got), err)
			}
		}
		key := dek.Clone()
		seen := sent.String()
		if requests < 10 || !strings.Contains(seen, "blocklist") {
			t.Errorf("%s: only %d requests were seen", mode, requests)
		}
		for what, canary := range map[string]string{
			"key": string(key), "key in base64": base64.StdEncoding.EncodeToString(key), "key in hexadecimal": hex.EncodeToString(key),
			"plaintext": marker, "customer's key": "x-ms-encryption-key",
		} {
			if strings.Contains(strings.ToLower(seen), strings.ToLower(canary)) {
				t.Errorf("%s: the %s was sent", mode, what)
			}
		}
	}
}
