package datasink_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
)

func TestDEK(t *testing.T) {
	dek, err := datasink.NewDEK()
	if err != nil {
		t.Fatal(err)
	}
	raw := dek.Clone()
	if len(raw) != datasink.DEKSize {
		t.Fatalf("%d bytes", len(raw))
	}
	opts := &datasink.Options{Mode: datasink.CPK, DEK: dek}
	var text strings.Builder
	for _, v := range []any{dek, *dek, opts, *opts, []any{dek}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&text, verb, v)
		}
	}
	b, err := json.Marshal(dek)
	if err != nil {
		t.Fatal(err)
	}
	text.Write(b)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("key", "dek", dek)
	for _, form := range []string{string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), fmt.Sprint(raw)} {
		if strings.Contains(strings.ToLower(text.String()), strings.ToLower(form)) {
			t.Error("a textual form shows the key")
		}
	}
	if dek.Digest() != sha256.Sum256(raw) {
		t.Error("the digest is not the SHA-256 of the bytes")
	}
	dek.Close()
	if dek.Digest() != [32]byte{} {
		t.Error("a closed key has a digest")
	}
	if dek.Clone() != nil {
		t.Error("a closed key still has bytes")
	}
	for _, n := range []int{0, 16, 31, 33, 44} {
		if _, err := datasink.ParseDEK(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was accepted", n)
		}
	}
}
