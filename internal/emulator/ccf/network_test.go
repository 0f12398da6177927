package ccf

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/internal/cose"
	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// party is a member with its own key.
type party struct {
	name string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newParty(t testing.TB, name string) *party {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
	cert, err := testpki.Sign(tmpl, key.Public(), tmpl, key)
	if err != nil {
		t.Fatal(err)
	}
	return &party{name, key, cert}
}

func (p *party) id() string  { return memberID(p.cert) }
func (p *party) pem() string { return string(testpki.PEM(p.cert)) }

// network is a service under test, with a clock that every message advances,
// so that no two messages are the same.
type network struct {
	testing.TB
	*Service
	clock int64
}

var machine = sync.OnceValues(snpmachine.New)

// newNetwork starts a network whose members are active and whose service is
// open.
func newNetwork(t testing.TB, members ...*party) *network {
	t.Helper()
	n := newClosedNetwork(t, members...)
	for _, m := range members {
		n.activate(m)
	}
	n.accept(members, "transition_service_to_open", map[string]any{"next_service_identity": string(n.ServiceCertificate())})
	return n
}

func newClosedNetwork(t testing.TB, members ...*party) *network {
	t.Helper()
	m, err := machine()
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{VerifyReport: m.Verify}
	for _, p := range members {
		opts.Genesis = append(opts.Genesis, Member{CertificatePEM: []byte(p.pem()), Data: map[string]any{"identifier": p.name, "tenantId": "tenant-" + p.name}})
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return &network{t, s, 1800000000}
}

// answer is a response, with the members that tests look at.
type answer struct {
	status int
	header http.Header
	raw    []byte

	Error struct {
		Code, Message string
		Details       []struct {
			Code    string
			Message string
		}
	}
	ProposalID    string
	ProposalState string
	StateDigest   string
	Status        string
	Value         json.RawMessage
	Policy        map[string][]any
	NextLink      string
}

func (n *network) do(method, path string, caller *party, contentType string, body []byte) answer {
	n.Helper()
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.TLS = &tls.ConnectionState{}
	if caller != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{caller.cert}
	}
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.Bytes()}
	if w.Header().Get("Content-Type") == "application/json" && !bytes.HasPrefix(a.raw, []byte("[")) {
		if err := json.Unmarshal(a.raw, &a); err != nil {
			n.Fatalf("%s %s: %v in %s", method, path, err, a.raw)
		}
	}
	return a
}

// app calls an application endpoint with a JSON body, unless it is nil.
func (n *network) app(method, path string, caller *party, body any) answer {
	n.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			n.Fatal(err)
		}
	}
	return n.do(method, "/app/"+path, caller, "application/json", b)
}

func (n *network) signed(p *party, h cose.Header, payload string) []byte {
	n.Helper()
	if h.KeyID == "" {
		h.KeyID = p.id()
	}
	if h.CreatedAt == 0 {
		n.clock++
		h.CreatedAt = n.clock
	}
	m, err := cose.Sign(p.key, h, []byte(payload))
	if err != nil {
		n.Fatal(err)
	}
	return m
}

func (n *network) gov(path string, message []byte) answer {
	n.Helper()
	return n.do(http.MethodPost, "/gov/members/"+path+"?api-version=2024-07-01", nil, cose.ContentType, message)
}

func (n *network) activate(p *party) {
	n.Helper()
	a := n.gov("state-digests/"+p.id()+":update", n.signed(p, cose.Header{Type: cose.TypeStateDigest}, ""))
	n.want(a, http.StatusOK, "")
	payload := fmt.Sprintf(`{"memberId":%q,"stateDigest":%q}`, p.id(), a.StateDigest)
	n.want(n.gov("state-digests/"+p.id()+":ack", n.signed(p, cose.Header{Type: cose.TypeAck}, payload)), http.StatusNoContent, "")
}

