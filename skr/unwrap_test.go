package skr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

const (
	clientID = "6a1b2c3d-0000-4000-8000-000000000001"
	tenantID = "6a1b2c3d-0000-4000-8000-000000000002"
)

func (w *world) secretRef(name string) SecretRef {
	return SecretRef{ClientID: clientID, TenantID: tenantID, Name: name, VaultURL: "https://" + vaultHost, KEK: w.ref()}
}

func (w *world) unwrapper(t testing.TB, r *Releaser) *SecretUnwrapper {
	t.Helper()
	u, err := NewSecretUnwrapper(r, func(string, string) (azcore.TokenCredential, error) { return &bearer{"t"}, nil },
		&SecretUnwrapperOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (w *world) store(t testing.TB, name, secret string) {
	t.Helper()
	wrapped, err := WrapOAEP(&w.kek.PublicKey, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[name] = base64.StdEncoding.EncodeToString(wrapped)
}

// N secrets under one KEK: one attestation, one release, N reads.
func TestUnwrapManySecrets(t *testing.T) {
	w := newWorld(t)
	g := w.guest()
	r, err := NewReleaser(g, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	u := w.unwrapper(t, r)
	const n = 8
	for i := range n {
		w.store(t, fmt.Sprintf("s-%d", i), fmt.Sprintf("secret %d", i))
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			got, err := u.Unwrap(context.Background(), w.secretRef(fmt.Sprintf("s-%d", i)))
			if err != nil || string(got) != fmt.Sprintf("secret %d", i) {
				t.Errorf("secret %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := w.count(releasePath); g.attested() != 1 || n != 2 {
		t.Errorf("%d attestations, %d release requests with the challenge", g.attested(), n)
	}
	// Once the client knows the vault's challenge, a secret is one request.
	before := len(w.requests)
	if _, err := u.Unwrap(context.Background(), w.secretRef("s-0")); err != nil {
		t.Fatal(err)
	}
	if len(w.requests) != before+1 {
		t.Errorf("one more secret cost %v", w.requests[before:])
	}
}

func TestUnwrapFailures(t *testing.T) {
	w := newWorld(t)
	u := w.unwrapper(t, w.releaser(t))
	const stored = "c3RvcmVkIGluIGNsZWFy"
	w.secrets["clear"] = "stored in clear!"
	w.secrets["short"] = stored
	for name, reason := range map[string]UnwrapReason{"clear": UnwrapEncoding, "short": UnwrapLength, "none": ""} {
		want := "404"
		_, err := u.Unwrap(context.Background(), w.secretRef(name))
		var failed *UnwrapError
		if errors.As(err, &failed) {
			want = "wrap it again"
		}
		if (failed != nil) != (reason != "") || failed != nil && failed.Reason() != reason {
			t.Errorf("%s: want %q, got %v", name, reason, err)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), stored) || strings.Contains(err.Error(), w.secrets["clear"])) {
			t.Errorf("%s: the error holds the value: %v", name, err)
		}
	}
	w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.Host != vaultHost || r.Header.Get("Authorization") == "" {
			return false
		}
		refuse(rw, 403, "Forbidden", "ForbiddenByRbac", "no")
		return true
	}
	_, err := u.Unwrap(context.Background(), w.secretRef("short"))
	if ids := failedIDs(err); len(ids) != 1 || ids[0] != "secret.role" {
		t.Errorf("forbidden: %v", err)
	}
	if _, err := u.Unwrap(context.Background(), SecretRef{}); err == nil {
		t.Error("an empty reference was accepted")
	}
	fails := errors.New("no identity")
	u, err = NewSecretUnwrapper(w.releaser(t), func(string, string) (azcore.TokenCredential, error) { return nil, fails }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Unwrap(context.Background(), w.secretRef("short")); !errors.Is(err, fails) {
		t.Errorf("credential: %v", err)
	}
	if _, err := NewSecretUnwrapper(nil, nil, nil); err == nil {
		t.Error("nothing was accepted")
	}
}

// The tags of a secret choose the version of the KEK only where the reference
// leaves it open.
func TestWrappedUnder(t *testing.T) {
	const version = "0123456789abcdef0123456789abcdef"
	open := KeyRef{Name: "kek", VaultURL: "https://" + vaultHost, AttestationURL: "https://" + maaHost}
	pinned := open
	pinned.Version = strings.Repeat("f", 32)
	tags := func(kid, version string) map[string]*string {
		return map[string]*string{TagKEK: &kid, TagKEKVersion: &version}
	}
	for _, c := range []struct {
		name string
		ref  KeyRef
		tags map[string]*string
		want string
	}{
		{"no tags", open, nil, ""},
		{"tags", open, tags("kek", version), version},
		{"pinned", pinned, tags("kek", version), pinned.Version},
		{"another key", open, tags("other", version), ""},
		{"no name", open, map[string]*string{TagKEKVersion: new(version)}, ""},
		{"nil values", open, map[string]*string{TagKEK: nil, TagKEKVersion: nil}, ""},
		{"no version", open, tags("kek", "../../secrets"), ""},
	} {
		got := wrappedUnder(c.ref, c.tags)
		if got.Version != c.want || got.Name != c.ref.Name || got.VaultURL != c.ref.VaultURL {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestOnRelease(t *testing.T) {
	w := newWorld(t)
	var told []KeyRef
	r, err := NewReleaser(w.guest(), &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool(), OnRelease: func(k KeyRef) { told = append(told, k) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	u := w.unwrapper(t, r)
	w.store(t, "s", "secret")
	for range 3 {
		if _, err := u.Unwrap(context.Background(), w.secretRef("s")); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 1 || told[0].Version == "" {
		t.Errorf("told of %v", told)
	}
}
