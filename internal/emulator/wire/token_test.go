package wire_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
)

var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func key(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	raw, err := wire.Sign(key(t), "k1", map[jose.HeaderKey]any{"jku": "https://x/certs"}, claims)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(t testing.TB, raw string) *wire.Token {
	t.Helper()
	token, err := wire.ParseToken(raw, jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignAndVerify(t *testing.T) {
	token := parse(t, sign(t, map[string]any{"n": json.RawMessage("18446744073709551615"), "s": "text", "o": map[string]any{}}))
	if token.KeyID != "k1" || token.Text("n") != "18446744073709551615" || token.Text("s") != "text" || token.Text("o") != "" || token.Text("absent") != "" {
		t.Errorf("token %+v", token)
	}
	if err := token.Verify(wire.Keys{"k1": &key(t).PublicKey}); err != nil {
		t.Error(err)
	}
	if err := token.Verify(wire.Keys{"k2": &key(t).PublicKey}); err == nil {
		t.Error("verified with a key of another id")
	}
}

func TestCheckTimes(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, c := range []struct {
		name   string
		claims map[string]any
		want   error // nil: accepted; errAny: some error
	}{
		{"valid", map[string]any{"exp": at(time.Second), "nbf": at(0)}, nil},
		{"strings", map[string]any{"exp": fmt.Sprint(at(1 * time.Second)), "nbf": fmt.Sprint(at(0))}, nil},
		{"no nbf", map[string]any{"exp": at(time.Second)}, nil},
		{"start within leeway", map[string]any{"exp": at(time.Hour), "nbf": at(5 * time.Minute)}, nil},
		{"expires now", map[string]any{"exp": at(0)}, wire.ErrExpired},
		{"starts later", map[string]any{"exp": at(time.Hour), "nbf": at(5*time.Minute + time.Second)}, wire.ErrNotYetValid},
		{"no exp", map[string]any{}, errAny},
		{"exp of text", map[string]any{"exp": "tomorrow"}, errAny},
		{"exp of fraction", map[string]any{"exp": 1.5e9 + 0.5}, errAny},
		{"nbf of object", map[string]any{"exp": at(time.Hour), "nbf": map[string]any{}}, errAny},
	} {
		err := parse(t, sign(t, c.claims)).CheckTimes(now)
		if c.want == errAny && err == nil || c.want != errAny && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

var errAny = errors.New("any error")

func TestParseTokenTakesListedAlgorithmsOnly(t *testing.T) {
	raw := sign(t, map[string]any{})
	none := wire.Encode64([]byte(`{"alg":"none"}`)) + "." + strings.Split(raw, ".")[1] + "."
	for _, text := range []string{none, "", "a.b", raw + ".x"} {
		if _, err := wire.ParseToken(text, jose.RS256); err == nil {
			t.Errorf("%q was parsed", text)
		}
	}
	if _, err := wire.ParseToken(raw, jose.PS256); err == nil {
		t.Error("an RS256 token was parsed where only PS256 is listed")
	}
}

func TestDiscover(t *testing.T) {
	const host = "issuer.example"
	network := wiretest.New(t, host)
	set := fmt.Sprintf(`{"keys":[{"kty":"EC","kid":"e"},{"kty":"RSA","kid":"small","n":"AQAB","e":"AQAB"},{"kty":"RSA","kid":"k1","n":%q,"e":"AQAB"}]}`, wire.Encode64(key(t).N.Bytes()))
	serve := func(document, keys string) {
		mux := http.NewServeMux()
		write := func(text string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
		}
		mux.HandleFunc("/.well-known/openid-configuration", write(document))
		mux.HandleFunc("/keys", write(keys))
		mux.Handle("/elsewhere", http.RedirectHandler("https://"+host+"/keys", http.StatusFound))
		network.Handle(host, mux)
	}
	good := `{"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/keys"}`
	for _, issuer := range []string{"https://" + host, "https://" + host + "/"} {
		serve(good, set)
		keys, err := wire.Discover(context.Background(), network.Client, issuer)
		if err != nil || len(keys) != 1 || keys["k1"] == nil {
			t.Errorf("%s: %v %v", issuer, keys, err)
		}
	}
	for name, c := range map[string][2]string{
		"another issuer":     {strings.Replace(good, `"https://issuer.example"`, `"https://other.example"`, 1), set},
		"keys by plain HTTP": {strings.Replace(good, "https://issuer.example/keys", "http://issuer.example/keys", 1), set},
		"keys redirected":    {strings.Replace(good, "example/keys", "example/elsewhere", 1), set},
		"no keys URL":        {`{}`, set},
		"no usable key":      {good, `{"keys":[{"kty":"EC"}]}`},
		"keys not JSON":      {good, "keys"},
		"document not JSON":  {"document", set},
		"document too long":  {good + strings.Repeat(" ", wire.MaxBody), set},
	} {
		serve(c[0], c[1])
		if keys, err := wire.Discover(context.Background(), network.Client, "https://"+host); err == nil {
			t.Errorf("%s: %d keys", name, len(keys))
		}
	}
	if _, err := wire.Discover(context.Background(), network.Client, "http://"+host); err == nil {
		t.Error("a plain HTTP issuer was asked")
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"k","x5c":["MIIB"]}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := wire.ParseKeys(b)
		if err != nil {
			return
		}
		for kid, k := range keys {
			if bits := k.N.BitLen(); bits < 2048 || bits > 8192 {
				t.Errorf("key %q has %d bits", kid, bits)
			}
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add(sign(f, map[string]any{"exp": "1", "aud": "a"}))
	f.Add("e30.e30.")
	pub := &key(f).PublicKey
	f.Fuzz(func(_ *testing.T, raw string) {
		token, err := wire.ParseToken(raw, jose.RS256, jose.PS256)
		if err != nil {
			return
		}
		_ = token.CheckTimes(time.Unix(0, 0))
		_ = token.Verify(wire.Keys{token.KeyID: pub})
	})
}
