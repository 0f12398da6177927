package skr

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
)

// jwk is a sidecar's key text, with changes.
func (w *world) jwk(edit func(object)) string {
	k := w.kek
	n := func(v *big.Int) string { return base64.RawURLEncoding.EncodeToString(v.Bytes()) }
	o := object{
		"kty": "RSA", "n": n(k.N), "e": "AQAB", "d": n(k.D), "p": n(k.Primes[0]), "q": n(k.Primes[1]),
		"dp": n(k.Precomputed.Dp), "dq": n(k.Precomputed.Dq), "qi": n(k.Precomputed.Qinv), "key_ops": []any{"encrypt"},
	}
	if edit != nil {
		edit(o)
	}
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestSidecarKey: every way to write the same key, and none that is another's.
func TestSidecarKey(t *testing.T) {
	w := newWorld(t)
	k := w.kek
	all := func(f func([]byte) any) func(object) {
		return func(o object) {
			for name, v := range map[string]*big.Int{"n": k.N, "e": big.NewInt(int64(k.E)), "d": k.D, "p": k.Primes[0], "q": k.Primes[1], "dp": k.Precomputed.Dp, "dq": k.Precomputed.Dq, "qi": k.Precomputed.Qinv} {
				o[name] = f(v.Bytes())
			}
		}
	}
	good := map[string]func(object){
		"as it is":      nil,
		"padded":        all(func(b []byte) any { return base64.URLEncoding.EncodeToString(b) }),
		"standard":      all(func(b []byte) any { return base64.StdEncoding.EncodeToString(b) }),
		"raw standard":  all(func(b []byte) any { return base64.RawStdEncoding.EncodeToString(b) }),
		"leading zero":  all(func(b []byte) any { return base64.RawURLEncoding.EncodeToString(append([]byte{0}, b...)) }),
		"numbers":       all(func(b []byte) any { return json.Number(new(big.Int).SetBytes(b).String()) }),
		"e is a number": func(o object) { o["e"] = 65537 },
		"HSM":           func(o object) { o["kty"] = "RSA-HSM" },
		"lower case":    func(o object) { o["kty"] = "rsa" },
		"no computed":   func(o object) { delete(o, "dp"); delete(o, "dq"); delete(o, "qi") },
		"kid":           func(o object) { o["kid"] = "x" },
		"no key_ops":    func(o object) { delete(o, "key_ops") },
		"d of Carmichael": func(o object) {
			p1, q1 := new(big.Int).Sub(k.Primes[0], big.NewInt(1)), new(big.Int).Sub(k.Primes[1], big.NewInt(1))
			lambda := new(big.Int).Div(new(big.Int).Mul(p1, q1), new(big.Int).GCD(nil, nil, p1, q1))
			o["d"] = base64.RawURLEncoding.EncodeToString(new(big.Int).ModInverse(big.NewInt(int64(k.E)), lambda).Bytes())
		},
	}
	for name, edit := range good {
		text := w.jwk(edit)
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{text, string(quoted)} {
			got, err := parseSidecarKey(json.RawMessage(raw))
			if err != nil || !got.PublicKey.Equal(&k.PublicKey) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	set := func(name string, v any) func(object) { return func(o object) { o[name] = v } }
	bad := map[string]func(object){
		"another d":    set("d", "AQAB"),
		"another dp":   set("dp", "AQAB"),
		"another qi":   set("qi", base64.RawURLEncoding.EncodeToString(k.Precomputed.Dp.Bytes())),
		"p for q":      set("q", base64.RawURLEncoding.EncodeToString(k.Primes[0].Bytes())),
		"n of nothing": set("n", ""),
		"no n":         func(o object) { delete(o, "n") },
		"no d":         func(o object) { delete(o, "d") },
		"no primes":    func(o object) { delete(o, "p"); delete(o, "q") },
		"zero":         set("p", "AA"),
		"negative":     set("e", -3),
		"fraction":     set("e", 65537.5),
		"exponent":     set("e", json.Number("1e5")),
		"even e":       set("e", 65536),
		"e of one":     set("e", 1),
		"huge e":       set("e", base64.RawURLEncoding.EncodeToString(k.N.Bytes())),
		"not base64":   set("d", "***"),
		"a list":       set("d", []any{"AQAB"}),
		"null":         set("d", nil),
		"too long":     set("d", strings.Repeat("A", maxMember+1)),
		"EC":           set("kty", "EC"),
		"octets":       func(o object) { clear(o); o["kty"], o["k"] = "oct", "AAAA" },
		"empty":        func(o object) { clear(o) },
		"no kty":       func(o object) { delete(o, "kty") },
	}
	for name, edit := range bad {
		if key, err := parseSidecarKey(json.RawMessage(w.jwk(edit))); key != nil || err != errSidecarKey {
			t.Errorf("%s: %v, %v", name, key != nil, err)
		}
	}
	for _, raw := range []string{"", "null", `""`, `"x"`, "[]", "1", `{"kty":"RSA","kty":"RSA"}`, w.jwk(nil) + w.jwk(nil)} {
		if key, err := parseSidecarKey(json.RawMessage(raw)); key != nil || err == nil {
			t.Errorf("%q was read", raw)
		}
	}
	if len(good) != 13 || len(bad) != 23 {
		t.Errorf("%d and %d cases", len(good), len(bad))
	}
}

// release runs a release by a scripted sidecar against the world's vault.
func (w *world) bySidecar(t testing.TB, answers ...said) (*Releaser, *script) {
	t.Helper()
	s := sayer(t, answers...)
	c, err := NewSidecarClient(s.URL, &SidecarClientOptions{SidecarOptions: quick, ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewSidecarReleaser(c, &ReleaserOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, s
}

func keyAnswer(text string) said {
	b, err := json.Marshal(map[string]string{"key": text})
	if err != nil {
		panic(err)
	}
	return said{200, string(b), [2]string{}}
}

// TestSidecarRelease: what is sent, and that nothing but the asked key is taken.
func TestSidecarRelease(t *testing.T) {
	w := newWorld(t)
	r, s := w.bySidecar(t, keyAnswer(w.jwk(nil)))
	key, err := r.Release(t.Context(), w.ref(), &bearer{"token"})
	if err != nil {
		t.Fatal(err)
	}
	if key.Ref().Version != version1 || len(key.Checks()) != 2 {
		t.Errorf("%s, %v", key.Ref(), key.Checks())
	}
	want := `{"maa_endpoint":"` + maaHost + `","akv_endpoint":"` + vaultHost + `","kid":"` + keyName + "/" + version1 + `","access_token":"token"}`
	if got := strings.TrimSpace(string(s.body[0])); got != want || s.seen[0].URL.Path != "/key/release" {
		t.Errorf("sent %s", got)
	}
	fresh := newWorld(t)
	other, err := generateOther()
	if err != nil {
		t.Fatal(err)
	}
	fresh.kek = other
	for name, c := range map[string]struct {
		answer said
		check  string
	}{
		"another key":   {keyAnswer(fresh.jwk(nil)), "release.published-key"},
		"a broken key":  {keyAnswer(w.jwk(func(o object) { o["d"] = "AQAB" })), "release.key-pair"},
		"half a key":    {keyAnswer(w.jwk(nil)[:500]), "release.key-pair"},
		"no key":        {said{200, `{}`, [2]string{}}, "release.key-pair"},
		"a key as null": {said{200, `{"key":null}`, [2]string{}}, "release.key-pair"},
		"octets":        {keyAnswer(`{"kty":"oct","k":"AAAA"}`), "release.key-pair"},
	} {
		r, s := w.bySidecar(t, c.answer)
		_, err := r.Release(t.Context(), w.ref(), &bearer{"token"})
		var denied *DeniedError
		if !errors.As(err, &denied) || denied.Checks[len(denied.Checks)-1].ID != c.check || s.calls.Load() != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A vault that does not show its keys to this identity.
	w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/keys/") || r.Header.Get("Authorization") == "" {
			return false
		}
		refuse(rw, 403, "Forbidden", "ForbiddenByRbac", "no")
		return true
	}
	r, s = w.bySidecar(t, keyAnswer(fresh.jwk(nil)))
	key, err = r.Release(t.Context(), w.ref(), &bearer{"token"})
	if err != nil {
		t.Fatal(err)
	}
	if c := key.Checks()[1]; c.ID != "release.published-key" || c.Got != "not readable with this identity" {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(string(s.body[0]), `"kid":"`+keyName+`"`) {
		t.Errorf("sent %s", s.body[0])
	}
	if _, err := r.Release(t.Context(), KeyRef{Name: "kek", VaultURL: "https://v.vault.azure.net", AttestationURL: maaHost}, nil); err == nil {
		t.Error("no credential")
	}
	r, _ = w.bySidecar(t, keyAnswer(w.jwk(nil)))
	if _, err := r.Release(t.Context(), w.ref(), &bearer{""}); err == nil || !strings.Contains(err.Error(), "empty access token") {
		t.Errorf("empty token: %v", err)
	}
	if _, err := NewSidecarReleaser(nil, nil); err == nil {
		t.Error("no sidecar")
	}
}

// TestSidecarDenials: the refusals of services behind a 403.
func TestSidecarDenials(t *testing.T) {
	refusal := func(cause string) said {
		b, err := json.Marshal(map[string]string{"error": "releasing the key K failed: " + cause})
		if err != nil {
			t.Fatal(err)
		}
		return said{403, string(b), [2]string{}}
	}
	for name, c := range map[string]struct {
		answer said
		check  string // "" for an error that is no denial
		says   string
	}{
		"role":        {refusal(`pulling AKV response body failed: {"error":{"code":"Forbidden","message":"m","innererror":{"code":"ForbiddenByRbac"}}}: http response status equal to 403 Forbidden`), "release.role", "Crypto Service Release User"},
		"no token":    {refusal(`pulling AKV response body failed: {"error":{"code":"Forbidden","message":"m","innererror":{"code":"AccessDenied"}}}: http response status equal to 403 Forbidden`), "release.policy", "could not be got here"},
		"attestation": {refusal(`Retrieving MAA token from MAA endpoint failed: x: http response status equal to 400 Bad Request`), "", "attest with " + maaHost},
		"tenant":      {refusal(`pulling AKV response body failed: x: http response status equal to 401 Unauthorized`), "", "tenant is the vault's"},
		"missing":     {refusal(`pulling AKV response body failed: x: http response status equal to 404 Not Found`), "", "check the key's name"},
		"unwrap":      {refusal(`unwrapping failed`), "", "unwrapping failed"},
	} {
		w := newWorld(t)
		r, _ := w.bySidecar(t, c.answer)
		_, err := r.Release(t.Context(), w.ref(), &bearer{"token"})
		var denied *DeniedError
		got := ""
		if errors.As(err, &denied) {
			got = denied.Checks[0].ID
		}
		if err == nil || got != c.check || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func generateOther() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }
