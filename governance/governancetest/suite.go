package governancetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// timeout bounds a run, for a service that does not answer.
const timeout = 10 * time.Minute

// Run puts the service through the suite. Its steps build on one another: after
// one that fails the next are left out, but for the last, which leaves the
// service usable. A service can be put through it any number of times; a token
// issuer that an earlier run enabled leaves out the refusals of a service
// without one.
func Run(t *testing.T, env Environment) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	s := newSuite(t, env)
	steps := []struct {
		name string
		run  func(context.Context, *testing.T)
	}{
		{"consortium", s.consortium},
		{"proposals", s.proposals},
		{"contracts", s.contracts},
		{"deployment", s.deployment},
		{"policy", s.policy},
		{"options", s.options},
		{"secrets", s.secrets},
		{"issuer", s.issuer},
		{"room", s.room},
		{"events", s.events},
		{"refusals", s.allRefused},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(ctx, t) }) {
			break
		}
	}
	// Also after the context ended, as far as a minute allows.
	last, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer done()
	t.Run("leave", func(t *testing.T) { s.leave(last, t) })
}

// suite is one run.
type suite struct {
	env Environment
	// id makes the names of this run its own.
	id                  string
	founder, newcomer   *governance.Client
	stranger            *governance.Client
	founderData         governance.MemberData // as it was
	tenant, otherTenant string
	// contract is the one that all agreed on.
	contract string
	// withIssuer says that the issuer was enabled before this run.
	withIssuer, wasOpening, wasActive bool
	// refused counts the refusals by code.
	refused map[string]int
	joined  bool
}

func newSuite(t *testing.T, env Environment) *suite {
	t.Helper()
	if env.Founder == nil {
		t.Fatal("governancetest: the environment has no genesis member")
	}
	if (env.RoomKey == nil) != (env.RoomEvidence == nil) {
		t.Fatal("governancetest: the environment has a room's key or its evidence, but not both")
	}
	var id [4]byte
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	s := &suite{env: env, id: "suite" + hex.EncodeToString(id[:]), refused: map[string]int{}}
	s.tenant, s.otherTenant = "tenant."+s.id, "other."+s.id
	s.founder = s.client(t, env.Founder)
	s.newcomer = s.client(t, s.member(t, "newcomer"))
	s.stranger = s.client(t, s.member(t, "stranger"))
	return s
}

func (s *suite) member(t *testing.T, name string) *governance.Member {
	t.Helper()
	keys, err := governance.GenerateMemberKeys(s.id+" "+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	m, err := keys.Member()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *suite) client(t *testing.T, m *governance.Member) *governance.Client {
	t.Helper()
	c, err := governance.NewClient(s.env.Endpoint, m, &governance.ClientOptions{
		ServiceCertificate: s.env.ServiceCertificate, DialContext: s.env.DialContext, PollInterval: s.env.PollInterval,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// name is a contract's of this run.
func (s *suite) name(of string) string { return s.id + "-" + of }

// both is both members, in the order of their votes.
func (s *suite) both() []*governance.Client { return []*governance.Client{s.newcomer, s.founder} }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares what the service says with what it should.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// refuses wants the service's refusal with the code and a remedy.
func (s *suite) refuses(t *testing.T, err error, code string) {
	t.Helper()
	var se *governance.ServiceError
	switch {
	case !errors.As(err, &se):
		t.Errorf("want the refusal %s, got %v", code, err)
	case se.Code != code:
		t.Errorf("want the refusal %s, got %v", code, err)
	case se.Remedy == "":
		t.Errorf("%s comes without a remedy", code)
	default:
		s.refused[code]++
	}
}

// denies wants a refusal that failed the check.
func denies(t *testing.T, err error, id string) {
	t.Helper()
	var d *governance.DeniedError
	if !errors.As(err, &d) {
		t.Errorf("want a denial by %s, got %v", id, err)
		return
	}
	for _, c := range d.Checks {
		if c.ID == id && !c.OK() && c.Remedy != "" {
			return
		}
	}
	t.Errorf("want a denial by %s with a remedy, got %v", id, err)
}

func propose(ctx context.Context, t *testing.T, by *governance.Client, actions ...governance.Action) *governance.Proposal {
	t.Helper()
	p, err := by.Propose(ctx, actions...)
	check(t, err)
	return p
}

// accept lets each vote yes, and wants the last yes, and no earlier one, to
// accept the proposal.
func accept(ctx context.Context, t *testing.T, p *governance.Proposal, by ...*governance.Client) {
	t.Helper()
	for i, c := range by {
		if p.State != governance.ProposalOpen {
			t.Fatalf("the proposal is %s before vote %d", p.State, i+1)
		}
		var err error
		p, err = c.Proposal(p.ID).Vote(ctx, true)
		check(t, err)
	}
	if p.State != governance.ProposalAccepted {
		t.Fatalf("the proposal is %s after %d votes", p.State, len(by))
	}
}

// withdraw ends a proposal that has served its purpose.
func withdraw(ctx context.Context, t *testing.T, by *governance.Client, id string) {
	t.Helper()
	p, err := by.Proposal(id).Withdraw(ctx)
	check(t, err)
	equal(t, "state of a withdrawn proposal", p.State, governance.ProposalWithdrawn)
}

// agree makes a contract that both accepted.
func (s *suite) agree(ctx context.Context, t *testing.T, id string) *governance.ContractClient {
	t.Helper()
	k := s.founder.Contract(id)
	version, err := k.Create(ctx, "the terms of "+id+"\n")
	check(t, err)
	p, err := k.Propose(ctx, version)
	check(t, err)
	accept(ctx, t, p, s.both()...)
	return k
}

// allRefused compares the refusals with those that a run has to meet.
func (s *suite) allRefused(_ context.Context, t *testing.T) {
	want := []string{
		"InvalidAuthenticationInfo", "ProposalFailedToValidate", "VoteAlreadyExists", "ProposalNotOpen", "ProposalNotFound", "AuthorizationFailed", "InternalError",
		"ContractNotFound", "ContractAlreadyExists", "PreconditionFailed", "ContractAlreadyAccepted", "ContractNotAccepted", "DataMissing",
		"InvalidParameter", "InvalidOption", "AttestationMissing", "ValueTooLarge", "ValueMissing", "InvalidResourceName", "NoTenantId",
	}
	if s.wasOpening {
		want = append(want, "FrontendNotOpen")
	}
	if !s.withIssuer {
		want = append(want, "OidcIssuerNotEnabled", "SigningKeyNotAvailable")
	}
	if s.env.RoomKey != nil {
		want = append(want, "VerifySnpAttestationFailed", "SecretNotFound", "IssuerUrlNotSet")
	}
	total := 0
	for _, code := range want {
		if s.refused[code] == 0 {
			t.Errorf("the service was never asked for the refusal %s", code)
		}
	}
	var others []string
	for code, n := range s.refused {
		total += n
		if !slices.Contains(want, code) {
			others = append(others, code)
		}
	}
	t.Logf("%d refusals of %d kinds%s", total, len(s.refused), strings.TrimSuffix(" "+fmt.Sprint(others), " []"))
}
