package governance_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/emulator/ccf"
	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
)

// modelWorld is what all histories share: keys, evidence and the machine, which
// take longer to make than a history does to run.
type modelWorld struct {
	members  []*governance.Member
	machine  *snpmachine.Machine
	evidence []*governance.Evidence // by host
	verified sync.Map               // digests of evidence that was verified
}

var newModelWorld = sync.OnceValues(func() (*modelWorld, error) {
	w := &modelWorld{}
	for i := range modelMembers {
		keys, err := governance.GenerateMemberKeys(fmt.Sprint("member ", i), &governance.MemberKeysOptions{Curve: quickCurve})
		if err != nil {
			return nil, err
		}
		m, err := keys.Member()
		if err != nil {
			return nil, err
		}
		w.members = append(w.members, m)
	}
	key, err := roomKeyPair()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if w.machine, err = snpmachine.New(); err != nil {
		return nil, err
	}
	for _, g := range []*snpmachine.Guest{w.machine.Launch([]byte("a")), w.machine.Launch([]byte("b")), w.machine.LaunchDebuggable([]byte("a"))} {
		e, err := g.Attest(context.Background(), public)
		if err != nil {
			return nil, err
		}
		w.evidence = append(w.evidence, evidence(e))
	}
	return w, nil
})

// verify remembers its verdict on the very same bytes: a history shows three
// reports again and again, and their signatures do not change.
func (w *modelWorld) verify(report, certificates, uvm []byte) error {
	h := sha256.New()
	for _, part := range [][]byte{report, certificates, uvm} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	digest := string(h.Sum(nil))
	if err, ok := w.verified.Load(digest); ok {
		err, _ := err.(error)
		return err
	}
	err := w.machine.Verify(report, certificates, uvm)
	w.verified.Store(digest, err)
	return err
}

// modelNetwork is a network under the real clients. There is no TLS between
// them: a client's transport calls the service, with the certificate that the
// handshake would have shown.
type modelNetwork struct {
	*modelWorld
	service *ccf.Service
	clients []*governance.Client
	rooms   map[string]*governance.RoomClient
	// What the service calls the model's versions and proposals.
	versions  map[int]string
	proposals []string
}

type inProcess struct {
	n    *modelNetwork
	cert *x509.Certificate
}

func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	r := *req
	r.TLS = &tls.ConnectionState{}
	if p.cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{p.cert}
	}
	w := httptest.NewRecorder()
	p.n.service.ServeHTTP(w, &r)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

func newModelNetwork(w *modelWorld) (*modelNetwork, error) {
	n := &modelNetwork{modelWorld: w, rooms: map[string]*governance.RoomClient{}}
	transport := func(certPEM []byte) (func(http.RoundTripper) http.RoundTripper, error) {
		if certPEM == nil {
			return func(http.RoundTripper) http.RoundTripper { return inProcess{n, nil} }, nil
		}
		block, _ := pem.Decode(certPEM)
		cert, err := x509.ParseCertificate(block.Bytes)
		return func(http.RoundTripper) http.RoundTripper { return inProcess{n, cert} }, err
	}
	pinned := w.members[0].CertificatePEM() // some certificate; no handshake asks for it
	for _, m := range w.members {
		wrap, err := transport(m.CertificatePEM())
		if err != nil {
			return nil, err
		}
		c, err := governance.NewClient("https://model", m, &governance.ClientOptions{ServiceCertificate: pinned, Transport: wrap, PollInterval: time.Nanosecond})
		if err != nil {
			return nil, err
		}
		governance.Hasten(c)
		n.clients = append(n.clients, c)
	}
	key, err := roomKeyPair()
	if err != nil {
		return nil, err
	}
	wrap, err := transport(nil)
	if err != nil {
		return nil, err
	}
	for host, e := range w.evidence {
		for _, contract := range modelContracts {
			r, err := governance.NewRoomClientWithEvidence("https://model", contract, key, e, &governance.RoomClientOptions{ServiceCertificate: pinned, Transport: wrap, PollInterval: time.Nanosecond})
			if err != nil {
				return nil, err
			}
			governance.HastenRoom(r)
			n.rooms[roomName(host, contract)] = r
		}
	}
	return n, nil
}

