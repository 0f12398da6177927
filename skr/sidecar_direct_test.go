package skr_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/wirelog"
	"github.com/cleanroom-go/sdk/skr"
)

var guestPolicy = []byte("package policy\n")

// environment is a vault with a key for the guests of guestPolicy.
type environment struct {
	*testing.T
	env   *cleanroomtest.Env
	party *cleanroomtest.Party
	conn  *cleanroomtest.Conn

	mu    sync.Mutex
	paths []string // of all requests on this party's and on the sidecars' wires
}

func (e *environment) must(errs ...error) {
	e.Helper()
	if err := errors.Join(errs...); err != nil {
		e.Fatal(err)
	}
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	e := &environment{T: t}
	var err error
	e.env, err = cleanroomtest.Start(t.Context(), nil)
	e.must(err)
	t.Cleanup(func() { e.must(e.env.Close()) })
	e.party, err = e.env.Party(cleanroomtest.Publisher)
	e.must(err)
	e.conn, err = e.env.Connect(cleanroomtest.Publisher, e.watched())
	e.must(err)
	t.Cleanup(e.conn.Close)
	return e
}

// watched notes the requests.
func (e *environment) watched() *cleanroomtest.ConnOptions {
	log := wirelog.New(func(x wirelog.Exchange) {
		path, _, _ := strings.Cut(x.Path, "?")
		e.note(fmt.Sprintf("%s %s%s %d", x.Method, x.Host, path, x.Status))
	})
	return &cleanroomtest.ConnOptions{Wrap: log.Wrap}
}

func (e *environment) note(request string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paths = append(e.paths, request)
}

// count is the number of requests since the last call that hold every part.
func (e *environment) count(parts ...string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.paths {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(p, part) }) {
			n++
		}
	}
	return n
}

func (e *environment) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paths = nil
}

func (e *environment) kek(name string) skr.KeyRef {
	return skr.KeyRef{Name: name, VaultURL: e.party.VaultURL, AttestationURL: "https://" + cleanroomtest.AttestationHost}
}

