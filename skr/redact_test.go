package skr

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Nothing that holds a key or a token shows it, however it is printed.
func TestRedaction(t *testing.T) {
	w := newWorld(t)
	r := w.releaser(t)
	key, err := r.Release(context.Background(), w.ref(), &bearer{"canary-bearer"})
	if err != nil {
		t.Fatal(err)
	}
	decrypter, err := key.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.maaClient(t).Attest(context.Background(), evidenceFor(t, w), "")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(w.kek)
	if err != nil {
		t.Fatal(err)
	}
	canaries := map[string]string{
		"token":        token.Raw()[:200],
		"signature":    token.Raw()[strings.LastIndexByte(token.Raw(), '.')+1:],
		"key D":        w.kek.D.String(),
		"key D hex":    fmt.Sprintf("%x", w.kek.D),
		"key P":        w.kek.Primes[0].String(),
		"PKCS8 std":    base64.StdEncoding.EncodeToString(der)[40:80],
		"PKCS8 url":    base64.RawURLEncoding.EncodeToString(der)[40:80],
		"PKCS8 bytes":  strings.Trim(fmt.Sprint(der[40:60]), "[]"),
		"bearer token": "canary-bearer",
		"token bytes":  strings.Trim(fmt.Sprint([]byte(token.Raw())[:40]), "[]"),
	}
	var out bytes.Buffer
	loggers := []*slog.Logger{
		slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, v := range []any{key, token, r, decrypter, w.unwrapper(t, r), w.maaClient(t), struct{ K, T any }{key, token}, *token, []any{key, token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		for _, l := range loggers {
			l.Debug("canary", "value", v)
		}
	}
	for name, canary := range canaries {
		if strings.Contains(out.String(), canary) {
			t.Errorf("%s was printed", name)
		}
	}
	if !strings.Contains(out.String(), keyName) {
		t.Error("the key's name should be printed")
	}
}
