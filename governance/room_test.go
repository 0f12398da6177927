package governance_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// agree makes the contract and a policy for one host data.
func (c *consortium) agree(contractID, hostData string) {
	c.Helper()
	c.acceptedContract(contractID, "data")
	p, err := c.consumer.Contract(contractID).ProposeCleanRoomPolicy(c.Context(), governance.HostDataPolicy(hostData))
	c.check(err)
	c.accept(p, c.both()...)
}

// agreedRoom makes a contract and a room that fits it. The attester may be nil.
func (c *consortium) agreedRoom(contractID string, wrap func(guest) governance.Attester) *governance.RoomClient {
	c.Helper()
	g := c.launch("policy of " + contractID)
	c.agree(contractID, g.hostData())
	var attester governance.Attester = g
	if wrap != nil {
		attester = wrap(g)
	}
	return c.room(contractID, attester, nil)
}

// attesterFunc is an Attester made of a function.
type attesterFunc func(ctx context.Context, runtimeData []byte) (*governance.Evidence, error)

func (f attesterFunc) Evidence(ctx context.Context, runtimeData []byte) (*governance.Evidence, error) {
	return f(ctx, runtimeData)
}

// TestRoomDenied changes one thing at a time of a room that would be let in.
func TestRoomDenied(t *testing.T) {
	c, id := commonConsortium(t)
	agreed := c.launch("agreed policy")
	c.agree(id, agreed.hostData())
	secretID, err := c.publisher.Contract(id).PutSecret(t.Context(), "name", "value")
	c.check(err)
	tamper := func(change func(*governance.Evidence)) governance.Attester {
		return attesterFunc(func(ctx context.Context, runtimeData []byte) (*governance.Evidence, error) {
			e, err := agreed.Evidence(ctx, runtimeData)
			if err == nil {
				change(e)
			}
			return e, err
		})
	}
	other := c.launch("agreed policy, with one more line")
	tests := []struct {
		name     string
		contract string
		attester governance.Attester
		check    string
		says     []string
	}{
		{"other policy in the host", id, other, "policy.match", []string{other.hostData(), "reads the clean room policy"}},
		{"contract without a policy", id + "-unknown", agreed, "policy.accepted", []string{governance.ClaimHostData + "=" + agreed.hostData()}},
		{"host data changed in the report", id, tamper(func(e *governance.Evidence) { e.Report[0xC0] ^= 1 }), "evidence.verified", []string{"certificates belong to this machine"}},
		{"debug bit set in the report", id, tamper(func(e *governance.Evidence) { e.Report[0x0A] ^= 8 }), "evidence.verified", nil},
		{"signature changed", id, tamper(func(e *governance.Evidence) { e.Report[0x2A0] ^= 1 }), "evidence.verified", nil},
		{"chain of a stranger", id, tamper(func(e *governance.Evidence) { e.Certificates = strangers(t) }), "evidence.verified", nil},
		{"endorsement changed", id, tamper(func(e *governance.Evidence) { e.UVMEndorsements[len(e.UVMEndorsements)-1] ^= 1 }), "evidence.verified", nil},
		{"report for another key", id, tamper(func(e *governance.Evidence) { e.Report[0x50] ^= 1 }), "evidence.report-data", []string{"SHA-256 of the runtime data"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			room := c.room(test.contract, test.attester, nil)
			ctx := t.Context()
			_, secret := room.Secret(ctx, secretID)
			_, token := room.Token(ctx, governance.TokenRequest{TenantID: "tenant"})
			_, consent := room.Consent(ctx, governance.Execution)
			event := room.PutEvent(ctx, struct{}{}, nil)
			for _, err := range []error{secret, token, consent, event} {
				d := wantDenied(t, err, test.check)
				wantText(t, d, test.says...)
			}
			// A room that is refused leaves no trace.
			for _, err := range c.consumer.Contract(test.contract).Events(ctx, nil) {
				t.Errorf("there is an event, %v", err)
			}
		})
	}
	if len(tests) != 8 {
		t.Errorf("%d cases", len(tests))
	}
}

var strangers = func() func(t *testing.T) []byte {
	var once sync.Once
	var chain []byte
	return func(t *testing.T) []byte {
		once.Do(func() {
			env := startEnv(t)
			e, err := env.Launch(nil).Attest(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			chain = e.Certificates
		})
		return chain
	}
}()

func TestRoomAttester(t *testing.T) {
	c, id := commonConsortium(t)
	failure := errors.New("the device is busy")
	tests := []struct {
		name string
		give *governance.Evidence
		err  error
		says string
	}{
		{"fails", nil, failure, "make evidence: the device is busy"},
		{"gives nothing", nil, nil, "a report of 0 bytes, not 1184"},
		{"gives a short report", &governance.Evidence{Report: make([]byte, 1183), Certificates: []byte("x")}, nil, "a report of 1183 bytes, not 1184"},
		{"gives no certificates", &governance.Evidence{Report: make([]byte, 1184)}, nil, "no certificates"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			room := c.room(id, attesterFunc(func(context.Context, []byte) (*governance.Evidence, error) { calls++; return test.give, test.err }), nil)
			for range 2 {
				_, err := room.Secret(t.Context(), "name")
				wantText(t, err, "governance: read secret name of "+id+": ", test.says)
				if test.err != nil && !errors.Is(err, test.err) {
					t.Errorf("the cause is lost: %v", err)
				}
			}
			if calls != 2 {
				t.Errorf("a failure was kept: %d calls", calls)
			}
			if h := room.HostData(); h != "" {
				t.Errorf("host data %s without evidence", h)
			}
		})
	}
	if _, err := governance.NewRoomClient(c.env.LedgerURL(), id, nil, nil); err == nil {
		t.Error("a room without an attester was made")
	}
}

