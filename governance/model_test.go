package governance_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	// A failure prints its seed; -model.seed=N -model.histories=1 repeats it.
	modelSeed      = flag.Uint64("model.seed", 1, "first seed of the histories of TestModel")
	modelHistories = flag.Int("model.histories", 2000, "how many histories TestModel runs")
)

const (
	// historySteps is the length of a history.
	historySteps = 22
	// issuerEvery is how seldom a history has a token issuer: its key takes as
	// long as many histories.
	issuerEvery = 500
)

// beginnings are ways to a contract whose rooms get a secret, to an operator
// beside a member, and to a third member. A history goes a part of one and then
// its own ways: by chance alone, few would come so far.
var beginnings = [][]step{
	{
		{kind: "create"}, {kind: "propose contract", more: 1}, {kind: "vote", more: 1}, {kind: "vote", actor: 1, more: 1},
		{kind: "propose policy"}, {kind: "vote", more: 1}, {kind: "vote", actor: 1, more: 1},
		{kind: "put secret"}, {kind: "read secret", more: 1},
		{kind: "consent", more: 1}, {kind: "read secret", more: 1}, {kind: "ask consent"}, {kind: "consent", actor: 1}, {kind: "ask consent"},
	},
	{
		{kind: "member data", more: 1}, {kind: "vote", more: 1}, {kind: "vote", actor: 1, more: 1},
		{kind: "set member", actor: 1, more: 3}, {kind: "activate", actor: 3},
	},
	{
		{kind: "create"}, {kind: "set member", n: 1, more: 2}, {kind: "vote", more: 1}, {kind: "vote", actor: 1, more: 1},
		{kind: "propose contract", more: 1}, {kind: "vote", more: 1}, {kind: "vote", actor: 1, more: 1}, {kind: "activate", actor: 2},
	},
}

// history makes the steps of a seed.
func history(seed uint64, issuer bool) []step {
	r := rand.New(rand.NewPCG(seed, 0))
	beginning := beginnings[max(r.IntN(6)-3, 0)]
	steps := slices.Clone(beginning[:r.IntN(len(beginning)+1)])
	if issuer {
		steps = append(slices.Clone(beginnings[0]), step{kind: "get token"})
	}
	for len(steps) < historySteps {
		steps = append(steps, randomStep(r))
	}
	return steps
}

// difference is where the service and the model part.
type difference struct {
	trace []string
	err   error
}

func (d *difference) Error() string {
	return fmt.Sprintf("%s\nafter %d steps:\n%s", d.err, len(d.trace), strings.Join(d.trace, "\n"))
}

// replay runs a history through model and service side by side. seen counts
// what happened, by kind of step and outcome.
func (n *modelNetwork) replay(ctx context.Context, steps []step, issuer bool, bug string, seen map[string]int) error {
	if err := n.start(ctx, issuer); err != nil {
		return err
	}
	m := newModel(modelFounders, issuer)
	m.bug = bug
	d := &difference{}
	for _, s := range steps {
		c, ok := m.plan(s)
		if !ok {
			continue
		}
		want := m.expect(c)
		got := n.run(ctx, c, m)
		d.trace = append(d.trace, c.String()+": "+got)
		if got != want {
			d.err = fmt.Errorf("the service says %q, the model %q", got, want)
			return d
		}
		if released(c, got) {
			if d.err = n.mayRelease(ctx, c, m); d.err != nil {
				return d
			}
		}
		if seen != nil {
			kind, _, _ := strings.Cut(strings.TrimPrefix(got, "ok "), " ")
			if strings.HasPrefix(got, "denied") {
				kind = strings.Fields(got)[1]
			}
			if c.kind == "read secret" && strings.HasPrefix(got, "ok") {
				kind = "value"
			}
			if c.kind == "put secret" && strings.HasPrefix(got, "ok") {
				kind = "id"
			}
			seen[c.kind+": "+kind]++
		}
	}
	if d.err = n.compare(ctx, m); d.err != nil {
		return d
	}
	return nil
}

