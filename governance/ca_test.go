package governance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// authority gives the contract a CA with a key, and returns its certificate.
func (c *consortium) authority(id string) []byte {
	c.Helper()
	p, err := c.consumer.Contract(id).CA().ProposeEnable(c.Context())
	c.check(err)
	c.accept(p, c.both()...)
	_, err = c.publisher.Contract(id).CA().GenerateSigningKey(c.Context())
	c.check(err)
	info, err := c.publisher.Contract(id).CA().Info(c.Context())
	c.check(err)
	return info.CertificatePEM
}

func TestCA(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	ca := c.consumer.Contract(id).CA()
	info := func() *governance.CAInfo {
		t.Helper()
		info, err := c.publisher.Contract(id).CA().Info(ctx)
		c.check(err)
		return info
	}
	if i := info(); i.Enabled || i.CertificatePEM != nil || len(i.ProposalIDs) != 0 {
		t.Errorf("before: %+v", i)
	}
	_, err := ca.GenerateSigningKey(ctx)
	wantCode(t, err, "CANotEnabled")
	_, err = ca.ProposeEnable(ctx)
	wantCode(t, err, "ProposalFailedToValidate")
	c.acceptedContract(id, "data")
	_, err = ca.ProposeRotation(ctx)
	wantCode(t, err, "ProposalFailedToValidate")
	p, err := ca.ProposeEnable(ctx)
	c.check(err)
	if i := info(); i.Enabled || !slices.Equal(i.ProposalIDs, []string{p.ID}) {
		t.Errorf("proposed: %+v", i)
	}
	c.accept(p, c.both()...)
	if i := info(); !i.Enabled || i.CertificatePEM != nil {
		t.Errorf("enabled: %+v", i)
	}
	generate := func(want string) {
		t.Helper()
		got, err := ca.GenerateSigningKey(ctx)
		c.check(err)
		if got != want {
			t.Errorf("request %q, want %q", got, want)
		}
	}
	generate("1")
	first := info().CertificatePEM
	generate("1")
	if string(info().CertificatePEM) != string(first) {
		t.Error("the key changed without a vote")
	}
	p, err = ca.ProposeRotation(ctx)
	c.check(err)
	c.accept(p, c.both()...)
	generate("2")
	if string(info().CertificatePEM) == string(first) {
		t.Error("the key did not change")
	}
	for _, call := range []func(*governance.CAClient) error{
		func(a *governance.CAClient) error { _, err := a.Info(ctx); return err },
		func(a *governance.CAClient) error { _, err := a.GenerateSigningKey(ctx); return err },
	} {
		wantText(t, call(c.consumer.Contract("a/b").CA()), `contract id "a/b"`)
	}
}

// TestEndorsedCertificate lets a peer that knows nothing but the CA talk to a
// room.
func TestEndorsedCertificate(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	ca := c.authority(id)
	cert, err := room.EndorsedCertificate(ctx, governance.CertificateRequest{
		CA: ca, CommonName: "room", DNSNames: []string{"room.example"}, IPAddresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Validity: 48 * time.Hour,
	})
	c.check(err)
	defer cert.Close()
	pair, err := cert.TLS()
	c.check(err)
	if got := pair.Leaf.NotAfter.Sub(pair.Leaf.NotBefore); got != 48*time.Hour {
		t.Errorf("valid for %s", got)
	}
	if got := dialRoom(t, pair, ca); got != "hello" {
		t.Errorf("the peer got %q", got)
	}
	another, err := room.EndorsedCertificate(ctx, governance.CertificateRequest{CA: ca, CommonName: "room"})
	c.check(err)
	if string(another.PrivateKeyPEM()) == string(cert.PrivateKeyPEM()) {
		t.Error("two certificates with one key")
	}
}

func dialRoom(t *testing.T, pair *tls.Certificate, ca []byte) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = io.WriteString(conn, "hello")
			conn.Close()
		}
		served <- err
	}()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	d := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{RootCAs: pool}}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestEndorsedCertificateRefused(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	room := c.agreedRoom(id, nil)
	g := c.launch("another policy")
	other := id + "-other"
	c.agree(other, g.hostData())
	ask := func(r *governance.RoomClient, ca []byte) error {
		_, err := r.EndorsedCertificate(ctx, governance.CertificateRequest{CA: ca, CommonName: "room"})
		return err
	}
	theirs := c.authority(other)
	wantCode(t, ask(room, theirs), "NoCASigningKey")
	ours := c.authority(id)
	c.check(ask(room, ours))
	wantDenied(t, ask(room, theirs), "certificate.signature")
	wantDenied(t, ask(c.room(id, g, nil), ours), "policy.match")
	wantText(t, ask(room, nil), "governance: get endorsed certificate of "+id+": ", "CAClient.Info")
	// After a rotation the certificate that the room has is of no use.
	p, err := c.consumer.Contract(id).CA().ProposeRotation(ctx)
	c.check(err)
	c.accept(p, c.both()...)
	_, err = c.consumer.Contract(id).CA().GenerateSigningKey(ctx)
	c.check(err)
	wantText(t, wantDenied(t, ask(room, ours), "certificate.signature"), "may have been rotated")
}

// TestEndorsedCertificateIsNotPrinted looks for the key in every form of it.
func TestEndorsedCertificateIsNotPrinted(t *testing.T) {
	c, id := commonConsortium(t)
	room := c.agreedRoom(id, nil)
	cert, err := room.EndorsedCertificate(t.Context(), governance.CertificateRequest{CA: c.authority(id), CommonName: "room"})
	c.check(err)
	canary := strings.Split(string(cert.PrivateKeyPEM()), "\n")[1]
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+verb, cert, *cert)
	}
	text, err := json.Marshal(cert)
	c.check(err)
	b.Write(text)
	slog.New(slog.NewJSONHandler(&b, nil)).InfoContext(context.Background(), "x", "cert", cert)
	if strings.Contains(b.String(), canary) || !strings.Contains(b.String(), "BEGIN CERTIFICATE") {
		t.Errorf("printed: %s", b.String())
	}
	cert.Close()
	if cert.PrivateKeyPEM() != nil {
		t.Error("the key is there after Close")
	}
	if _, err := cert.TLS(); err == nil {
		t.Error("a pair without a key")
	}
}
