package skr

import (
	"context"
	"strings"
	"testing"
	"time"
)

// The clocks may differ by the leeway and not by one second more, in either
// direction; zero means five minutes, and a negative leeway none.
func TestLeeway(t *testing.T) {
	w := newWorld(t)
	from, until := time.Unix(1_800_000_000, 0), time.Unix(1_800_003_600, 0)
	w.editToken = func(_, c object) { c["nbf"], c["exp"] = from.Unix(), until.Unix() }
	asked := 0
	for given, leeway := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Second: time.Second, time.Hour: time.Hour, -1: 0, -time.Hour: 0} {
		c, err := NewMAAClient(maaHost, &MAAClientOptions{ClientOptions: w.options(), Leeway: given})
		if err != nil {
			t.Fatal(err)
		}
		for now, want := range map[time.Time]string{
			from.Add(-leeway - time.Second):  "token.not-before",
			from.Add(-leeway):                "",
			until.Add(leeway - time.Second):  "",
			until.Add(leeway):                "token.expiry",
			until.Add(leeway + 24*time.Hour): "token.expiry",
		} {
			c.now = func() time.Time { return now }
			_, err := c.Attest(context.Background(), evidenceFor(t, w), "n")
			ids := failedIDs(err)
			if got := strings.Join(ids, " "); got != want || err != nil && len(ids) == 0 {
				t.Errorf("leeway %s, %s after the beginning: failed %q, want %q: %v", given, now.Sub(from), got, want, err)
			}
			asked++
		}
	}
	if asked != 25 {
		t.Errorf("%d tokens, want 25", asked)
	}
}
