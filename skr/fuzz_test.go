package skr

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func FuzzToken(f *testing.F) {
	v := readVectors(f)
	c := vectorClient(f)
	c.endpoint = "https://127.0.0.1:1" // an unknown kid must not cost a look-up that works
	good := v.Token.Token
	f.Add(good)
	f.Add(good[:len(good)-2])
	f.Add("e30.e30.")
	f.Add("..")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := c.Verify(ctx, raw, "")
		if (token == nil) == (err == nil) {
			t.Fatalf("token %v and error %v", token, err)
		}
		if err == nil {
			t.Fatal("accepted for another host")
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(readVectors(f).Token.Payload))
	f.Add([]byte(`{"iss":1,"exp":1e400,"nbf":-1,"x-ms-runtime":[]}`))
	f.Add([]byte(`{"a":{"a":{"a":{}}}}`))
	c := vectorClient(f)
	policy, err := NewReleasePolicy(maaHost, strings.Repeat("ab", 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		claims, err := decodeObjectStrict(b)
		if err != nil {
			return
		}
		var l checklist
		c.verifyClaims(&l, claims, "n", []byte("{}"))
		if l.denied("op", "by") == nil {
			t.Fatal("accepted without the nonce's runtime data")
		}
		_ = policy.Explain(claims).String()
	})
}

func FuzzKeySet(f *testing.F) {
	f.Add([]byte(readVectors(f).Token.JWKS))
	f.Add([]byte(`{"keys":[{"kid":"a","kty":"RSA","x5c":["MAA="]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := parseKeySet(b)
		if err == nil && len(set) == 0 {
			t.Fatal("an empty set without an error")
		}
		for kid, pub := range set {
			if kid == "" || !usableRSA(pub) {
				t.Fatalf("unusable key %q", kid)
			}
		}
	})
}

func FuzzReleaseResponse(f *testing.F) {
	rc, raw := vectorRelease(f)
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		m, checks := rc.open(s)
		if m != nil && s != raw {
			t.Fatal("a changed response was accepted")
		}
		if m == nil && len(checks) == 0 {
			t.Fatal("refused without a check")
		}
	})
}

// FuzzReleasePayload reaches what lies behind the signature.
func FuzzReleasePayload(f *testing.F) {
	rc, raw := vectorRelease(f)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte(`{"request":{"kid":"https://vector.vault.azure.net/keys/e1b9d6c2-kek"},"response":{"key":{"key":{"kid":"%","key_hsm":"e30"}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var doc releasePayload
		if json.Unmarshal(b, &doc) != nil {
			return
		}
		var l checklist
		if _, ok := rc.verifyRequest(&l, &doc); !ok && l.denied("", "") == nil {
			t.Fatal("refused without a failed check")
		}
		if plain := rc.unwrap(&l, &doc); plain != nil {
			openKey(&l, &doc.Response.Key.Key, plain)
		}
	})
}

func FuzzReleasePolicy(f *testing.F) {
	v := readVectors(f)
	f.Add([]byte(v.Policy.CLI))
	f.Add([]byte(v.Policy.Compact))
	f.Add([]byte(`{"version":"1.0.0","anyOf":[{"authority":"a","anyOf":[{"allOf":[{"claim":"<","less":1e5}]}]}]}`))
	claims := goldenClaims()
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseReleasePolicy(b)
		if err != nil {
			return
		}
		q, err := ParseReleasePolicy(p.Encode())
		if err != nil {
			t.Fatalf("%s cannot be read back: %v", p, err)
		}
		if !p.Equal(q) || !bytes.Equal(p.Encode(), q.Encode()) || p.Hash() != q.Hash() {
			t.Fatalf("%s came back as %s", p, q)
		}
		if p.Explain(claims).Satisfied != q.Explain(claims).Satisfied {
			t.Fatal("the same policy decides twice")
		}
	})
}

func FuzzRefs(f *testing.F) {
	f.Add([]byte(`{"clientId":"c","tenantId":"t","kid":"a/1","akvEndpoint":"v.vault.azure.net","kek":{"kid":"k","akvEndpoint":"https://v/","maaEndpoint":"m"}}`))
	f.Add([]byte(`{"kid":"k","akvEndpoint":"https://[::1]:8443/","maaEndpoint":"m:443"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var secret SecretRef
		if json.Unmarshal(b, &secret) == nil {
			roundTrip(t, secret, new(SecretRef))
		}
		var key KeyRef
		if json.Unmarshal(b, &key) == nil {
			roundTrip(t, key, new(KeyRef))
		}
	})
}

func roundTrip[T comparable](t *testing.T, in T, out *T) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("%v was read but cannot be written: %v", in, err)
	}
	if err := json.Unmarshal(b, out); err != nil || *out != in {
		t.Fatalf("%s came back as %v: %v", b, *out, err)
	}
}

func FuzzAssertion(f *testing.F) {
	f.Add(assertionToken())
	f.Add("a.e30.c")
	f.Fuzz(func(t *testing.T, s string) {
		explainFederation(context.Canceled, "c", readAssertion(s))
	})
}

// FuzzStrictJSON compares our reader with the library's.
func FuzzStrictJSON(f *testing.F) {
	f.Add([]byte(readVectors(f).Token.Payload))
	f.Add([]byte(` {"a\u00e9\\":[1e-5,-0,{"":null}],"b":"\xff","c":[ ],"d":{ }, "e" : [true , false]} `))
	f.Add([]byte(`"\ud800"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeStrict(b)
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil || !equalJSON(got, want) || !equalJSON(want, got) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v, %v", b, got, want)
		}
	})
}
