package governance_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

var errLost = errors.New("connection reset after the request was executed")

// loser lets one call be executed and loses its answer, either all of it or
// the end of the body. It counts the calls.
type loser struct {
	lose  int // which call, from 1; 0 for none
	half  bool
	calls atomic.Int64
}

func (l *loser) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		n := l.calls.Add(1)
		resp, err := next.RoundTrip(r)
		if err != nil || n != int64(l.lose) {
			return resp, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		if !l.half {
			return nil, errLost
		}
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), errReader{io.ErrUnexpectedEOF}))
		return resp, nil
	})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// write is one kind of write: setup makes what it needs, do writes with a
// client whose answers get lost, and the check looks at the effect with
// another client.
type write struct {
	name string
	run  func(c *consortium, id string, unreliable *governance.Client) (check func())
}

var writes = []write{
	{"create contract", func(c *consortium, id string, u *governance.Client) func() {
		version, err := u.Contract(id).Create(c.Context(), "data <&>")
		c.check(err)
		return func() { c.wantContract(id, version, "data <&>") }
	}},
	{"update contract", func(c *consortium, id string, u *governance.Client) func() {
		first, err := c.consumer.Contract(id).Create(c.Context(), "one")
		c.check(err)
		version, err := u.Contract(id).Update(c.Context(), "two", first)
		c.check(err)
		return func() { c.wantContract(id, version, "two") }
	}},
	{"propose contract", func(c *consortium, id string, u *governance.Client) func() {
		version, err := c.consumer.Contract(id).Create(c.Context(), "data")
		c.check(err)
		p, err := u.Contract(id).Propose(c.Context(), version)
		c.check(err)
		return func() {
			c.wantHistory(p.ID, governance.ProposalOpen)
			got, err := c.publisher.Contract(id).Get(c.Context())
			c.check(err)
			if got.ProposalID != p.ID {
				c.Errorf("the contract's proposal is %s, not %s", got.ProposalID, p.ID)
			}
		}
	}},
	{"propose", func(c *consortium, id string, u *governance.Client) func() {
		c.acceptedContract(id, "data")
		p := c.propose(u, governance.EnableLogging(id))
		return func() {
			status, err := c.publisher.Contract(id).Option(c.Context(), governance.Logging)
			c.check(err)
			if !slices.Equal(status.ProposalIDs, []string{p.ID}) {
				c.Errorf("open proposals %q, want %s alone", status.ProposalIDs, p.ID)
			}
		}
	}},
	{"propose what is rejected at once", func(c *consortium, id string, u *governance.Client) func() {
		c.acceptedContract(id, "data")
		p, err := u.Propose(c.Context(), governance.SetContract(id, map[string]string{"data": "x"}))
		wantDenied(c, err, "proposal.created")
		return func() { c.wantHistory(p.ID, governance.ProposalRejected) }
	}},
	{"propose what is accepted at once", func(c *consortium, id string, u *governance.Client) func() {
		c.acceptedContract(id, "data")
		p, err := u.Propose(c.Context(), governance.DisableLogging(id))
		c.check(err)
		if p.State != governance.ProposalAccepted {
			c.Errorf("proposal is %s", p.State)
		}
		return func() { c.wantHistory(p.ID, governance.ProposalAccepted) }
	}},
	{"vote first", func(c *consortium, id string, u *governance.Client) func() {
		p := c.loggingProposal(id)
		v, err := u.Proposal(p).Vote(c.Context(), true)
		c.check(err)
		if v.State != governance.ProposalOpen || v.BallotCount != 1 {
			c.Errorf("after the vote: %+v", v)
		}
		return func() { c.wantHistory(p, governance.ProposalOpen, governance.ProposalOpen) }
	}},
	{"vote last", func(c *consortium, id string, u *governance.Client) func() {
		p := c.loggingProposal(id)
		_, err := c.publisher.Proposal(p).Vote(c.Context(), true)
		c.check(err)
		v, err := u.Proposal(p).Vote(c.Context(), true)
		c.check(err)
		if v.State != governance.ProposalAccepted {
			c.Errorf("after the vote: %+v", v)
		}
		return func() {
			c.wantHistory(p, governance.ProposalOpen, governance.ProposalOpen, governance.ProposalAccepted)
		}
	}},
	{"vote no", func(c *consortium, id string, u *governance.Client) func() {
		p := c.loggingProposal(id)
		v, err := u.Proposal(p).Vote(c.Context(), false)
		c.check(err)
		if v.State != governance.ProposalRejected {
			c.Errorf("after the vote: %+v", v)
		}
		return func() { c.wantHistory(p, governance.ProposalOpen, governance.ProposalRejected) }
	}},
	{"withdraw", func(c *consortium, id string, u *governance.Client) func() {
		p := c.loggingProposal(id)
		v, err := u.Proposal(p).Withdraw(c.Context())
		c.check(err)
		if v.State != governance.ProposalWithdrawn {
			c.Errorf("withdrawn: %+v", v)
		}
		return func() { c.wantHistory(p, governance.ProposalOpen, governance.ProposalWithdrawn) }
	}},
	{"put secret", func(c *consortium, id string, u *governance.Client) func() {
		secretID, err := u.Contract(id).PutSecret(c.Context(), "name", "value")
		c.check(err)
		return func() {
			ids, err := c.consumer.Contract(id).Secrets(c.Context())
			c.check(err)
			if !slices.Equal(ids, []string{secretID}) {
				c.Errorf("secrets %q, want %s", ids, secretID)
			}
		}
	}},
	{"disable execution", func(c *consortium, id string, u *governance.Client) func() {
		c.acceptedContract(id, "data")
		c.check(u.Contract(id).DisableExecution(c.Context()))
		return func() {
			status, err := c.publisher.Contract(id).Option(c.Context(), governance.Execution)
			c.check(err)
			if status.Enabled {
				c.Error("execution is enabled")
			}
		}
	}},
	{"create document", func(c *consortium, id string, u *governance.Client) func() {
		c.draftContract(id)
		version, err := u.Document(id).Create(c.Context(), id, "data <&>")
		c.check(err)
		return func() { c.wantDocument(id, version, "data <&>") }
	}},
	{"update document", func(c *consortium, id string, u *governance.Client) func() {
		c.draftContract(id)
		first, err := c.consumer.Document(id).Create(c.Context(), id, "one")
		c.check(err)
		version, err := u.Document(id).Update(c.Context(), id, "two", first)
		c.check(err)
		return func() { c.wantDocument(id, version, "two") }
	}},
	{"create user document", func(c *consortium, id string, u *governance.Client) func() {
		version := c.userDraft(u, id)
		return func() {
			got, err := c.publisher.UserDocument(id).Get(c.Context())
			c.check(err)
			if got.Version != version || got.State != governance.DocumentDraft {
				c.Errorf("user document %+v, want version %s", got, version)
			}
		}
	}},
	{"propose user document", func(c *consortium, id string, u *governance.Client) func() {
		p, err := u.UserDocument(id).Propose(c.Context(), c.userDraft(c.consumer, id))
		c.check(err)
		return func() { c.wantUserProposal(id, p.ID, governance.ProposalOpen, 0) }
	}},
	{"vote on user document", func(c *consortium, id string, u *governance.Client) func() {
		p, err := c.consumer.UserDocument(id).Propose(c.Context(), c.userDraft(c.consumer, id))
		c.check(err)
		_, err = c.publisher.UserProposal(p.ID).Vote(c.Context(), true)
		c.check(err)
		p, err = u.UserDocument(id).Vote(c.Context(), p.ID, true)
		c.check(err)
		if p.State != governance.ProposalAccepted {
			c.Errorf("after the vote: %+v", p)
		}
		return func() { c.wantUserProposal(id, p.ID, governance.ProposalAccepted, 2) }
	}},
	{"withdraw user document", func(c *consortium, id string, u *governance.Client) func() {
		p, err := c.consumer.UserDocument(id).Propose(c.Context(), c.userDraft(c.consumer, id))
		c.check(err)
		p, err = u.UserProposal(p.ID).Withdraw(c.Context())
		c.check(err)
		return func() { c.wantUserProposal("", p.ID, governance.ProposalWithdrawn, 0) }
	}},
	{"activate", func(c *consortium, id string, u *governance.Client) func() {
		c.check(u.Activate(c.Context()))
		return func() {
			members, err := c.publisher.Members(c.Context())
			c.check(err)
			for _, m := range members {
				if m.Status != governance.MemberActive {
					c.Errorf("member %s is %s", m.Name(), m.Status)
				}
			}
		}
	}},
}