// importKey makes a key for the guests of that policy.
func (e *environment) importKey(name string, guest []byte) *rsa.PrivateKey {
	e.Helper()
	hostData := sha256.Sum256(guest)
	released, err := skr.NewReleasePolicy("https://"+cleanroomtest.AttestationHost, hex.EncodeToString(hostData[:]))
	e.must(err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	e.must(err)
	client, err := azkeys.NewClient(e.party.VaultURL, e.conn.Credential(), &azkeys.ClientOptions{ClientOptions: e.conn.ClientOptions()})
	e.must(err)
	_, err = client.ImportKey(e.Context(), name, azkeys.ImportKeyParameters{
		HSM: new(true),
		Key: &azkeys.JSONWebKey{
			Kty: new(azkeys.KeyTypeRSA), KeyOps: []*azkeys.KeyOperation{new(azkeys.KeyOperationEncrypt), new(azkeys.KeyOperationWrapKey)},
			N: key.N.Bytes(), E: big.NewInt(int64(key.E)).Bytes(), D: key.D.Bytes(), P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
			DP: key.Precomputed.Dp.Bytes(), DQ: key.Precomputed.Dq.Bytes(), QI: key.Precomputed.Qinv.Bytes(),
		},
		KeyAttributes: &azkeys.KeyAttributes{Enabled: new(true), Exportable: new(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: released.Encode()},
	}, nil)
	e.must(err)
	return key
}

func (e *environment) setSecret(name string, pub *rsa.PublicKey, value string) skr.SecretRef {
	e.Helper()
	wrapped, err := skr.WrapOAEP(pub, []byte(value))
	e.must(err)
	client, err := azsecrets.NewClient(e.party.VaultURL, e.conn.Credential(), &azsecrets.ClientOptions{ClientOptions: e.conn.ClientOptions()})
	e.must(err)
	text := base64.StdEncoding.EncodeToString(wrapped)
	_, err = client.SetSecret(e.Context(), name, azsecrets.SetSecretParameters{Value: &text}, nil)
	e.must(err)
	return skr.SecretRef{ClientID: e.party.AccountID, TenantID: e.party.TenantID, Name: name, VaultURL: e.party.VaultURL, KEK: e.kek("kek")}
}

// sidecar starts the SKR sidecar of a guest and makes a client of it.
func (e *environment) sidecar(guest *cleanroomtest.Guest, opts cleanroomtest.SidecarsOptions) *skr.SidecarClient {
	e.Helper()
	opts.Conn = e.watched()
	wrap := opts.Wrap
	opts.Wrap = func(name string, h http.Handler) http.Handler {
		if wrap != nil {
			h = wrap(name, h)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.note(r.Method + " sidecar" + r.URL.Path)
			h.ServeHTTP(w, r)
		})
	}
	s, err := guest.Sidecars("", &opts)
	e.must(err)
	e.Cleanup(func() { e.must(s.Close()) })
	c, err := skr.NewSidecarClient(s.URL(cleanroomtest.SKRSidecar), &skr.SidecarClientOptions{
		SidecarOptions: skr.SidecarOptions{Retry: policy.RetryOptions{RetryDelay: time.Millisecond}}, ClientOptions: e.conn.ClientOptions(),
	})
	e.must(err)
	e.Cleanup(c.Close)
	return c
}

func (e *environment) direct(guest *cleanroomtest.Guest) *skr.Releaser {
	e.Helper()
	r, err := skr.NewReleaser(guest, &skr.ReleaserOptions{ClientOptions: e.conn.ClientOptions(), Roots: e.conn.Roots()})
	e.must(err)
	e.Cleanup(func() { e.must(r.Close()) })
	return r
}

func (e *environment) bySidecar(c *skr.SidecarClient) *skr.Releaser {
	e.Helper()
	r, err := skr.NewSidecarReleaser(c, &skr.ReleaserOptions{ClientOptions: e.conn.ClientOptions()})
	e.must(err)
	e.Cleanup(func() { e.must(r.Close()) })
	return r
}

func publicOf(t *testing.T, r *skr.Releaser, ref skr.KeyRef, cred azcore.TokenCredential) (*rsa.PublicKey, skr.KeyRef, error) {
	t.Helper()
	key, err := r.Release(t.Context(), ref, cred)
	if err != nil {
		return nil, skr.KeyRef{}, err
	}
	defer key.Close()
	d, err := key.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	return d.Public().(*rsa.PublicKey), key.Ref(), nil
}

// TestSidecarGivesTheSame compares both generations of the sidecar with the
// direct way: the same key in the same version, the same secrets, the same
// claims, and the same refusals.
func TestSidecarGivesTheSame(t *testing.T) {
	e := newEnvironment(t)
	kek := e.importKey("kek", guestPolicy)
	e.importKey("others", []byte("another policy"))
	ref := e.setSecret("secret", &kek.PublicKey, "the value")
	guest := e.env.Launch(guestPolicy)
	direct := e.direct(guest)
	cred := e.conn.Credential()
	wantKey, wantRef, err := publicOf(t, direct, e.kek("kek"), cred)
	e.must(err)
	_, _, wantDenied := publicOf(t, direct, e.kek("others"), cred)
	_, _, wantMissing := publicOf(t, direct, e.kek("missing"), cred)
	for _, old := range []bool{false, true} {
		c := e.sidecar(guest, cleanroomtest.SidecarsOptions{November2024: old})
		e.must(c.Status(t.Context()))
		r := e.bySidecar(c)
		got, gotRef, err := publicOf(t, r, e.kek("kek"), cred)
		e.must(err)
		if !got.Equal(wantKey) || gotRef != wantRef {
			t.Errorf("another key, %s", gotRef)
		}
		u, err := skr.NewSecretUnwrapper(r, e.conn.CredentialFor, &skr.SecretUnwrapperOptions{ClientOptions: e.conn.ClientOptions()})
		e.must(err)
		if value, err := u.Unwrap(t.Context(), ref); string(value) != "the value" || err != nil {
			t.Errorf("%q, %v", value, err)
		}
		_, _, denied := publicOf(t, r, e.kek("others"), cred)
		sameDenial(t, wantDenied, denied)
		_, _, missing := publicOf(t, r, e.kek("missing"), cred)
		var a, b *azcore.ResponseError
		if !errors.As(wantMissing, &a) || !errors.As(missing, &b) || a.StatusCode != b.StatusCode || a.ErrorCode != b.ErrorCode || !strings.Contains(missing.Error(), "check the key's name") {
			t.Errorf("direct %v, sidecar %v", wantMissing, missing)
		}

		data := []byte(`{"a":1}`)
		token, err := c.Token(t.Context(), cleanroomtest.AttestationHost, data)
		e.must(err)
		maa, err := skr.NewMAAClient(cleanroomtest.AttestationHost, &skr.MAAClientOptions{ClientOptions: e.conn.ClientOptions()})
		e.must(err)
		ev, err := guest.Attest(t.Context(), data)
		e.must(err)
		own, err := maa.Attest(t.Context(), ev, "")
		e.must(err)
		for _, name := range []string{"iss", "x-ms-sevsnpvm-hostdata", "x-ms-sevsnpvm-reportdata", "x-ms-compliance-status", "x-ms-attestation-type"} {
			if got, want := token.Claims()[name], own.Claims()[name]; got != want {
				t.Errorf("claim %s is %v, not %v", name, got, want)
			}
		}
	}
}

func sameDenial(t *testing.T, want, got error) {
	t.Helper()
	var a, b *skr.DeniedError
	if !errors.As(want, &a) || !errors.As(got, &b) {
		t.Fatalf("direct %v, sidecar %v", want, got)
	}
	if a.Op != b.Op || a.By != b.By || len(a.Checks) != len(b.Checks) {
		t.Fatalf("direct %v\nsidecar %v", want, got)
	}
	for i := range a.Checks {
		if a.Checks[i].String() != b.Checks[i].String() || a.Checks[i].Remedy != b.Checks[i].Remedy {
			t.Errorf("check %d: direct %s, sidecar %s", i, a.Checks[i], b.Checks[i])
		}
	}
	var ra, rb *azcore.ResponseError
	if !errors.As(want, &ra) || !errors.As(got, &rb) || ra.StatusCode != rb.StatusCode || ra.ErrorCode != rb.ErrorCode {
		t.Errorf("the service's own error: direct %v, sidecar %v", ra, rb)
	}
}

// TestSidecarEvidence: what the sidecar says of a guest is what its device says.
func TestSidecarEvidence(t *testing.T) {
	e := newEnvironment(t)
	guest := e.env.Launch(guestPolicy)
	c := e.sidecar(guest, cleanroomtest.SidecarsOptions{})
	data := []byte(`{"keys":[]}`)
	want, err := guest.Attest(t.Context(), data)
	e.must(err)
	got, err := c.Attest(t.Context(), data)
	e.must(err)
	if !bytes.Equal(got.Certificates, want.Certificates) || !bytes.Equal(got.UVMEndorsements, want.UVMEndorsements) || !bytes.Equal(got.RuntimeData, data) ||
		!bytes.Equal(got.Report[:480], want.Report[:480]) {
		t.Error("the evidence differs")
	}
	maa, err := skr.NewMAAClient(cleanroomtest.AttestationHost, &skr.MAAClientOptions{ClientOptions: e.conn.ClientOptions()})
	e.must(err)
	_, err = maa.Attest(t.Context(), got, "nonce")
	e.must(err)
	// A key of which only its own pair is known is released over the sidecar as
	// an attester too, with nonce and verified answer.
	e.importKey("kek", guestPolicy)
	r, err := skr.NewReleaser(c, &skr.ReleaserOptions{ClientOptions: e.conn.ClientOptions(), Roots: e.conn.Roots()})
	e.must(err)
	defer r.Close()
	_, _, err = publicOf(t, r, e.kek("kek"), e.conn.Credential())
	e.must(err)

	// The older one gives a report without certificates.
	old := e.sidecar(guest, cleanroomtest.SidecarsOptions{November2024: true})
	if _, err := old.Attest(t.Context(), data); err == nil || !strings.Contains(err.Error(), "without their certificates") {
		t.Errorf("no certificates: %v", err)
	}
	report, err := old.Report(t.Context(), data)
	e.must(err)
	if !bytes.Equal(report[:480], want.Report[:480]) {
		t.Error("the report differs")
	}
	if _, err := c.Attest(t.Context(), nil); err == nil {
		t.Error("no runtime data")
	}
}

// TestSidecarOnTheWire: N secrets under one KEK are one attestation, one
// release and N reads, and here one look at the public key; callers that come
// together share it.
func TestSidecarOnTheWire(t *testing.T) {
	const n = 8
	e := newEnvironment(t)
	kek := e.importKey("kek", guestPolicy)
	var refs []skr.SecretRef
	for i := range n {
		refs = append(refs, e.setSecret(fmt.Sprintf("secret-%d", i), &kek.PublicKey, fmt.Sprint("value ", i)))
	}
	guest := e.env.Launch(guestPolicy)
	for name, r := range map[string]*skr.Releaser{"direct": e.direct(guest), "sidecar": e.bySidecar(e.sidecar(guest, cleanroomtest.SidecarsOptions{}))} {
		u, err := skr.NewSecretUnwrapper(r, e.conn.CredentialFor, &skr.SecretUnwrapperOptions{ClientOptions: e.conn.ClientOptions()})
		e.must(err)
		e.forget()
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				value, err := u.Unwrap(t.Context(), refs[i])
				if err != nil || string(value) != fmt.Sprint("value ", i) {
					t.Errorf("%s: %q, %v", name, value, err)
				}
			})
		}
		all.Wait()
		e.must(r.Close())
		if a, b, c := e.count("POST", "/attest/SevSnpVm "), e.count("/release 200"), e.count("GET", "/secrets/secret-", " 200"); a != 1 || b != 1 || c != n {
			t.Errorf("%s: %d attestations, %d releases, %d reads; want 1, 1, %d", name, a, b, c, n)
		}
		asked, looked := 0, 0
		if name == "sidecar" {
			asked, looked = 1, 1
		}
		if a, b := e.count("sidecar/"), e.count("GET", "/keys/kek", " 200"); a != asked || b != looked {
			t.Errorf("%s: %d calls of the sidecar, %d looks at the key; want %d, %d", name, a, b, asked, looked)
		}
	}
}
