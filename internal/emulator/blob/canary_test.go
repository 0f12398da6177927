package blob_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"

	"github.com/cleanroom-go/sdk/datasink"
)

// TestCanaries logs everything that the Azure SDK can log, with options that
// ask for bodies and key, provokes errors, and looks for key, token and
// content in all of it.
func TestCanaries(t *testing.T) {
	for _, mode := range []datasink.Mode{datasink.CPK, datasink.CSE, datasink.Sealed} {
		t.Run(string(mode), func(t *testing.T) { testCanaries(t, mode) })
	}
}

func testCanaries(t *testing.T, mode datasink.Mode) {
	f := newFixture(t)
	var mu sync.Mutex
	var text strings.Builder
	azlog.SetListener(func(e azlog.Event, message string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(&text, e, message)
	})
	defer azlog.SetListener(nil)
	record := func(v any) {
		b, _ := json.Marshal(v)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&text, "%v %+v %#v %s %q %s\n", v, v, v, v, v, b)
	}
	dek := newDEK(t)
	opts := &datasink.Options{Mode: mode, DEK: dek, BlockSize: crashBlock, ChunkSize: 7000, Contract: "contract", Datasink: "output"}
	opts.ClientOptions = f.options()
	opts.Logging.IncludeBody = true
	opts.Logging.AllowedHeaders = []string{"X-Ms-Encryption-Key", "Authorization"}
	s := f.sink(t, opts)
	urls := ""
	for _, size := range []int{100, 3 * crashBlock} {
		if err := write(t, s, "a", content(size)); err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(t, s, "a"); err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		record(r)
		item, err := s.Stat(t.Context(), "a")
		record(item)
		record(err)
	}
	wrong, err := datasink.New(s.String(), identity(owner), &datasink.Options{
		ClientOptions: f.through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			mu.Lock()
			urls += r.URL.String()
			mu.Unlock()
			return next.RoundTrip(r)
		}, -1),
		Mode: mode, DEK: newDEK(t), Contract: "contract", Datasink: "output"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = wrong.Open(t.Context(), "a")
	record(err)
	w, err := s.Create(t.Context(), "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(t, s, "a", content(10)); err != nil {
		t.Fatal(err)
	}
	w.Write(content(5000))
	record(w.Commit())
	for _, v := range []any{s, s.Backend(), w, opts, *opts, dek} {
		record(v)
	}
	text.WriteString(urls)
	key := dek.Clone()
	seen := text.String()
	if !strings.Contains(seen, "x-ms-encryption-key-sha256") && !strings.Contains(strings.ToLower(seen), "x-ms-blob-type") {
		t.Error("nothing was logged: the test proves nothing")
	}
	for what, canary := range map[string]string{
		"key": string(key), "key in base64": base64.StdEncoding.EncodeToString(key), "key in hexadecimal": hex.EncodeToString(key),
		"key as numbers": strings.Trim(fmt.Sprint(key), "[]"), "token": "canary-token", "content": "plaintext canary",
	} {
		if strings.Contains(strings.ToLower(seen), strings.ToLower(canary)) {
			t.Errorf("%s was found in logs, errors or text", what)
		}
	}
}