func actionsJSON(t testing.TB, nameAndArgs ...any) string {
	t.Helper()
	actions := []any{}
	for i := 0; i < len(nameAndArgs); i += 2 {
		actions = append(actions, map[string]any{"name": nameAndArgs[i], "args": nameAndArgs[i+1]})
	}
	b, err := json.Marshal(map[string]any{"actions": actions})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (n *network) propose(p *party, nameAndArgs ...any) answer {
	n.Helper()
	return n.gov("proposals:create", n.signed(p, cose.Header{Type: cose.TypeProposal}, actionsJSON(n, nameAndArgs...)))
}

func (n *network) vote(p *party, id string, yes bool) answer {
	n.Helper()
	ballot := ballotNo
	if yes {
		ballot = ballotYes
	}
	return n.ballot(p, id, ballot)
}

func (n *network) ballot(p *party, id, script string) answer {
	n.Helper()
	payload, err := json.Marshal(map[string]string{"ballot": script})
	if err != nil {
		n.Fatal(err)
	}
	return n.gov("proposals/"+id+"/ballots/"+p.id()+":submit", n.signed(p, cose.Header{Type: cose.TypeBallot, ProposalID: id}, string(payload)))
}

func (n *network) withdrawal(p *party, id string) answer {
	n.Helper()
	return n.gov("proposals/"+id+":withdraw", n.signed(p, cose.Header{Type: cose.TypeWithdrawal, ProposalID: id}, ""))
}

// accept proposes by the first member and lets all vote yes.
func (n *network) accept(members []*party, nameAndArgs ...any) answer {
	n.Helper()
	a := n.propose(members[0], nameAndArgs...)
	n.want(a, http.StatusOK, "")
	for _, m := range members {
		a = n.vote(m, a.ProposalID, true)
		n.want(a, http.StatusOK, "")
	}
	n.wantState(a, stateAccepted)
	return a
}

func (n *network) acceptContract(members []*party, id string) {
	n.Helper()
	n.accept(members, "set_contract", map[string]any{"contractId": id, "contract": map[string]any{"data": "terms"}})
}

func (n *network) want(a answer, status int, code string) {
	n.Helper()
	if a.status != status || a.Error.Code != code {
		n.Fatalf("status %d, code %q; want %d, %q; body %s", a.status, a.Error.Code, status, code, a.raw)
	}
}

func (n *network) wantState(a answer, state string) {
	n.Helper()
	if a.ProposalState != state {
		n.Fatalf("proposal is %s, want %s; body %s", a.ProposalState, state, a.raw)
	}
}

// room is a clean room with its key and genuine-format evidence for it.
type room struct {
	key      *rsa.PrivateKey
	pem      string // base64 of the PEM
	evidence map[string]any
	hostData string
}

var roomKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newRoom(t testing.TB, guest *snpmachine.Guest) *room {
	t.Helper()
	key, err := roomKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	ev, err := guest.Attest(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return &room{key, b64(text), map[string]any{
		"evidence": b64(ev.Report), "endorsements": b64(ev.Certificates), "uvm_endorsements": b64(ev.UVMEndorsements),
	}, fmt.Sprintf("%x", guest.HostData())}
}

func launch(t testing.TB, policy string) *room {
	t.Helper()
	m, err := machine()
	if err != nil {
		t.Fatal(err)
	}
	return newRoom(t, m.Launch([]byte(policy)))
}

// encrypted is the body of a call that is answered wrapped.
func (r *room) encrypted() map[string]any {
	return map[string]any{"attestation": r.evidence, "platform": "snp-caci", "encrypt": map[string]any{"publicKey": r.pem}}
}

// signedBody is the body of a signed-data call.
func (r *room) signedBody(t testing.TB, data string, timestamp any) map[string]any {
	t.Helper()
	digest := sha256.Sum256([]byte(data))
	signature, err := rsa.SignPSS(rand.Reader, r.key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	b := r.encrypted()
	b["data"] = base64.StdEncoding.EncodeToString([]byte(data))
	b["timestamp"] = timestamp
	b["sign"] = map[string]any{"publicKey": r.pem, "signature": base64.StdEncoding.EncodeToString(signature)}
	return b
}

func (r *room) unwrap(t testing.TB, a answer) string {
	t.Helper()
	var value []byte
	if err := json.Unmarshal(a.Value, &value); err != nil {
		t.Fatalf("%v in %s", err, a.raw)
	}
	plain, err := keywrap.UnwrapRSAAES(r.key, keywrap.RSAAES256, value)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// policyFor is the set_clean_room_policy argument that admits the room.
func policyFor(contract string, r *room) map[string]any {
	return map[string]any{"contractId": contract, "type": "add", "claims": map[string]any{
		"x-ms-sevsnpvm-is-debuggable": false, "x-ms-sevsnpvm-hostdata": r.hostData,
	}}
}
