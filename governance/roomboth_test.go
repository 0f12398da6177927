package governance_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// The parts of TestRoomBothWays that have a setup of their own. Each gets a room
// of the agreed contract.

// readDocuments reads what members and approvers accepted, and nothing else.
func (c *consortium) readDocuments(id string, room governance.Room) {
	c.Helper()
	ctx := c.Context()
	const data = "text \u00fc <&>\x00"
	version, err := c.consumer.Document(id).Create(ctx, id, data)
	c.check(err)
	_, err = room.Document(ctx, id)
	wantCode(c, err, "DocumentNotFound")
	p, err := c.consumer.Document(id).Propose(ctx, version)
	c.check(err)
	c.accept(p, c.both()...)
	got, err := room.Document(ctx, id)
	c.check(err)
	if got.ID != id || got.ContractID != id || got.Data != data || got.State != governance.DocumentAccepted || len(got.FinalVotes) != 2 {
		c.Errorf("document %+v", got)
	}

	version, err = c.consumer.UserDocument(id).Create(ctx, governance.UserDocumentDraft{ContractID: id, Data: data, Approvers: []governance.Approver{approver(c.publisher)}})
	c.check(err)
	_, err = room.UserDocument(ctx, id)
	wantCode(c, err, "UserDocumentNotFound")
	status, err := room.UserDocumentConsent(ctx, id, governance.Execution)
	c.check(err)
	if status.Enabled || status.ReasonCode != "UserDocumentNotAccepted" || status.DocumentID != id || status.ContractID != id {
		c.Errorf("status %+v", status)
	}
	up, err := c.consumer.UserDocument(id).Propose(ctx, version)
	c.check(err)
	_, err = c.publisher.UserDocument(id).Vote(ctx, up.ID, true)
	c.check(err)
	user, err := room.UserDocument(ctx, id)
	c.check(err)
	if user.ID != id || user.Data != data || user.State != governance.DocumentAccepted || len(user.Approvers) != 1 || !user.FinalVotes[c.publisher.Member().ID()] {
		c.Errorf("user document %+v", user)
	}
	status, err = room.UserDocumentConsent(ctx, id, governance.Telemetry)
	c.check(err)
	c.check(status.Err())
	_, err = room.UserDocumentConsent(ctx, id, governance.Logging)
	wantCode(c, err, "InvalidUserDocumentRuntimeOption")

	// Another contract's document.
	theirs := id + "-theirs"
	c.acceptedContract(theirs, "data")
	version, err = c.consumer.Document(theirs).Create(ctx, theirs, data)
	c.check(err)
	p, err = c.consumer.Document(theirs).Propose(ctx, version)
	c.check(err)
	c.accept(p, c.both()...)
	_, err = room.Document(ctx, theirs)
	wantCode(c, err, "ContractIdMismatch")
	for _, bad := range []string{"", "a/b", "..", "%41"} {
		_, document := room.Document(ctx, bad)
		_, user := room.UserDocument(ctx, bad)
		_, consent := room.UserDocumentConsent(ctx, bad, governance.Execution)
		for _, err := range []error{document, user, consent} {
			wantText(c, err, "governance: document id ")
		}
	}
	if _, err := room.UserDocumentConsent(ctx, id, "a/b"); err == nil {
		c.Error("an option with a slash was asked for")
	}
}

// endorse gets a certificate that names are checked of, once there is a key.
func (c *consortium) endorse(id string, room, stranger governance.Room) {
	c.Helper()
	ctx := c.Context()
	other := id + "-other-ca"
	c.acceptedContract(other, "data")
	theirs := c.authority(other)
	q := governance.CertificateRequest{CA: theirs, CommonName: "room", DNSNames: []string{"room.example"}}
	_, err := room.EndorsedCertificate(ctx, q)
	wantCode(c, err, "NoCASigningKey")
	q.CA = c.authority(id)
	cert, err := room.EndorsedCertificate(ctx, q)
	c.check(err)
	defer cert.Close()
	pair, err := cert.TLS()
	c.check(err)
	if err := pair.Leaf.VerifyHostname("room.example"); err != nil || pair.Leaf.Subject.CommonName != "room" {
		c.Errorf("certificate of %s: %v", pair.Leaf.Subject, err)
	}
	_, err = stranger.EndorsedCertificate(ctx, q)
	wantDenied(c, err, "policy.match")
	q.CA = theirs
	_, err = room.EndorsedCertificate(ctx, q)
	wantDenied(c, err, "certificate.signature")
	for _, bad := range []governance.CertificateRequest{{}, {CommonName: "room"}, {CA: theirs}, {CA: theirs, CommonName: "a,O=b"}, {CA: []byte("x"), CommonName: "room"}} {
		_, err := room.EndorsedCertificate(ctx, bad)
		wantText(c, err, "governance: get endorsed certificate of "+id+": ")
	}
}

