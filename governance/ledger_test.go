package governance_test

import (
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
)

// ledger is a local environment with a network on it.
type ledger struct {
	testing.TB
	env *cleanroomtest.Env
}

func startEnv(t testing.TB) *cleanroomtest.Env {
	t.Helper()
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	return env
}

// common is a consortium for all tests that use contracts of their own and
// change nothing that belongs to all: to start one takes longer than most
// tests.
var common struct {
	sync.Mutex
	env *cleanroomtest.Env
	// Their connections end with the environment.
	consumer, publisher *governance.Client
	// users are the tests that it served, by name. With -count a test comes
	// again and would find the contract of its name decided: the first to do so
	// gets a new consortium, which serves the whole next round.
	users map[string]testing.TB
}

func TestMain(m *testing.M) {
	code := m.Run()
	if common.env != nil {
		if err := common.env.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	// Closed connections take a moment to end.
	left := leftBehind()
	for deadline := time.Now().Add(5 * time.Second); left != "" && time.Now().Before(deadline); left = leftBehind() {
		time.Sleep(time.Millisecond)
	}
	if left != "" {
		fmt.Fprintln(os.Stderr, "goroutines are left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftBehind has the stacks of goroutines of this module and of its
// connections.
func leftBehind() string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	var left []string
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		ours := strings.Contains(stack, "net/http.") || strings.Contains(stack, "cleanroom-go/sdk")
		if ours && !strings.Contains(stack, "TestMain") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// commonConsortium gives the common consortium, and an id for the contract of
// this test.
func commonConsortium(t testing.TB) (c *consortium, contractID string) {
	t.Helper()
	common.Lock()
	defer common.Unlock()
	if before, again := common.users[t.Name()]; common.env == nil || again && before != t {
		if common.env != nil {
			if err := common.env.Close(); err != nil {
				t.Fatal(err)
			}
		}
		env, err := cleanroomtest.Start(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		common.env, common.users = env, map[string]testing.TB{}
		l := &ledger{t, env}
		c := found(l, l.start(cleanroomtest.Consumer)[0])
		common.consumer, common.publisher = c.consumer, c.publisher
	}
	common.users[t.Name()] = t
	return &consortium{&ledger{t, common.env}, common.consumer, common.publisher}, strings.ReplaceAll(t.Name(), "/", "-")
}

// newMember has a P-256 key, which is quick; TestCurves has all of them.
func newMember(t testing.TB, name string) *governance.Member {
	t.Helper()
	keys, err := governance.GenerateMemberKeys(name, &governance.MemberKeysOptions{Curve: elliptic.P256()})
	if err != nil {
		t.Fatal(err)
	}
	m, err := keys.Member()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// startLedger starts a network that the named members found. Nobody is active
// and the service is not open.
func startLedger(t testing.TB, names ...string) (*ledger, []*governance.Client) {
	t.Helper()
	l := &ledger{t, startEnv(t)}
	return l, l.start(names...)
}

func (l *ledger) start(names ...string) []*governance.Client {
	l.Helper()
	members := make([]*governance.Member, len(names))
	genesis := make([]cleanroomtest.GenesisMember, len(names))
	for i, name := range names {
		members[i] = newMember(l, name)
		genesis[i] = cleanroomtest.GenesisMember{CertificatePEM: members[i].CertificatePEM(), Identifier: name}
	}
	l.check(l.env.StartLedger(genesis...))
	clients := make([]*governance.Client, len(names))
	for i, m := range members {
		clients[i] = l.client(m, nil)
	}
	return clients
}

func (l *ledger) conn(party string) *cleanroomtest.Conn {
	l.Helper()
	conn, err := l.env.Connect(party, nil)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(conn.Close)
	return conn
}

// client is a member's client; the wrapper may be nil.
func (l *ledger) client(m *governance.Member, wrap func(http.RoundTripper) http.RoundTripper) *governance.Client {
	l.Helper()
	c, err := governance.NewClient(l.env.LedgerURL(), m, &governance.ClientOptions{
		ServiceCertificate: l.env.ServiceCertificate(),
		DialContext:        l.conn(cleanroomtest.Consumer).DialContext,
		Transport:          wrap,
		PollInterval:       5 * time.Millisecond,
	})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(c.Close)
	return c
}

// consortium is a ledger as a collaboration finds it: open, with two active
// members in tenants of their own.
type consortium struct {
	*ledger
	consumer, publisher *governance.Client
}

// newConsortium starts a consortium for one test.
func newConsortium(t testing.TB) *consortium {
	t.Helper()
	l, founders := startLedger(t, cleanroomtest.Consumer)
	return found(l, founders[0])
}

// found lets the consumer open its network and let the publisher in.
func found(l *ledger, consumer *governance.Client) *consortium {
	l.Helper()
	c := &consortium{ledger: l, consumer: consumer}
	ctx := l.Context()
	c.check(c.consumer.Activate(ctx))
	c.accept(c.propose(c.consumer, governance.OpenService(l.env.ServiceCertificate())), c.consumer)
	c.check(c.consumer.WaitReady(ctx))
	c.accept(c.propose(c.consumer, governance.SetMemberData(c.consumer.Member().ID(), c.memberData(cleanroomtest.Consumer))), c.consumer)

	publisher := newMember(l, cleanroomtest.Publisher)
	c.accept(c.propose(c.consumer, governance.SetMember(publisher.CertificatePEM(), c.memberData(cleanroomtest.Publisher))), c.consumer)
	c.publisher = l.client(publisher, nil)
	c.check(c.publisher.Activate(ctx))
	return c
}

func (l *ledger) memberData(party string) governance.MemberData {
	l.Helper()
	p, err := l.env.Party(party)
	l.check(err)
	return governance.MemberData{Identifier: party, TenantID: p.TenantID}
}

func (l *ledger) check(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *ledger) propose(by *governance.Client, actions ...governance.Action) *governance.Proposal {
	l.Helper()
	p, err := by.Propose(l.Context(), actions...)
	l.check(err)
	return p
}

// accept lets each member vote yes, and wants the proposal accepted by the
// last of them and not before.
func (l *ledger) accept(p *governance.Proposal, by ...*governance.Client) {
	l.Helper()
	for i, c := range by {
		if p.State != governance.ProposalOpen {
			l.Fatalf("proposal is %s before vote %d", p.State, i+1)
		}
		var err error
		p, err = c.Proposal(p.ID).Vote(l.Context(), true)
		l.check(err)
	}
	if p.State != governance.ProposalAccepted {
		l.Fatalf("proposal is %s after %d votes", p.State, len(by))
	}
}

// both is both members, in the order of their votes.
func (c *consortium) both() []*governance.Client {
	return []*governance.Client{c.publisher, c.consumer}
}

// acceptedContract makes a contract that both accepted.
func (c *consortium) acceptedContract(id, data string) {
	c.Helper()
	ctx := c.Context()
	version, err := c.consumer.Contract(id).Create(ctx, data)
	c.check(err)
	p, err := c.consumer.Contract(id).Propose(ctx, version)
	c.check(err)
	for _, m := range c.both() {
		if p, err = m.Contract(id).Vote(ctx, p.ID, true); err != nil {
			c.Fatal(err)
		}
	}
	if p.State != governance.ProposalAccepted {
		c.Fatalf("contract %s is %s", id, p.State)
	}
}

// guest is the attester of a room on the local machine.
type guest struct{ *cleanroomtest.Guest }

func (g guest) Evidence(ctx context.Context, runtimeData []byte) (*governance.Evidence, error) {
	e, err := g.Attest(ctx, runtimeData)
	if err != nil {
		return nil, err
	}
	return evidence(e), nil
}

func evidence(e *skr.Evidence) *governance.Evidence {
	return &governance.Evidence{Report: e.Report, Certificates: e.Certificates, UVMEndorsements: e.UVMEndorsements}
}

func (g guest) hostData() string { return fmt.Sprintf("%x", g.HostData()) }

func (l *ledger) launch(policy string) guest { return guest{l.env.Launch([]byte(policy))} }

// room is the client of a clean room of the contract.
func (l *ledger) room(contractID string, attester governance.Attester, wrap func(http.RoundTripper) http.RoundTripper) *governance.RoomClient {
	l.Helper()
	r, err := governance.NewRoomClient(l.env.LedgerURL(), contractID, attester, &governance.RoomClientOptions{
		ServiceCertificate: l.env.ServiceCertificate(),
		DialContext:        l.conn(cleanroomtest.Publisher).DialContext,
		Transport:          wrap,
		PollInterval:       5 * time.Millisecond,
	})
	l.check(err)
	l.Cleanup(r.Close)
	return r
}

// wantCode wants a refusal of the service with the code, and a remedy.
func wantCode(t testing.TB, err error, code string) *governance.ServiceError {
	t.Helper()
	var se *governance.ServiceError
	if !errors.As(err, &se) || se.Code != code {
		t.Fatalf("want %s, got %v", code, err)
	}
	if se.Remedy == "" {
		t.Errorf("%s comes without a remedy", code)
	}
	return se
}

// wantDenied wants a refusal that failed the check.
func wantDenied(t testing.TB, err error, id string) *governance.DeniedError {
	t.Helper()
	var d *governance.DeniedError
	if !errors.As(err, &d) {
		t.Fatalf("want a denial by %s, got %v", id, err)
	}
	for _, c := range d.Checks {
		if c.ID == id && !c.OK() {
			if c.Remedy == "" {
				t.Errorf("check %s fails without a remedy", id)
			}
			return d
		}
	}
	t.Fatalf("want a denial by %s, got %v", id, err)
	return nil
}

func wantText(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("want an error with %q, got none", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error does not say %q: %v", p, err)
		}
	}
}

// contractIDs is a list of contracts, up to its first error.
func contractIDs(list iter.Seq2[string, error]) (ids []string, err error) {
	for id, err := range list {
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
