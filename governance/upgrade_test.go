package governance_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

func TestUpgrade(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	u := c.publisher.Upgrade()
	check := func(want ...governance.Update) {
		t.Helper()
		got, err := u.Check(ctx)
		c.check(err)
		if len(got) != len(want) {
			t.Fatalf("updates %+v, want %+v", got, want)
		}
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("updates %+v lack %+v", got, w)
			}
		}
	}
	check()
	app := governance.JSApp{
		Endpoints: json.RawMessage(`{"/contracts":{"GET":{"js_module":"endpoints/contracts.js","js_function":"list","authn_policies":["no_auth"]}}}`),
		Modules:   []governance.JSModule{{Name: "/endpoints/contracts.js", Script: "export function list() { return {} } // <&> \u00fc\n"}, {Name: "/a b%2F.js", Script: "export {}"}},
	}
	p := c.propose(c.consumer, governance.SetJSApp(app))
	hosts := c.propose(c.publisher, governance.Action{Name: "add_snp_host_data", Args: map[string]string{"host_data": strings.Repeat("ab", 32), "security_policy": ""}},
		governance.Action{Name: "remove_snp_host_data", Args: map[string]string{"host_data": strings.Repeat("cd", 32)}})
	check(governance.Update{ProposalID: p.ID, Action: "set_js_app"}, governance.Update{ProposalID: hosts.ID, Action: "add_snp_host_data"}, governance.Update{ProposalID: hosts.ID, Action: "remove_snp_host_data"})
	c.accept(p, c.both()...)
	got, err := u.App(ctx)
	c.check(err)
	if string(got.Endpoints) != string(app.Endpoints) || !slices.Equal(got.Modules, app.Modules) {
		t.Errorf("application %s, %q", got.Endpoints, got.Modules)
	}

	const script = "export function resolve() { return 'Open' } // <&> \u00fc\n"
	p = c.propose(c.consumer, governance.SetConstitution(script))
	check(governance.Update{ProposalID: hosts.ID, Action: "add_snp_host_data"}, governance.Update{ProposalID: hosts.ID, Action: "remove_snp_host_data"}, governance.Update{ProposalID: p.ID, Action: "set_constitution"})
	c.accept(p, c.both()...)
	if text, err := u.Constitution(ctx); err != nil || text != script {
		t.Errorf("constitution %q, %v", text, err)
	}
	check() // the others were dropped
	if states, err := c.publisher.Proposal(hosts.ID).History(ctx); err != nil || states[len(states)-1].State != governance.ProposalDropped {
		t.Errorf("history %+v, %v", states, err)
	}
}

func TestUpgradeRefused(t *testing.T) {
	c, _ := commonConsortium(t)
	ctx := t.Context()
	for _, a := range []governance.Action{
		governance.SetJSApp(governance.JSApp{Endpoints: json.RawMessage("[]")}),
		governance.SetJSApp(governance.JSApp{}),
		{Name: "set_constitution", Args: map[string]any{"constitution": 1}},
		{Name: "set_js_runtime_options", Args: map[string]any{"max_heap_bytes": "1"}},
		governance.SetServiceOption("autoapprove-all", true),
	} {
		_, err := c.consumer.Propose(ctx, a)
		wantCode(t, err, "ProposalFailedToValidate")
	}
	for _, body := range []string{`[]`, `{"value":[{}]}`, `{"value":{}}`, `{`} {
		client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "javascript-app") {
				return respond(r, http.StatusOK, nil, `{"endpoints":{}}`), nil
			}
			return respond(r, http.StatusOK, nil, body), nil
		})
		_, err := client.Upgrade().App(ctx)
		wantText(t, err, "governance: list modules: ")
	}
	failing := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
		return respond(r, http.StatusBadRequest, nil, ""), nil
	})
	for _, err := range []error{
		func() error { _, err := failing.Upgrade().Check(ctx); return err }(),
		func() error { _, err := failing.Upgrade().App(ctx); return err }(),
		func() error { _, err := failing.Upgrade().Constitution(ctx); return err }(),
	} {
		wantText(t, err, "governance: ", "status 400")
	}
}

// TestAmbiguousUpdate does not let one proposal hide the others.
func TestAmbiguousUpdate(t *testing.T) {
	good, bad := strings.Repeat("aa", 32), strings.Repeat("bb", 32)
	client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/proposals"):
			return respond(r, http.StatusOK, nil, `{"value":[{"proposalId":"`+bad+`","proposalState":"Open"},{"proposalId":"`+good+`","proposalState":"Open"},{"proposalId":"x","proposalState":"Accepted"}]}`), nil
		case strings.Contains(r.URL.Path, bad):
			return respond(r, http.StatusOK, nil, `{"actions":[{"name":"set_js_app","Name":"set_member","args":{}}]}`), nil
		}
		return respond(r, http.StatusOK, nil, `{"actions":[{"name":"set_constitution","args":{"constitution":""}}]}`), nil
	})
	updates, err := client.Upgrade().Check(t.Context())
	wantDenied(t, err, "proposal.names")
	if !slices.Equal(updates, []governance.Update{{ProposalID: good, Action: "set_constitution"}}) {
		t.Errorf("updates %+v", updates)
	}
}

func TestServiceOption(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	options := []governance.ServiceOption{
		governance.AutoApproveConstitution, governance.AutoApproveJSApp, governance.AutoApproveDeploymentSpec, governance.AutoApproveDeploymentInfo, governance.AutoApproveCleanRoomPolicy,
	}
	for _, o := range options {
		for _, want := range []bool{true, false} {
			before, err := c.publisher.ServiceOption(ctx, o)
			if err != nil || before == want {
				t.Errorf("%s: %t, %v", o, before, err)
			}
			c.accept(c.propose(c.consumer, governance.SetServiceOption(o, want)), c.both()...)
			after, err := c.publisher.ServiceOption(ctx, o)
			if err != nil || after != want {
				t.Errorf("%s: %t, %v", o, after, err)
			}
		}
	}
	_, err := c.publisher.ServiceOption(ctx, "autoapprove-all")
	wantCode(t, err, "InvalidOption")
	_, err = c.publisher.ServiceOption(ctx, "a/b")
	wantText(t, err, `service option "a/b"`)
	if len(options) != 5 {
		t.Errorf("%d options", len(options))
	}
}
