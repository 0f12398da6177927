package skr

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

// FuzzReleasedJWK reads the key of a response that both the vault's signature
// and the wrapping vouched for: a vault may publish anything beside whatever it
// wrapped. Only a private key that fits the published half comes out.
func FuzzReleasedJWK(f *testing.F) {
	v := readVectors(f)
	var payload releasePayload
	rc, raw := vectorRelease(f)
	sig, err := splitJWS(raw)
	if err != nil || json.Unmarshal(sig.payload, &payload) != nil {
		f.Fatal(err)
	}
	plain := rc.unwrap(&checklist{}, &payload)
	good := payload.Response.Key.Key
	good.KeyHSM = ""
	for _, edit := range []func(*releasedJWK){
		func(*releasedJWK) {}, func(k *releasedJWK) { k.KTY = "RSA" }, func(k *releasedJWK) { k.KTY = "oct-HSM" }, func(k *releasedJWK) { k.KTY = "EC" },
		func(k *releasedJWK) { k.N += "=" }, func(k *releasedJWK) { k.E = "AAEAAQ" }, func(k *releasedJWK) { k.N, k.E = k.E, k.N },
	} {
		k := good
		edit(&k)
		b, err := json.Marshal(k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, plain)
		f.Add(b, plain[:len(plain)-1])
		f.Add(b, unhex(f, v.OctWrap.PlainHex))
	}
	f.Add([]byte(`{"kty":"-HSM"}`), []byte{})
	f.Add([]byte(`{"kty":"RSA-HSM","n":"","e":""}`), []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, text, plain []byte) {
		var k releasedJWK
		if json.Unmarshal(text, &k) != nil {
			return
		}
		var l checklist
		m := openKey(&l, &k, plain)
		if (m == nil) != (l.denied("op", "by") != nil) {
			t.Fatalf("a key without passing, or none without a failed check: %v", l.checks)
		}
		switch {
		case m == nil:
		case m.kind == kindOct:
			if m.rsa != nil || string(m.oct) != string(plain) || len(m.oct)%8 != 0 || len(m.oct) < 16 || len(m.oct) > 32 {
				t.Fatalf("an octet key of %d bytes", len(m.oct))
			}
			m.retain()
			m.drop()
			if m.oct != nil {
				t.Fatal("not dropped")
			}
		default:
			n, err := base64.RawURLEncoding.DecodeString(k.N)
			if err != nil || m.oct != nil || m.rsa.Validate() != nil || !usableRSA(&m.rsa.PublicKey) || string(m.rsa.N.Bytes()) != string(trimZeros(n)) {
				t.Fatal("not the private half of what is published")
			}
		}
	})
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}
