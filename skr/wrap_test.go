package skr

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var wrapKeys sync.Map // of bits to *rsa.PrivateKey

func wrapKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	if k, ok := wrapKeys.Load(bits); ok {
		return k.(*rsa.PrivateKey)
	}
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	wrapKeys.Store(bits, k)
	return k
}

func releasedAs(key *rsa.PrivateKey) *ReleasedKey {
	return (&releasedMaterial{ref: KeyRef{Name: "kek", VaultURL: "https://" + vaultHost}, kind: "RSA", rsa: key}).handle()
}

// The form follows from the length alone, and both come back.
func TestWrapForms(t *testing.T) {
	ran := 0
	for bits, c := range map[int]struct{ oaep, hybrid int }{2048: {190, 18456}, 3072: {318, 18328}, 4096: {446, 18200}} {
		private := wrapKey(t, bits)
		key := releasedAs(private)
		for _, n := range []int{0, 1, 32, c.oaep, c.oaep + 1, c.oaep + 2, 4096, c.hybrid} {
			ran++
			secret := bytes.Repeat([]byte{0xa5}, n)
			wrapped, form, err := Wrap(&private.PublicKey, secret)
			if err != nil {
				t.Fatalf("RSA-%d, %d bytes: %v", bits, n, err)
			}
			want, size := FormOAEP, private.Size()
			if n > c.oaep {
				want, size = FormHybrid, 10+private.Size()+28+n
			}
			if form != want || len(wrapped) != size || (form == FormHybrid) != bytes.HasPrefix(wrapped, []byte("CRWRAP\x01\x01")) {
				t.Errorf("RSA-%d, %d bytes: form %s of %d bytes, want %s of %d", bits, n, form, len(wrapped), want, size)
			}
			if text := base64.StdEncoding.EncodedLen(len(wrapped)); text > 25000 {
				t.Errorf("RSA-%d, %d bytes: %d characters", bits, n, text)
			}
			if got, err := key.Unwrap(context.Background(), wrapped); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("RSA-%d, %d bytes: %d came back, %v", bits, n, len(got), err)
			}
		}
		if _, _, err := Wrap(&private.PublicKey, make([]byte, c.hybrid+1)); err == nil || !strings.Contains(err.Error(), fmt.Sprint(c.hybrid)) {
			t.Errorf("RSA-%d: too long: %v", bits, err)
		}
	}
	if ran != 24 {
		t.Errorf("ran %d, want 24", ran)
	}
	for name, pub := range map[string]*rsa.PublicKey{"none": nil, "empty": {}, "weak": &wrapKey(t, 1024).PublicKey} {
		if _, _, err := Wrap(pub, make([]byte, 500)); err == nil {
			t.Errorf("%s: wrapped", name)
		}
	}
}

