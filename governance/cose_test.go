package governance_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/veraison/go-cose"

	"github.com/cleanroom-go/sdk/governance"
)

var curves = []struct {
	curve     elliptic.Curve
	alg       cose.Algorithm
	signature int // bytes
}{
	{elliptic.P256(), cose.AlgorithmES256, 64},
	{elliptic.P384(), cose.AlgorithmES384, 96},
	{elliptic.P521(), cose.AlgorithmES512, 132},
}

// capture keeps the governance messages of a client.
type capture struct{ messages [][]byte }

func (c *capture) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Content-Type") != "application/cose" {
			return next.RoundTrip(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		c.messages = append(c.messages, body)
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		return next.RoundTrip(again)
	})
}

// TestCurves sends every kind of message with a key on each curve, to a ledger
// that verifies them, and looks at the bytes.
func TestCurves(t *testing.T) {
	for _, test := range curves {
		t.Run(test.curve.Params().Name, func(t *testing.T) {
			c, id := commonConsortium(t)
			c.acceptedContract(id, "data")
			keys, err := governance.GenerateMemberKeys("auditor", &governance.MemberKeysOptions{Curve: test.curve})
			c.check(err)
			member, err := keys.Member()
			c.check(err)
			// A role takes the member out of the count, so that other tests go on.
			data := governance.MemberData{Identifier: "auditor", CGSOperator: true}
			c.accept(c.propose(c.consumer, governance.SetMember(member.CertificatePEM(), data)), c.both()...)
			sent := &capture{}
			client := c.client(member, sent.wrap)
			ctx := t.Context()
			c.check(client.Activate(ctx))
			p := c.propose(client, governance.EnableLogging(id))
			_, err = client.Proposal(p.ID).Vote(ctx, true)
			c.check(err)
			_, err = client.Proposal(p.ID).Withdraw(ctx)
			c.check(err)

			c.remove(member)

			want := []struct{ kind, proposal, payload string }{
				{"state_digest", "", ""},
				{"ack", "", `{"memberId":"` + member.ID() + `","stateDigest":"`},
				{"proposal", "", `{"actions":[{"name":"set_contract_runtime_options_enable_logging","args":{"contractId":"` + id + `"}}]}`},
				{"ballot", p.ID, `{"ballot":"export function vote (proposal, proposerId) { return true }"}`},
				{"withdrawal", p.ID, ""},
			}
			if len(sent.messages) != len(want) {
				t.Fatalf("%d messages, want %d", len(sent.messages), len(want))
			}
			public := certificate(t, member).PublicKey.(*ecdsa.PublicKey)
			for i, w := range want {
				checkMessage(t, sent.messages[i], w.kind, member.ID(), w.proposal, w.payload, test.alg, test.signature, public)
			}
		})
	}
	if len(curves) != 3 {
		t.Errorf("%d curves", len(curves))
	}
}

// remove leaves the common consortium as it was.
func (c *consortium) remove(m *governance.Member) {
	c.Helper()
	c.accept(c.propose(c.consumer, governance.RemoveMember(m.ID(), m.CertificatePEM())), c.both()...)
}

func certificate(t *testing.T, m *governance.Member) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(m.CertificatePEM())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func checkMessage(t *testing.T, message []byte, kind, kid, proposal, payload string, alg cose.Algorithm, signature int, public *ecdsa.PublicKey) {
	t.Helper()
	if message[0] != 0xD2 {
		t.Errorf("%s: the first byte is %#x, not tag 18", kind, message[0])
	}
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(message); err != nil {
		t.Fatal(err)
	}
	wantHeader := cose.ProtectedHeader{
		cose.HeaderLabelAlgorithm: alg,
		cose.HeaderLabelKeyID:     []byte(kid),
		"ccf.gov.msg.type":        kind,
	}
	if proposal != "" {
		wantHeader["ccf.gov.msg.proposal_id"] = proposal
	}
	header := m.Headers.Protected
	created, ok := header["ccf.gov.msg.created_at"].(int64)
	if age := time.Since(time.Unix(created, 0)); !ok || age < -time.Second || age > time.Minute {
		t.Errorf("%s: created_at is %v", kind, header["ccf.gov.msg.created_at"])
	}
	if len(header) != len(wantHeader)+1 || len(m.Headers.Unprotected) != 0 {
		t.Errorf("%s: headers %v and %v", kind, header, m.Headers.Unprotected)
	}
	for label, want := range wantHeader {
		got := header[label]
		if b, ok := got.([]byte); ok {
			if !bytes.Equal(b, want.([]byte)) {
				t.Errorf("%s: kid %q", kind, b)
			}
		} else if got != want {
			t.Errorf("%s: header %v is %v, want %v", kind, label, got, want)
		}
	}
	if m.Payload == nil || !strings.HasPrefix(string(m.Payload), payload) || (payload == "") != (len(m.Payload) == 0) {
		t.Errorf("%s: payload %q", kind, m.Payload)
	}
	if len(m.Signature) != signature {
		t.Errorf("%s: signature of %d bytes", kind, len(m.Signature))
	}
	verifier, err := cose.NewVerifier(alg, public)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(nil, verifier); err != nil {
		t.Errorf("%s: %v", kind, err)
	}
}

// remoteKey stands for a key in a vault: it signs, and no more is known of it.
type remoteKey struct {
	crypto.Signer
	err error
}

func (k remoteKey) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.err != nil {
		return nil, k.err
	}
	return k.Signer.Sign(r, digest, opts)
}

func TestRemoteKey(t *testing.T) {
	c, id := commonConsortium(t)
	c.acceptedContract(id, "data")
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	c.check(err)
	cert := selfSigned(t, key)
	member, err := governance.NewMember(cert, remoteKey{Signer: key})
	c.check(err)
	c.accept(c.propose(c.consumer, governance.SetMember(member.CertificatePEM(), governance.MemberData{Identifier: "vault", CGSOperator: true})), c.both()...)
	client := c.client(member, nil)
	c.check(client.Activate(t.Context()))
	p := c.propose(client, governance.EnableTelemetry(id))
	_, err = client.Proposal(p.ID).Withdraw(t.Context())
	c.check(err)

	c.remove(member)

	failure := errors.New("the vault is closed")
	broken, err := governance.NewMember(cert, remoteKey{key, failure})
	c.check(err)
	_, err = c.client(broken, nil).Propose(t.Context(), governance.EnableTelemetry(id))
	if !errors.Is(err, failure) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func selfSigned(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestNewMember(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	for says, test := range map[string]struct {
		cert *x509.Certificate
		key  crypto.Signer
	}{
		"needs a certificate and a key":       {nil, p256},
		"a member needs a certificate":        {selfSigned(t, p256), nil},
		"it does not belong to the":           {selfSigned(t, p256), other},
		"need an EC key, not *rsa.PublicKey":  {selfSigned(t, rsaKey), rsaKey},
		"curve P-224 is not one of P-256, P-": {selfSigned(t, p224), p224},
	} {
		_, err := governance.NewMember(test.cert, test.key)
		wantText(t, err, "governance: ", says)
	}
}