func roomName(host int, contract string) string { return modelHosts[host] + " " + contract }

// start gives the clients a new network, open and with active founders.
func (n *modelNetwork) start(ctx context.Context, issuer bool) error {
	opts := ccf.Options{VerifyReport: n.verify}
	for _, m := range n.members[:modelFounders] {
		opts.Genesis = append(opts.Genesis, ccf.Member{CertificatePEM: m.CertificatePEM(), Data: map[string]any{"tenantId": "tenant"}})
	}
	var err error
	if n.service, err = ccf.New(opts); err != nil {
		return err
	}
	n.versions, n.proposals = map[int]string{}, nil
	founders := n.clients[:modelFounders]
	for _, c := range founders {
		if err := c.Activate(ctx); err != nil {
			return err
		}
	}
	setup := []governance.Action{governance.OpenService(n.service.ServiceCertificate())}
	if issuer {
		setup = append(setup, governance.EnableOIDCIssuer("kid"))
	}
	p, err := founders[0].Propose(ctx, setup...)
	if err != nil {
		return err
	}
	for _, c := range founders {
		if p, err = c.Proposal(p.ID).Vote(ctx, true); err != nil {
			return err
		}
	}
	if p.State != governance.ProposalAccepted {
		return errors.New("the setup is " + p.State)
	}
	if !issuer {
		return nil
	}
	if _, err := founders[0].OIDC().GenerateSigningKey(ctx); err != nil {
		return err
	}
	return founders[0].OIDC().SetIssuerURL(ctx, "https://issuer.example")
}

// outcome has the form of what the model expects.
func outcome(err error, ok string) string {
	var d *governance.DeniedError
	var se *governance.ServiceError
	code := ""
	if errors.As(err, &se) {
		code = se.Code
	}
	switch {
	case err == nil:
		return ok
	case errors.As(err, &d):
		s := "denied"
		for _, c := range d.Checks {
			if !c.OK() {
				s += " " + c.ID
			}
		}
		return strings.TrimSpace(s + " " + code)
	case errors.Is(err, governance.ErrContractModified):
		return strings.TrimSpace("modified " + code)
	case code != "":
		return code
	}
	return "error " + err.Error()
}

// secretID turns the model's id into the service's and back.
func (n *modelNetwork) secretID(id string) string {
	member, name, ok := strings.Cut(id, "_")
	if !ok {
		return id
	}
	for i, m := range n.members {
		if fmt.Sprint(i) == member {
			return m.ID() + "_" + name
		}
		if m.ID() == member {
			return fmt.Sprint(i) + "_" + name
		}
	}
	return id
}

func (n *modelNetwork) version(model int) string {
	if v := n.versions[model]; v != "" {
		return v
	}
	return "2.1"
}

func (n *modelNetwork) actions(list []modelAction) []governance.Action {
	var actions []governance.Action
	for _, a := range list {
		actions = append(actions, n.action(a))
	}
	return actions
}

func (n *modelNetwork) action(a modelAction) governance.Action {
	data := governance.MemberData{IsOperator: a.operator}
	switch a.kind {
	case "set_contract":
		return governance.SetContract(a.contract, map[string]string{"data": a.text})
	case "set_clean_room_policy":
		u := modelUpdates[a.update]
		return governance.SetCleanRoomPolicy(a.contract, governance.PolicyUpdate{Type: map[bool]string{false: governance.PolicyAdd, true: governance.PolicyRemove}[u.remove], Claims: rawClaims(u.claims)})
	case "set_member":
		return governance.SetMember(n.members[a.member].CertificatePEM(), data)
	case "set_member_data":
		return governance.SetMemberData(n.members[a.member].ID(), data)
	case "remove_member":
		return governance.RemoveMember(n.members[a.member].ID(), n.members[a.member].CertificatePEM())
	}
	return governance.Action{Name: a.kind, Args: map[string]string{"contractId": a.contract}}
}

func modelWorldOf(t testing.TB) *modelWorld {
	t.Helper()
	w, err := newModelWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}