// TestRoomAttestsOnce lets many calls need evidence at the same time.
func TestRoomAttestsOnce(t *testing.T) {
	c, id := commonConsortium(t)
	calls := 0 // guarded by the client: that is what is tested
	var g guest
	room := c.agreedRoom(id, func(inner guest) governance.Attester {
		g = inner
		return attesterFunc(func(ctx context.Context, runtimeData []byte) (*governance.Evidence, error) {
			calls++
			return inner.Evidence(ctx, runtimeData)
		})
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if status, err := room.Consent(t.Context(), governance.Execution); err != nil || !status.Enabled {
				t.Errorf("%+v, %v", status, err)
			}
		})
	}
	wg.Wait()
	if calls != 1 || room.HostData() != g.hostData() {
		t.Errorf("%d reports, host data %s", calls, room.HostData())
	}
}

// TestRoomWaitsNoLongerThanItsContext blocks the device for one caller while
// another gives up.
func TestRoomWaitsNoLongerThanItsContext(t *testing.T) {
	c, id := commonConsortium(t)
	asked, release := make(chan struct{}), make(chan struct{})
	room := c.room(id, attesterFunc(func(ctx context.Context, _ []byte) (*governance.Evidence, error) {
		close(asked)
		<-release
		return nil, errors.New("released")
	}), nil)
	first := make(chan error, 1)
	go func() {
		_, err := room.Consent(t.Context(), governance.Execution)
		first <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := room.Consent(ctx, governance.Execution)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("want the end of the context, got %v", err)
	}
	close(release)
	wantText(t, <-first, "released")
}

func TestRoomConsentWithheld(t *testing.T) {
	c, id := commonConsortium(t)
	room := c.agreedRoom(id, nil)
	ctx := t.Context()
	status, err := room.Consent(ctx, governance.Logging)
	c.check(err)
	wantDenied(t, status.Err(), "consent.logging")
	c.check(c.publisher.Contract(id).DisableExecution(ctx))
	status, err = room.Consent(ctx, governance.Execution)
	c.check(err)
	wantText(t, wantDenied(t, status.Err(), "consent.execution"), c.publisher.Member().ID())
	if _, err := room.Consent(ctx, "no/such"); err == nil {
		t.Error("a malformed option passed")
	}
	_, err = room.Consent(ctx, "printing")
	wantCode(t, err, "InvalidOption")
}

func TestRoomSecret(t *testing.T) {
	c, id := commonConsortium(t)
	room := c.agreedRoom(id, nil)
	ctx := t.Context()
	for i, value := range []string{"x", "12345678", "123456789", "ü\x00\n", strings.Repeat("s", governance.MaxSecret)} {
		secretID, err := c.publisher.Contract(id).PutSecret(ctx, fmt.Sprint("s", i), value)
		c.check(err)
		got, err := room.Secret(ctx, secretID)
		if err != nil || string(got) != value {
			t.Errorf("secret %d came back with %d bytes, %v", i, len(got), err)
		}
	}
	_, err := room.Secret(ctx, governance.SecretID(c.publisher.Member().ID(), "unknown"))
	wantCode(t, err, "SecretNotFound")
	_, err = room.Secret(ctx, c.publisher.Member().ID()+"/s0")
	wantText(t, err, "governance: secret id ")
}

// TestRoomsDoNotShare gives two rooms of one policy keys of their own: what is
// wrapped for one is of no use to the other.
func TestRoomsDoNotShare(t *testing.T) {
	c, id := commonConsortium(t)
	g := c.launch("one policy")
	c.agree(id, g.hostData())
	secretID, err := c.publisher.Contract(id).PutSecret(t.Context(), "name", "value")
	c.check(err)
	first := &recorder{}
	_, err = c.room(id, g, first.wrap).Secret(t.Context(), secretID)
	c.check(err)
	_, err = c.room(id, g, first.replay).Secret(t.Context(), secretID)
	wantText(t, err, "not encrypted to this room's key")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	const id = "k"
	room := c.agreedRoom(id, nil)
	ctx := t.Context()
	tenant := c.memberData(cleanroomtest.Publisher).TenantID
	_, err := room.Token(ctx, governance.TokenRequest{TenantID: tenant})
	wantCode(t, err, "SigningKeyNotAvailable")
	c.accept(c.propose(c.consumer, governance.EnableOIDCIssuer("kid")), c.both()...)
	kid, err := c.consumer.OIDC().GenerateSigningKey(ctx)
	c.check(err)
	_, err = room.Token(ctx, governance.TokenRequest{TenantID: tenant})
	wantCode(t, err, "IssuerUrlNotSet")
	keys, err := c.consumer.OIDC().Keys(ctx)
	c.check(err)

	token, err := room.Token(ctx, governance.TokenRequest{Subject: "sub/ject", TenantID: tenant, Audience: "api://other", Issuer: "https://issuer.example/a~b"})
	c.check(err)
	checkToken(t, token, keys, kid, map[string]string{"sub": "sub/ject", "aud": "api://other", "iss": "https://issuer.example/a~b"})

	for _, bad := range []governance.TokenRequest{
		{}, {TenantID: "a b"}, {TenantID: tenant, Subject: "a&aud=b"}, {TenantID: tenant, Audience: "a%20b"}, {TenantID: tenant, Issuer: "https://h/?q=1"}, {TenantID: strings.Repeat("t", 2049)},
	} {
		_, err := room.Token(ctx, bad)
		wantText(t, err, "governance: get token of k for tenant ", ": the token's ")
	}
}
