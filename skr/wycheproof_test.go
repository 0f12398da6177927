package skr

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"testing"
)

// The vectors under testdata/wycheproof are those of Project Wycheproof; their
// licence lies beside them.

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

type wycheproofJWK struct {
	keySetEntry
	N, E string
}

func (k wycheproofJWK) rsa() *rsa.PublicKey {
	n, errN := base64.RawURLEncoding.DecodeString(k.N)
	e, errE := base64.RawURLEncoding.DecodeString(k.E)
	if !k.verifies() || errN != nil || errE != nil {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}

type wycheproofGroup struct {
	PublicKeyDer    hexBytes
	PrivateKeyPkcs8 hexBytes
	SHA             string `json:"sha"`
	MGFSHA          string `json:"mgfSha"`
	Private, Public *wycheproofJWK
	Tests           []struct {
		ID        int `json:"tcId"`
		Comment   string
		Msg, Sig  hexBytes
		Ct, Label hexBytes
		JWS       string
		Result    string
	}
}

func wycheproof(t *testing.T, name string) []wycheproofGroup {
	t.Helper()
	b, err := os.ReadFile("testdata/wycheproof/" + name + "_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Groups []wycheproofGroup `json:"testGroups"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Groups
}

// Of all valid messages, in every algorithm, the ones by RS256 alone pass.
func TestWycheproofJWS(t *testing.T) {
	ran, passed := 0, 0
	for _, g := range wycheproof(t, "json_web_signature") {
		jwk := g.Public
		if jwk == nil {
			jwk = g.Private // of a secret key
		}
		for _, v := range g.Tests {
			ran++
			var l checklist
			sig := l.parseJWS("token", v.JWS, maxTokenBytes)
			pub := jwk.rsa()
			ok := sig != nil && pub != nil && usableRSA(pub) && sig.verify(pub) == nil
			if ok && v.Result != "valid" {
				t.Errorf("%d (%s) was accepted", v.ID, v.Comment)
			}
			if !ok && sig != nil && pub != nil && v.Result == "valid" {
				t.Errorf("%d (%s) was refused", v.ID, v.Comment)
			}
			if ok {
				passed++
			}
		}
	}
	if ran != 401 || passed != 8 {
		t.Errorf("want 401 vectors, 8 accepted; ran %d, %d accepted", ran, passed)
	}
}

// What we rely on: certificates verify with these two algorithms in the chain
// of a processor, ECDSA signs its reports, and PKCS #1 v1.5 tokens and release
// responses.
func TestWycheproofSignatures(t *testing.T) {
	for _, f := range []struct {
		name string
		want int
		alg  x509.SignatureAlgorithm
	}{
		{"rsa_signature_2048_sha256", 259, x509.SHA256WithRSA},
		{"rsa_pss_2048_sha256_mgf1_32", 108, x509.SHA256WithRSAPSS},
		{"ecdsa_secp384r1_sha384", 504, x509.ECDSAWithSHA384},
	} {
		t.Run(f.name, func(t *testing.T) {
			ran := 0
			for _, g := range wycheproof(t, f.name) {
				pub, err := x509.ParsePKIXPublicKey(g.PublicKeyDer)
				if err != nil {
					t.Fatal(err)
				}
				cert := &x509.Certificate{PublicKey: pub}
				for _, v := range g.Tests {
					ran++
					err := cert.CheckSignature(f.alg, v.Msg, v.Sig)
					if (err == nil) != (v.Result == "valid") && v.Result != "acceptable" {
						t.Errorf("%d (%s): %s, got %v", v.ID, v.Comment, v.Result, err)
					}
					if rsaPub, ok := pub.(*rsa.PublicKey); ok && f.alg == x509.SHA256WithRSA {
						ours := (&jws{signed: v.Msg, signature: v.Sig}).verify(rsaPub)
						if (ours == nil) != (err == nil) {
							t.Errorf("%d: ours %v, the library's %v", v.ID, ours, err)
						}
					}
				}
			}
			if ran != f.want {
				t.Errorf("want %d vectors, ran %d", f.want, ran)
			}
		})
	}
}

// A released key opens what the vectors say, and Unwrap the part of them that
// is a wrapped secret.
func TestWycheproofOAEP(t *testing.T) {
	for _, f := range []struct {
		name string
		want int
	}{
		{"rsa_oaep_2048_sha256_mgf1sha256", 37},
		{"rsa_oaep_3072_sha256_mgf1sha256", 37},
		{"rsa_oaep_2048_sha256_mgf1sha1", 31},
	} {
		t.Run(f.name, func(t *testing.T) {
			ran, unwrapped := 0, 0
			for _, g := range wycheproof(t, f.name) {
				parsed, err := x509.ParsePKCS8PrivateKey(g.PrivateKeyPkcs8)
				if err != nil {
					t.Fatal(err)
				}
				key := (&releasedMaterial{kind: kindRSA, rsa: parsed.(*rsa.PrivateKey)}).handle()
				decrypter, err := key.Decrypter()
				if err != nil {
					t.Fatal(err)
				}
				mgf := crypto.SHA256
				if g.MGFSHA == "SHA-1" {
					mgf = crypto.SHA1
				}
				for _, v := range g.Tests {
					ran++
					plain, err := decrypter.Decrypt(nil, v.Ct, &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: mgf, Label: v.Label})
					if (err == nil) != (v.Result == "valid") && v.Result != "acceptable" || err == nil && string(plain) != string(v.Msg) {
						t.Errorf("%d (%s): %s, got %v", v.ID, v.Comment, v.Result, err)
					}
					wrapsAsWeDo := mgf == crypto.SHA256 && len(v.Label) == 0
					again, err2 := key.Unwrap(t.Context(), v.Ct)
					if wrapsAsWeDo && ((err2 == nil) != (err == nil) || string(again) != string(plain)) {
						t.Errorf("%d (%s): Unwrap: %v", v.ID, v.Comment, err2)
					}
					if !wrapsAsWeDo && err2 == nil {
						t.Errorf("%d (%s): Unwrap opened another scheme", v.ID, v.Comment)
					}
					if err2 == nil {
						unwrapped++
					}
				}
			}
			if ran != f.want || unwrapped == 0 && f.want == 37 {
				t.Errorf("want %d vectors, ran %d, %d unwrapped", f.want, ran, unwrapped)
			}
		})
	}
}