// shrink leaves out steps for as long as the difference stays.
func (n *modelNetwork) shrink(ctx context.Context, steps []step, issuer bool, bug string) ([]step, error) {
	var last error
	fails := func(steps []step) bool {
		err := n.replay(ctx, steps, issuer, bug, nil)
		var d *difference
		if errors.As(err, &d) {
			last = d
			return true
		}
		return false
	}
	if !fails(steps) {
		return steps, errors.New("the difference does not come again")
	}
	for size := len(steps) / 2; size > 0; {
		shorter := false
		for at := 0; at+size <= len(steps); {
			if without := slices.Concat(steps[:at], steps[at+size:]); fails(without) {
				steps, shorter = without, true
			} else {
				at += size
			}
		}
		if !shorter || size > len(steps) {
			size /= 2
		}
	}
	fails(steps)
	return steps, last
}

// TestModel replays random histories of members, proposals, votes, withdrawals,
// contract versions, policies, consent and secrets.
func TestModel(t *testing.T) {
	w := modelWorldOf(t)
	var next atomic.Int64
	var mu sync.Mutex
	total := map[string]int{}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 4) {
		wg.Go(func() {
			n, err := newModelNetwork(w)
			if err != nil {
				t.Error(err)
				return
			}
			seen := map[string]int{}
			for !t.Failed() {
				i := int(next.Add(1)) - 1
				if i >= modelRuns() {
					break
				}
				seed, issuer := *modelSeed+uint64(i), i%issuerEvery == 0
				if err := n.replay(t.Context(), history(seed, issuer), issuer, "", seen); err != nil {
					_, shortest := n.shrink(t.Context(), history(seed, issuer), issuer, "")
					t.Errorf("seed %d: %v\n\nshortest: %v", seed, err, shortest)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for k, v := range seen {
				total[k] += v
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	steps := 0
	for _, k := range slices.Sorted(maps.Keys(total)) {
		steps += total[k]
		t.Logf("%6d %s", total[k], k)
	}
	t.Logf("%6d steps of %d histories", steps, modelRuns())
	for _, k := range modelMustSee {
		if total[k] == 0 {
			t.Errorf("no history has %q", k)
		}
	}
}

// modelRuns is fewer under the race detector, which makes a history ten times
// as slow.
func modelRuns() int {
	if raceDetector {
		return *modelHistories / 10
	}
	return *modelHistories
}

// modelMustSee are the outcomes without which the histories would prove little.
var modelMustSee = []string{
	"read secret: value", "read secret: SecretNotFound", "read secret: policy.match", "read secret: policy.accepted",
	"get token: token", "get token: SigningKeyNotAvailable", "get token: policy.match",
	"ask consent: enabled", "ask consent: disabled", "ask consent: policy.match",
	"vote: Accepted", "vote: Rejected", "vote: VoteAlreadyExists", "vote: ProposalNotOpen", "vote: ProposalNotFound", "vote: InvalidAuthenticationInfo", "vote: InternalError",
	"withdraw: Withdrawn", "withdraw: AuthorizationFailed", "withdraw: ProposalNotOpen", "withdraw: proposal.state",
	"update: ok", "update: modified", "create: ContractAlreadyExists", "create: ContractAlreadyAccepted",
	"propose contract: Open", "propose contract: modified", "propose contract: contract.state", "propose mixture: proposal.created",
	"propose policy: Open", "propose policy: ProposalFailedToValidate", "set member: Open", "set member: Accepted",
	"consent: ok", "consent: ContractNotAccepted", "put secret: id", "put secret: AttestationMissing",
}

// TestModelNoticesMistakes gives the model one mistake at a time. Each must
// show, and in a short history.
func TestModelNoticesMistakes(t *testing.T) {
	n, err := newModelNetwork(modelWorldOf(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, bug := range []string{
		"no veto", "operators count", "newcomers do not hold up contracts", "no demotion",
		"additions replace", "consent of one for another", "secrets need consent",
	} {
		t.Run(bug, func(t *testing.T) {
			for seed := uint64(1); seed <= 1000; seed++ {
				err := n.replay(t.Context(), history(seed, false), false, bug, nil)
				if err == nil {
					continue
				}
				shortest, err := n.shrink(t.Context(), history(seed, false), false, bug)
				if len(shortest) > 16 {
					t.Errorf("seed %d: %d steps: %v", seed, len(shortest), err)
				}
				if err := n.replay(t.Context(), shortest, false, "", nil); err != nil {
					t.Errorf("seed %d: without the mistake: %v", seed, err)
				}
				t.Logf("seed %d: %v", seed, err)
				return
			}
			t.Error("no history noticed it")
		})
	}
}