func (c *consortium) loggingProposal(id string) string {
	c.Helper()
	c.acceptedContract(id, "data")
	return c.propose(c.consumer, governance.EnableLogging(id)).ID
}

func (c *consortium) wantContract(id, version, data string) {
	c.Helper()
	got, err := c.publisher.Contract(id).Get(c.Context())
	c.check(err)
	if got.Version != version || got.Data != data {
		c.Errorf("contract %+v, want version %s with %q", got, version, data)
	}
}

// wantHistory wants each write of the proposal once.
func (c *consortium) wantHistory(id string, states ...string) {
	c.Helper()
	history, err := c.publisher.Proposal(id).History(c.Context())
	c.check(err)
	got := make([]string, len(history))
	for i, h := range history {
		got[i] = h.State
	}
	if !slices.Equal(got, states) {
		c.Errorf("history %q, want %q", got, states)
	}
}

// TestLostAnswers makes each write once for each of its calls, and loses the
// answer to that call after the service executed it. The write must succeed,
// and must have been made once.
func TestLostAnswers(t *testing.T) {
	var faults atomic.Int64
	t.Run("writes", func(t *testing.T) {
		for _, w := range writes {
			for _, half := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, half %t", w.name, half), func(t *testing.T) {
					// They mostly wait for their next attempt, and see each
					// other's proposals come and go.
					t.Parallel()
					for n := 1; ; n++ {
						c, _ := commonConsortium(t)
						l := &loser{lose: n, half: half}
						id := fmt.Sprintf("lost-%s-%t-%d", strings.ReplaceAll(w.name, " ", "-"), half, n)
						w.run(c, id, c.unreliable(l))()
						if l.calls.Load() < int64(n) {
							return // every call of the write had its turn
						}
						faults.Add(1)
					}
				})
			}
		}
	})
	if len(writes) != 19 || faults.Load() < 60 {
		t.Errorf("%d writes with %d faults", len(writes), faults.Load())
	}
	t.Logf("%d faults", faults.Load())
}

