package datasink_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/cleanroom-go/sdk/datasink"
	"github.com/cleanroom-go/sdk/datasink/sealed"
)

// sealedVector fixes how mode Sealed uses its format: the key that is derived
// of the DEK, the context of a blob, and those of the manifest. Blobs that were
// written once must open for ever.
type sealedVector struct {
	Comment     string
	DEK         string
	Contract    string
	Datasink    string
	SealedKey   string
	ManifestKey string
	Blobs       []struct{ Name, Context, Stored, Plain string }
	Manifest    struct{ Context, Stored, Plain, Hash string }
}

func readSealedVector(t *testing.T) *sealedVector {
	t.Helper()
	b, err := os.ReadFile("testdata/sealed.json")
	if err != nil {
		t.Fatal(err)
	}
	v := &sealedVector{}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSealedVector opens what an earlier build stored: through a sink, and
// with the format alone from key and context as they are written down.
func TestSealedVector(t *testing.T) {
	v := readSealedVector(t)
	dek, err := datasink.ParseDEK(unhex(t, v.DEK))
	if err != nil {
		t.Fatal(err)
	}
	b := datasink.Memory()
	s := newSink(t, b, &datasink.Options{Mode: datasink.Sealed, DEK: dek, Contract: v.Contract, Datasink: v.Datasink})
	opened := 0
	check := func(name, key, context, stored, plain string) {
		t.Helper()
		r, err := sealed.NewReader(bytes.NewReader(unhex(t, stored)), unhex(t, key), unhex(t, context))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := io.ReadAll(r); err != nil || hex.EncodeToString(got) != plain {
			t.Errorf("%s: the format gives %x, %v", name, got, err)
		}
		plant(t, b, name, unhex(t, stored), nil)
		opened++
	}
	for _, blob := range v.Blobs {
		check(blob.Name, v.SealedKey, blob.Context, blob.Stored, blob.Plain)
		r, err := s.Open(t.Context(), blob.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || hex.EncodeToString(got) != blob.Plain {
			t.Errorf("%s: the sink gives %x, %v", blob.Name, got, err)
		}
	}
	check(".cleanroom-manifest", v.ManifestKey, v.Manifest.Context, v.Manifest.Stored, v.Manifest.Plain)
	hash := [32]byte(unhex(t, v.Manifest.Hash))
	if result, err := s.CheckManifest(t.Context(), &hash); err != nil || !result.Newest || len(result.Manifest.Blobs) != len(v.Blobs) {
		t.Errorf("the manifest: %+v, %v", result, err)
	}
	if opened != 4 {
		t.Errorf("%d messages were opened, want 4", opened)
	}
}

// TestSealedDerivation computes keys and contexts of the vector from the words
// of the format, so that the vector itself is not only what the code did.
func TestSealedDerivation(t *testing.T) {
	v := readSealedVector(t)
	for label, want := range map[string]string{"sealed": v.SealedKey, "manifest": v.ManifestKey} {
		key, err := hkdf.Expand(sha512.New, unhex(t, v.DEK), "cleanroom-go/datasink/v1 "+label, 32)
		if err != nil || hex.EncodeToString(key) != want {
			t.Errorf("the key of %s is %x, %v", label, key, err)
		}
	}
	place := "cleanroom-go/datasink/v1\x00" + v.Contract + "\x00" + v.Datasink + "\x00"
	for _, blob := range v.Blobs {
		if got := hex.EncodeToString([]byte(place + blob.Name)); got != blob.Context {
			t.Errorf("the context of %s is %s", blob.Name, got)
		}
	}
	if got := hex.EncodeToString([]byte(place + ".cleanroom-manifest")); got != v.Manifest.Context {
		t.Errorf("the context of the manifest is %s", got)
	}
	if got := sha256.Sum256(unhex(t, v.Manifest.Plain)); hex.EncodeToString(got[:]) != v.Manifest.Hash {
		t.Errorf("the hash of the manifest is %x", got)
	}
	// The manifest itself names each blob by the hash of its stored header.
	want := `{"generation":1,"blobs":[`
	for i, blob := range v.Blobs {
		if i > 0 {
			want += ","
		}
		stored := unhex(t, blob.Stored)
		id := sha256.Sum256(stored[:sealed.HeaderSize])
		want += fmt.Sprintf(`{"name":%q,"size":%d,"id":"%x"}`, blob.Name, len(blob.Plain)/2, id)
	}
	if want += "]}"; string(unhex(t, v.Manifest.Plain)) != want {
		t.Errorf("the manifest is %s\nwant            %s", unhex(t, v.Manifest.Plain), want)
	}
}
