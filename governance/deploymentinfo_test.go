package governance_test

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestDeploymentInfo(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	k := c.consumer.Contract(id)
	room := c.room(id, c.launch("policy"), nil)
	want := func(data string, open ...string) {
		t.Helper()
		asked, err := c.publisher.Contract(id).DeploymentInfo(ctx)
		c.check(err)
		inside, err := room.DeploymentInfo(ctx) // without evidence
		c.check(err)
		if string(asked.Data) != data || string(inside.Data) != data || !slices.Equal(asked.ProposalIDs, open) {
			t.Errorf("info %s, %s, proposals %q; want %s, %q", asked.Data, inside.Data, asked.ProposalIDs, data, open)
		}
	}
	want("{}")
	_, err := k.ProposeDeploymentInfo(ctx, json.RawMessage("{}"))
	wantCode(t, err, "ProposalFailedToValidate")
	c.acceptedContract(id, "terms")
	for _, bad := range []string{"", "[]", "null", `"x"`, "{"} {
		_, err := k.ProposeDeploymentInfo(ctx, json.RawMessage(bad))
		wantText(t, err, "no JSON object")
	}
	for _, info := range []string{`{"url":"https://room.example","<":1}`, `{"a":{"Name":1,"name":2}}`} {
		p, err := k.ProposeDeploymentInfo(ctx, json.RawMessage(info))
		c.check(err)
		open, err := c.publisher.Contract(id).DeploymentInfo(ctx)
		c.check(err)
		if !slices.Equal(open.ProposalIDs, []string{p.ID}) {
			t.Errorf("open %q, want %s", open.ProposalIDs, p.ID)
		}
		c.accept(p, c.both()...)
		want(info)
	}
	_, err = c.consumer.Contract("a/b").ProposeDeploymentInfo(ctx, json.RawMessage("{}"))
	wantText(t, err, `contract id "a/b"`)
}