// unreliable is the consumer's client over a connection that loses answers.
func (c *consortium) unreliable(l *loser) *governance.Client {
	c.Helper()
	u := c.client(c.consumer.Member(), l.wrap)
	governance.Hasten(u)
	return u
}

// TestLostEvent loses the answer to an event: the service has it twice then, and
// a reader once. What a room says twice is no repetition.
func TestLostEvent(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	g := c.launch("policy")
	c.agree(id, g.hostData())
	l := &loser{lose: 1}
	room := c.room(id, g, l.wrap)
	c.check(room.PutEvent(ctx, map[string]int{"n": 1}, nil))
	k := c.consumer.Contract(id)
	if got, _ := numbers(t, k, nil); !slices.Equal(got, []int{1}) {
		t.Errorf("events %v", got)
	}
	if got, _ := numbers(t, k, &governance.EventsOptions{PageSize: 1}); !slices.Equal(got, []int{1}) {
		t.Errorf("events on pages of their own: %v", got)
	}
	if got, _ := numbers(t, k, &governance.EventsOptions{Repetitions: true}); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("events with repetitions: %v", got)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := room.PutEvent(ctx, map[string]int{"n": 1}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, _ := numbers(t, k, nil); len(got) != 21 {
		t.Errorf("%d events, want 21", len(got))
	}
}

// TestRepetitionIsNotTakenForSuccess loses the answer to a refused write, and
// lets another member act in between: the refusal stays one.
func TestRepetitionIsNotTakenForSuccess(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	first, err := c.publisher.Contract(id).Create(ctx, "theirs")
	c.check(err)
	l := &loser{lose: 1}
	unreliable := c.unreliable(l)
	_, err = unreliable.Contract(id).Create(ctx, "mine")
	wantCode(t, err, "ContractAlreadyExists")
	l.calls.Store(0)
	_, err = unreliable.Contract(id).Update(ctx, "mine", "2.1")
	wantCode(t, err, "PreconditionFailed")
	c.wantContract(id, first, "theirs")

	// A no that came too late stays an error, whatever was decided.
	c.acceptedContract(id+"-2", "data")
	p := c.propose(c.consumer, governance.EnableLogging(id+"-2"))
	c.accept(p, c.both()...)
	for _, accept := range []bool{false, true} {
		l.calls.Store(0)
		v, err := unreliable.Proposal(p.ID).Vote(ctx, accept)
		if accept {
			// Indistinguishable from the own vote that decided, and true.
			if err != nil || v.State != governance.ProposalAccepted {
				t.Errorf("yes: %+v, %v", v, err)
			}
			continue
		}
		wantCode(t, err, "ProposalNotOpen")
	}
}