// What the reference reads does not depend on our reader.
func TestShortValuesAreOfTheReferenceForm(t *testing.T) {
	private := wrapKey(t, 2048)
	wrapped, _, err := Wrap(&private.PublicKey, []byte("short"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, nil); err != nil || string(got) != "short" {
		t.Errorf("%q, %v", got, err)
	}
}

// Each damage is refused with its own reason, and all print alike.
func TestUnwrapDamage(t *testing.T) {
	private, other := wrapKey(t, 2048), wrapKey(t, 3072)
	pub := &private.PublicKey
	key := releasedAs(private)
	long := func(b byte, n int) []byte {
		w, form, err := Wrap(pub, bytes.Repeat([]byte{b}, n))
		if err != nil || form != FormHybrid {
			t.Fatal(form, err)
		}
		return w
	}
	first, second := long('a', 300), long('b', 300)
	short, err := WrapOAEP(pub, []byte("short"))
	if err != nil {
		t.Fatal(err)
	}
	otherHybrid, _, err := Wrap(&other.PublicKey, make([]byte, 400))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	parts := func(p ...[]byte) []byte { return slices.Concat(p...) }
	rewrapped := func(label, content []byte) []byte { // the first value with another content key
		w, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, content, label)
		if err != nil {
			t.Fatal(err)
		}
		return parts(first[:10], w, first[266:])
	}
	cases := []struct {
		name    string
		wrapped []byte
		want    UnwrapReason
	}{
		{"nothing", nil, UnwrapLength},
		{"one byte", []byte{0}, UnwrapLength},
		{"shorter than RSA", short[1:], UnwrapLength},
		{"longer than RSA", append(bytes.Clone(short), 0), UnwrapLength},
		{"hybrid cut in its key", first[:200], UnwrapLength},
		{"hybrid cut in its tag", first[:293], UnwrapLength},
		{"hybrid cut to the size of RSA", first[:256], UnwrapKey},
		{"too long", append(bytes.Clone(first), make([]byte, MaxWrapped)...), UnwrapLength},
		{"short damaged", flip(short, 100), UnwrapKey},
		{"all ones", bytes.Repeat([]byte{0xff}, 256), UnwrapKey},
		{"magic", flip(first, 0), UnwrapPrefix},
		{"version", flip(first, 6), UnwrapPrefix},
		{"suite", flip(first, 7), UnwrapPrefix},
		{"key size", flip(first, 8), UnwrapPrefix},
		{"key size, low", flip(first, 9), UnwrapPrefix},
		{"prefix of a text", []byte(strings.Repeat("password ", 100)), UnwrapPrefix},
		{"another KEK's size", otherHybrid, UnwrapPrefix},
		{"content key, first byte", flip(first, 10), UnwrapKey},
		{"content key, last byte", flip(first, 265), UnwrapKey},
		{"content key of the empty label", rewrapped(nil, make([]byte, 32)), UnwrapKey},
		{"content key too short", rewrapped(first[:10], make([]byte, 16)), UnwrapKey},
		{"content key too long", rewrapped(first[:10], make([]byte, 33)), UnwrapKey},
		{"another content key", rewrapped(first[:10], make([]byte, 32)), UnwrapTag},
		{"nonce", flip(first, 266), UnwrapTag},
		{"first byte of the value", flip(first, 278), UnwrapTag},
		{"last byte of the value", flip(first, len(first)-17), UnwrapTag},
		{"first byte of the tag", flip(first, len(first)-16), UnwrapTag},
		{"last byte of the tag", flip(first, len(first)-1), UnwrapTag},
		{"a byte less", first[:len(first)-1], UnwrapTag},
		{"a byte more", append(bytes.Clone(first), 0), UnwrapTag},
		{"key of one, value of another", parts(first[:266], second[266:]), UnwrapTag},
		{"no value", parts(first[:266], first[len(first)-28:]), UnwrapTag},
	}
	text := ""
	for _, c := range cases {
		got, err := key.Unwrap(context.Background(), c.wrapped)
		var failed *UnwrapError
		if !errors.As(err, &failed) || got != nil || failed.Reason() != c.want {
			t.Errorf("%s: want %q, got %d bytes, %v", c.name, c.want, len(got), err)
			continue
		}
		if text == "" {
			text = err.Error()
		}
		for _, s := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", failed)} {
			if s != text {
				t.Errorf("%s: prints %q, another %q", c.name, s, text)
			}
		}
	}
	if len(cases) != 32 {
		t.Errorf("%d cases, want 32", len(cases))
	}
	// The part under RSA is no value of the reference form.
	if got, err := key.Unwrap(context.Background(), first[10:266]); err == nil {
		t.Errorf("the content key came out as a secret of %d bytes", len(got))
	}
	// The reverse: a data key that the reference wrapped is no content key.
	dek, err := WrapOAEP(pub, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Unwrap(context.Background(), parts(first[:10], dek, first[266:])); err == nil {
		t.Error("a data key was taken for a content key")
	}
}

// A pin holds against whoever has the public key and may write to the vault.
func TestSubstitutedSecret(t *testing.T) {
	w := newWorld(t)
	u := w.unwrapper(t, w.releaser(t))
	store := func(secret string) SecretRef {
		wrapped, _, err := Wrap(&w.kek.PublicKey, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.secrets["db"] = base64.StdEncoding.EncodeToString(wrapped)
		ref := w.secretRef("db")
		ref.Digest = WrappedDigest(wrapped)
		return ref
	}
	for name, secret := range map[string]string{"short": "the publisher's", "long": strings.Repeat("the publisher's ", 50)} {
		pinned := store(secret)
		if got, err := u.Unwrap(context.Background(), pinned); err != nil || string(got) != secret {
			t.Fatalf("%s: %v", name, err)
		}
		theirs := store("the attacker's")
		released := w.count(releasePath)
		got, err := u.Unwrap(context.Background(), pinned)
		var denied *DeniedError
		if !errors.As(err, &denied) || got != nil || !slices.Equal(failedIDs(err), []string{"secret.digest"}) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
			continue
		}
		if denied.Checks[0].Want != encodePin(pinned.Digest) || denied.Checks[0].Got != encodePin(theirs.Digest) || !strings.Contains(err.Error(), "look who else may set secrets") {
			t.Errorf("%s: %v", name, err)
		}
		if n := w.count(releasePath); n != released {
			t.Errorf("%s: a replaced value cost %d releases", name, n-released)
		}
		// Without the pin nobody notices.
		open := pinned
		open.Digest = [32]byte{}
		if got, err := u.Unwrap(context.Background(), open); err != nil || string(got) != "the attacker's" {
			t.Errorf("%s: unpinned: %q, %v", name, got, err)
		}
	}
}

// The secrets sidecar cannot compare: it must not become the way around a pin.
func TestSecretsSidecarTakesNoPin(t *testing.T) {
	w := newWorld(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked++
		reply(rw, 200, object{"value": "dGhlaXJz"})
	}))
	defer server.Close()
	s, err := NewSecretsSidecar(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ref := w.secretRef("db")
	if got, err := s.Unwrap(context.Background(), ref); err != nil || string(got) != "theirs" || asked != 1 {
		t.Fatalf("%q, %v, asked %d times", got, err, asked)
	}
	ref.Digest = WrappedDigest([]byte("ours"))
	if got, err := s.Unwrap(context.Background(), ref); !slices.Equal(failedIDs(err), []string{"secret.digest"}) || got != nil || asked != 1 {
		t.Errorf("%q, %v, asked %d times", got, err, asked)
	}
}

