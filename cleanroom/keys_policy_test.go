package cleanroom_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
)

func acceptedPolicy(hostData ...any) *governance.CleanRoomPolicy {
	return &governance.CleanRoomPolicy{Claims: map[string][]any{governance.ClaimDebuggable: {false}, governance.ClaimHostData: hostData}}
}

// Each host data that the parties accepted is a branch of its own, with what
// makes a genuine room of it.
func TestReleasePolicyFor(t *testing.T) {
	a, b := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	branch := func(hostData string) string {
		return `{"authority":"` + maaURL + `","allOf":[{"claim":"x-ms-sevsnpvm-hostdata","equals":"` + hostData + `"},` +
			`{"claim":"x-ms-compliance-status","equals":"azure-compliant-uvm"},{"claim":"x-ms-attestation-type","equals":"sevsnpvm"}]}`
	}
	for name, c := range map[string]struct {
		accepted *governance.CleanRoomPolicy
		want     string
	}{
		"one":             {acceptedPolicy(a), branch(a)},
		"two":             {acceptedPolicy(a, b), branch(a) + "," + branch(b)},
		"one twice":       {acceptedPolicy(a, a), branch(a)},
		"capitals":        {acceptedPolicy(strings.ToUpper(a)), branch(a)},
		"not all is text": {acceptedPolicy(1, a, nil), branch(a)},
		"with a proposal": {&governance.CleanRoomPolicy{ProposalIDs: []string{"p"}, Claims: acceptedPolicy(a).Claims}, branch(a)},
	} {
		got, err := cleanroom.ReleasePolicyFor(c.accepted, maaURL+"/")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := skr.ParseReleasePolicy([]byte(`{"version":"1.0.0","anyOf":[` + c.want + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Without an accepted policy there is no release policy, and the refusal says
// how far the parties are.
func TestReleasePolicyForRefuses(t *testing.T) {
	ballot := func(name string, needed bool, vote governance.Vote) governance.Ballot {
		return governance.Ballot{MemberID: strings.Repeat("0f", 32), Identifier: name, Needed: needed, Vote: vote}
	}
	open := &governance.CleanRoomPolicy{ProposalIDs: []string{"p1", "p2"}}
	for name, c := range map[string]struct {
		accepted    *governance.CleanRoomPolicy
		ballots     []governance.Ballot
		got, remedy string
	}{
		"nothing":     {nil, nil, "none", "propose the clean room policy"},
		"empty":       {&governance.CleanRoomPolicy{}, nil, "none", "propose the clean room policy"},
		"proposed":    {open, nil, "Open, proposal p1, p2", "missing members vote"},
		"no votes":    {open, []governance.Ballot{ballot("consumer", true, governance.VoteNone), ballot("publisher", true, governance.VoteNone)}, "Open with 0 of 2 votes, missing consumer, publisher, proposal p1, p2", "vote"},
		"one vote":    {open, []governance.Ballot{ballot("consumer", true, governance.VoteAccept), ballot("publisher", true, governance.VoteReject), ballot("operator", false, governance.VoteNone)}, "Open with 1 of 2 votes, missing publisher, proposal p1, p2", "vote"},
		"no names":    {open, []governance.Ballot{ballot("", true, governance.VoteNone)}, "missing 0f0f0f0f0f0f...", "vote"},
		"all votes":   {open, []governance.Ballot{ballot("consumer", true, governance.VoteAccept)}, "Open with 1 of 1 votes, proposal p1, p2", "vote"},
		"nobody":      {open, []governance.Ballot{ballot("operator", false, governance.VoteAccept)}, "Open, proposal p1, p2", "vote"},
		"only votes":  {nil, []governance.Ballot{ballot("consumer", true, governance.VoteNone)}, "Open with 0 of 1 votes, missing consumer", "vote"},
		"other claim": {&governance.CleanRoomPolicy{Claims: map[string][]any{governance.ClaimDebuggable: {false}}}, nil, "a policy without host data", "names the host data"},
		"no text":     {acceptedPolicy(true), nil, "a policy without host data", "names the host data"},
	} {
		policy, err := cleanroom.ReleasePolicyFor(c.accepted, maaURL, c.ballots...)
		var denied *cleanroom.DeniedError
		if !errors.As(err, &denied) || policy != nil || len(denied.Checks) != 1 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check := denied.Checks[0]
		if check.ID != "contract.clean-room-policy" || check.Want != governance.ContractAccepted || !strings.Contains(check.Got, c.got) || !strings.Contains(check.Remedy, c.remedy) {
			t.Errorf("%s: %+v", name, check)
		}
	}
	for name, c := range map[string]struct {
		hostData, attestation string
	}{
		"not hex":          {strings.Repeat("zz", 32), maaURL},
		"short":            {"abcd", maaURL},
		"no attestation":   {strings.Repeat("ab", 32), ""},
		"attestation path": {strings.Repeat("ab", 32), maaURL + "/x"},
	} {
		if policy, err := cleanroom.ReleasePolicyFor(acceptedPolicy(c.hostData), c.attestation); err == nil || policy != nil || !strings.HasPrefix(err.Error(), "cleanroom: release policy: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