// signPayloads has a payload signed, once there is a key.
func (c *consortium) signPayloads(room governance.Room) {
	c.Helper()
	ctx := c.Context()
	payload := []byte("payload \x00\xff")
	if info, err := c.publisher.Signing().Info(ctx); err == nil && info.PublicKeyPEM == "" {
		// The key is the service's: the first way here finds none.
		_, err = room.Sign(ctx, payload)
		wantCode(c, err, "SigningKeyNotAvailable")
	}
	_, err := c.consumer.Signing().GenerateSigningKey(ctx)
	c.check(err)
	info, err := c.publisher.Signing().Info(ctx)
	c.check(err)
	signature, err := room.Sign(ctx, payload)
	c.check(err)
	c.check(info.Verify(payload, signature))
	if info.Verify(payload[1:], signature) == nil {
		c.Error("the signature is good for another payload")
	}
	_, err = room.Sign(ctx, nil)
	wantText(c, err, "the payload is empty")
}

// delegate lets a helper report events, and takes it back.
func (c *consortium) delegate(id string, room governance.Room) {
	c.Helper()
	ctx := c.Context()
	g := c.launch("helper of " + id)
	helper := c.room(id, g, nil)
	put := func() error {
		return helper.PutEvent(ctx, struct{}{}, &governance.PutEventOptions{ID: "helper"})
	}
	wantDenied(c, put(), "policy.match")
	update := governance.HostDataPolicy(g.hostData())
	c.check(room.SetDelegatePolicy(ctx, governance.EventDelegate(), update))
	c.check(put())
	update.Type = governance.PolicyRemove
	c.check(room.SetDelegatePolicy(ctx, governance.EventDelegate(), update))
	wantDenied(c, put(), "policy.match")
	wantCode(c, room.SetDelegatePolicy(ctx, governance.EventDelegate(), update), "InternalError")
	if list, err := c.publisher.Contract(id).Delegates(ctx); err != nil || len(list) != 1 || list[0] != governance.EventDelegate() {
		c.Errorf("delegates %v, %v", list, err)
	}
	wantText(c, room.SetDelegatePolicy(ctx, governance.Delegate{Type: "a/b", ID: "c"}, update), `delegate type "a/b"`)
	wantText(c, room.SetDelegatePolicy(ctx, governance.Delegate{Type: "a"}, update), "delegate id is empty")
	wantText(c, room.SetDelegatePolicy(ctx, governance.EventDelegate(), governance.PolicyUpdate{Type: governance.PolicyAdd}), "no claim")
	update.Type = "replace"
	wantText(c, room.SetDelegatePolicy(ctx, governance.EventDelegate(), update), `type "replace" must be add or remove`)
}

// TestSidecarLies has answers that are not what was asked for.
func TestSidecarLies(t *testing.T) {
	ctx := t.Context()
	ca, err := testpki.New("authority")
	if err != nil {
		t.Fatal(err)
	}
	readDocument := func(s *governance.SidecarRoom) error { _, err := s.Document(ctx, "d"); return err }
	readUserDocument := func(s *governance.SidecarRoom) error { _, err := s.UserDocument(ctx, "d"); return err }
	sign := func(s *governance.SidecarRoom) error { _, err := s.Sign(ctx, []byte("x")); return err }
	endorse := func(s *governance.SidecarRoom) error {
		_, err := s.EndorsedCertificate(ctx, governance.CertificateRequest{CA: ca.RootPEM(), CommonName: "room"})
		return err
	}
	asked := 0
	for _, test := range []struct {
		body string
		ask  func(*governance.SidecarRoom) error
	}{
		{`{"id":"d","contractId":"other","version":"2.1","state":"Accepted","data":"x"}`, readDocument},
		{`{"id":"e","contractId":"k","version":"2.1","state":"Accepted","data":"x"}`, readDocument},
		{`{"id":"d","contractId":"k","version":"2.1","state":"Draft","data":"x"}`, readDocument},
		{`null`, readDocument},
		{`<html>`, readDocument},
		{`{"id":"d","contractId":"other","version":"2.1","state":"Accepted","data":"x"}`, readUserDocument},
		{`{"id":"d","contractId":"k","version":"2.1","state":"Proposed","data":"x"}`, readUserDocument},
		{`[]`, readUserDocument},
		{`{}`, sign},
		{`{"value":""}`, sign},
		{`{"value":"!"}`, sign},
		{`{"cert":"x"}`, endorse},
		{`[]`, endorse},
	} {
		err := test.ask(fakeSidecar(t, func(w http.ResponseWriter, r *http.Request) { asked++; text(200, test.body)(w, r) }))
		if err == nil || !strings.HasPrefix(err.Error(), "governance: ") || !strings.Contains(err.Error(), "of k: ") && !strings.Contains(err.Error(), "for k: ") {
			t.Errorf("%s: %v", test.body, err)
		}
	}
	if asked != 13 {
		t.Errorf("%d were asked", asked)
	}
}