func TestPinnedOnly(t *testing.T) {
	w := newWorld(t)
	u := PinnedOnly(w.unwrapper(t, w.releaser(t)))
	w.store(t, "s", "secret")
	raw, err := base64.StdEncoding.DecodeString(w.secrets["s"])
	if err != nil {
		t.Fatal(err)
	}
	full := w.secretRef("s")
	full.Digest, full.KEK.Version = WrappedDigest(raw), version1
	noDigest, noVersion := full, full
	noDigest.Digest, noVersion.KEK.Version = [32]byte{}, ""
	for name, c := range map[string]struct {
		ref  SecretRef
		want []string
	}{
		"no digest": {noDigest, []string{"secret.pinned-digest"}},
		"no KEK":    {noVersion, []string{"secret.pinned-kek"}},
		"neither":   {w.secretRef("s"), []string{"secret.pinned-digest", "secret.pinned-kek"}},
	} {
		before := len(w.requests)
		got, err := u.Unwrap(context.Background(), c.ref)
		if !slices.Equal(failedIDs(err), c.want) || got != nil || len(w.requests) != before {
			t.Errorf("%s: %v after %d requests", name, err, len(w.requests)-before)
		}
	}
	if got, err := u.Unwrap(context.Background(), full); err != nil || string(got) != "secret" {
		t.Errorf("pinned: %q, %v", got, err)
	}
}

func TestSecretRefDigest(t *testing.T) {
	w := newWorld(t)
	ref := w.secretRef("s")
	ref.Digest = WrappedDigest([]byte("x"))
	b, err := json.Marshal(ref)
	if err != nil || !strings.Contains(string(b), `"sha256":"`+encodePin(ref.Digest)+`"`) {
		t.Fatalf("%s, %v", b, err)
	}
	var back SecretRef
	if err := json.Unmarshal(b, &back); err != nil || back.Digest != ref.Digest {
		t.Errorf("%+v, %v", back, err)
	}
	good := encodePin(ref.Digest)
	for _, bad := range []string{`""`, `null`, `1`, `"` + hex.EncodeToString(ref.Digest[:]) + `"`, `"` + encodePin([32]byte{}) + `"`, `"` + good[:43] + `"`, `"` + good + `="`, `"` + good[:40] + `\n` + good[40:] + `"`} {
		if err := json.Unmarshal([]byte(strings.Replace(string(b), `"`+good+`"`, bad, 1)), &back); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
	ref.Digest = [32]byte{}
	if b, err := json.Marshal(ref); err != nil || strings.Contains(string(b), "sha256") {
		t.Errorf("%s, %v", b, err)
	}
}

func FuzzUnwrap(f *testing.F) {
	private := wrapKey(f, 2048)
	key := releasedAs(private)
	opens := map[string]bool{}
	for _, n := range []int{0, 32, 190, 191, 400} {
		w, _, err := Wrap(&private.PublicKey, bytes.Repeat([]byte{1}, n))
		if err != nil {
			f.Fatal(err)
		}
		opens[string(w)] = true
		f.Add(w)
		f.Add(w[:len(w)-1])
		f.Add(append(bytes.Clone(w), 0))
	}
	f.Add([]byte(hybridMagic + "\x01\x00"))
	f.Add(append(hybridHead(256), make([]byte, 256+28)...))
	f.Add([]byte{})
	text := (&UnwrapError{Key: key.Ref()}).Error()
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		got, err := key.Unwrap(context.Background(), wrapped)
		if opens[string(wrapped)] != (err == nil) {
			t.Fatalf("opened: %d bytes, %v", len(got), err)
		}
		if err != nil && (err.Error() != text || got != nil) {
			t.Fatalf("%v", err)
		}
	})
}

// BenchmarkUnwrap prints what unwrapping costs in RSA decryptions, measured in
// turns.
func BenchmarkUnwrap(b *testing.B) {
	private := wrapKey(b, 2048)
	key := releasedAs(private)
	bare, err := WrapOAEP(&private.PublicKey, make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{32, 4096} {
		wrapped, form, err := Wrap(&private.PublicKey, make([]byte, n))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s-%d", form, n), func(b *testing.B) {
			var whole, alone time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := key.Unwrap(context.Background(), wrapped); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if _, err := rsa.DecryptOAEP(sha256.New(), nil, private, bare, nil); err != nil {
					b.Fatal(err)
				}
				whole, alone = whole+middle.Sub(start), alone+time.Since(middle)
			}
			b.ReportMetric(float64(whole)/float64(alone), "of-one-RSA-decryption")
		})
	}
}
