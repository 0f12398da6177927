package governance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// watched is a service with one proposal, which is accepted when the time that
// the test sets is over. It counts who looks.
type watched struct {
	id             string
	decided, voted time.Duration // after the start
	start          time.Time
	looks, members int
	// slow is how long the service takes to list the members.
	slow time.Duration
}

func (w *watched) answer(r *http.Request, _ int) (*http.Response, error) {
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/proposals/"+w.id):
		w.looks++
		state, ballots := governance.ProposalOpen, 0
		if time.Since(w.start) >= w.voted {
			ballots = 1
		}
		if time.Since(w.start) >= w.decided {
			state = governance.ProposalAccepted
		}
		return respond(r, 200, nil, fmt.Sprintf(`{"proposalId":%q,"proposalState":%q,"ballotCount":%d}`, w.id, state, ballots)), nil
	case strings.HasSuffix(path, "/proposals/"+w.id+"/actions"):
		return respond(r, 200, nil, `{"actions":[]}`), nil
	case strings.HasSuffix(path, "/service/members"):
		w.members++
		select {
		case <-time.After(w.slow):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		return respond(r, 200, nil, `{"value":[]}`), nil
	default:
		return nil, errors.New("nobody asks for " + path)
	}
}

// TestWaitPolls counts the looks at a proposal, on a clock of its own: a wait
// looks often at first and then every 500 ms, and ends with the first look
// after the decision. Who has yet to vote is asked once, and again after a vote.
func TestWaitPolls(t *testing.T) {
	const never = time.Hour * 24
	for _, test := range []struct {
		decided, voted time.Duration
		looks, members int
	}{
		{0, never, 1, 0},
		{time.Millisecond, never, 2, 1},
		{100 * time.Millisecond, never, 7, 1},
		{3 * time.Second, never, 14, 1},
		{3 * time.Second, time.Second, 14, 2},
		{10 * time.Minute, never, 1208, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &watched{id: strings.Repeat("ab", 32), decided: test.decided, voted: test.voted, start: time.Now()}
			p, err := canned(t, w.answer).Proposal(w.id).Wait(t.Context())
			if err != nil || p.State != governance.ProposalAccepted {
				t.Fatalf("%+v, %v", p, err)
			}
			if w.looks != test.looks || w.members != test.members {
				t.Errorf("decided after %s: %d looks and %d lists of members, want %d and %d", test.decided, w.looks, w.members, test.looks, test.members)
			}
			if late := time.Since(w.start) - test.decided; late < 0 || late > 500*time.Millisecond {
				t.Errorf("decided after %s: noticed %s later, more than one poll", test.decided, late)
			}
		})
	}
	// Whoever cannot be told in time who voted is told what was decided.
	synctest.Test(t, func(t *testing.T) {
		w := &watched{id: strings.Repeat("ab", 32), decided: 3100 * time.Millisecond, voted: never, start: time.Now(), slow: time.Hour}
		_, err := canned(t, w.answer).Proposal(w.id).Wait(t.Context())
		if late := time.Since(w.start) - w.decided; err != nil || late < 0 || late > 501*time.Millisecond || w.members != w.looks-1 {
			t.Errorf("noticed %s later, after %d looks and %d lists of members: %v", late, w.looks, w.members, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := &watched{id: strings.Repeat("ab", 32), decided: never, voted: never, start: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		_, err := canned(t, w.answer).Proposal(w.id).Wait(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(w.start) != 700*time.Millisecond || w.looks != 9 {
			t.Errorf("after %s and %d looks: %v", time.Since(w.start), w.looks, err)
		}
	})
}
