package cose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"strings"
	"testing"
)

func TestSignParseVerify(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		other, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		h := Header{KeyID: strings.Repeat("a", 64), Type: TypeBallot, CreatedAt: 1700000000, ProposalID: strings.Repeat("b", 64)}
		b, err := Sign(key, h, []byte(`{"ballot":""}`))
		if err != nil {
			t.Fatal(err)
		}
		if b[0] != 0xd2 {
			t.Errorf("first byte %#x, want tag 18", b[0])
		}
		m, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if m.Header != h || string(m.Payload) != `{"ballot":""}` {
			t.Errorf("parsed %+v %q", m.Header, m.Payload)
		}
		if err := m.Verify(&key.PublicKey); err != nil {
			t.Error(err)
		}
		if m.Verify(&other.PublicKey) == nil {
			t.Error("verified with another key")
		}
		m.msg.Payload = []byte("tampered")
		if m.Verify(&key.PublicKey) == nil {
			t.Error("tampered payload verified")
		}
	}
}

// The protected header of the annex of the governance specification: ES384,
// kid 64 times "a", type proposal, created_at 1700000000.
func TestProtectedHeaderBytes(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Sign(key, Header{KeyID: strings.Repeat("a", 64), Type: TypeProposal, CreatedAt: 1700000000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "a401382204584061616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161706363662e676f762e6d73672e747970656870726f706f73616c766363662e676f762e6d73672e637265617465645f61741a6553f100"
	if !strings.Contains(hex.EncodeToString(b), want) {
		t.Errorf("protected header differs:\n%x", b)
	}
	if !strings.Contains(hex.EncodeToString(b), want+"a040") {
		t.Error("no content must be an empty byte string, not nil")
	}
}

func TestRefuses(t *testing.T) {
	rk, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(rk, Header{}, nil); err == nil {
		t.Error("RSA key signed a governance message")
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	b, err := Sign(p384, Header{KeyID: "k", Type: TypeAck}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if m.Verify(&p256.PublicKey) == nil {
		t.Error("ES384 message verified with a P-256 key")
	}
	for _, bad := range [][]byte{nil, {0xd2}, b[1:], []byte("text")} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("parsed %x", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, typ := range []string{TypeProposal, TypeBallot, TypeAck} {
		b, err := Sign(key, Header{KeyID: "k", Type: typ, ProposalID: "p"}, []byte("{}"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := Parse(b); err == nil {
			_ = m.Verify(&key.PublicKey)
		}
	})
}
