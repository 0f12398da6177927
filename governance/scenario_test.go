package governance_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
)

// TestScenario goes the way of a collaboration, from a new network to a room
// that gets its secret and its token.
func TestScenario(t *testing.T) {
	t.Parallel()
	c := newConsortium(t)
	ctx := t.Context()
	const id = "collab1"

	data := "datasinks: []\n# \u00fc \U0001f512 <&>\n"
	c.acceptedContract(id, data)
	contract := c.publisher.Contract(id)
	got, err := contract.Get(ctx)
	c.check(err)
	if got.State != governance.ContractAccepted || got.Data != data || len(got.FinalVotes) != 2 || got.ProposalID == "" {
		t.Fatalf("accepted contract: %+v", got)
	}

	// Deployment, policy and consent, each accepted by both.
	template := json.RawMessage(`{"resources":[{"name":"room","n":1}]}`)
	p, err := c.consumer.Contract(id).ProposeDeploymentSpec(ctx, template)
	c.check(err)
	spec, err := contract.DeploymentSpec(ctx)
	c.check(err)
	if len(spec.ProposalIDs) != 1 || spec.ProposalIDs[0] != p.ID || string(spec.Data) != "{}" {
		t.Fatalf("deployment spec before the votes: %+v", spec)
	}
	c.accept(p, c.both()...)

	g := c.launch("package policy\n")
	p, err = c.consumer.Contract(id).ProposeCleanRoomPolicy(ctx, governance.HostDataPolicy(g.hostData()))
	c.check(err)
	c.accept(p, c.both()...)
	policy, err := contract.CleanRoomPolicy(ctx)
	c.check(err)
	if h := policy.HostData(); len(h) != 1 || h[0] != g.hostData() {
		t.Fatalf("policy has host data %q", h)
	}

	p, err = c.consumer.Contract(id).ProposeLogging(ctx)
	c.check(err)
	status, err := contract.Option(ctx, governance.Logging)
	c.check(err)
	if status.Enabled || len(status.ProposalIDs) != 1 || status.ProposalIDs[0] != p.ID {
		t.Fatalf("logging before the votes: %+v", status)
	}
	c.accept(p, c.both()...)
	p, err = c.publisher.Contract(id).ProposeTelemetry(ctx)
	c.check(err)
	c.accept(p, c.both()...)

	// The publisher's secret and issuer.
	secretID, err := contract.PutSecret(ctx, "dbconfig", `{"dbName":"test_data"}`)
	c.check(err)
	if want := governance.SecretID(c.publisher.Member().ID(), "dbconfig"); secretID != want {
		t.Fatalf("secret id %s, predicted %s", secretID, want)
	}
	c.accept(c.propose(c.consumer, governance.EnableOIDCIssuer("0123456789abcdef0123456789abcdef")), c.both()...)
	kid, err := c.consumer.OIDC().GenerateSigningKey(ctx)
	c.check(err)
	const issuerURL = "https://publisheroidcsa.z6.web.core.windows.net/collab1"
	c.check(c.publisher.OIDC().SetIssuerURL(ctx, issuerURL))
	info, err := c.publisher.OIDC().Info(ctx)
	c.check(err)
	tenant := c.memberData(cleanroomtest.Publisher).TenantID
	if want := (governance.IssuerInfo{Enabled: true, TenantID: tenant, TenantIssuerURL: issuerURL}); *info != want {
		t.Fatalf("issuer info %+v, want %+v", *info, want)
	}
	keys, err := c.publisher.OIDC().Keys(ctx)
	c.check(err)
	configuration, jwks, err := governance.IssuerDocuments(issuerURL, keys)
	c.check(err)
	checkConfiguration(t, configuration, issuerURL)

	// The room.
	room := c.room(id, g, nil)
	for _, o := range []governance.RuntimeOption{governance.Execution, governance.Logging, governance.Telemetry} {
		status, err := room.Consent(ctx, o)
		c.check(err)
		c.check(status.Err())
	}
	accepted, err := room.DeploymentSpec(ctx)
	c.check(err)
	if string(accepted.Data) != string(template) {
		t.Errorf("deployment spec %s, want %s", accepted.Data, template)
	}
	secret, err := room.Secret(ctx, secretID)
	c.check(err)
	if string(secret) != `{"dbName":"test_data"}` {
		t.Errorf("secret of %d bytes is another one", len(secret))
	}
	token, err := room.Token(ctx, governance.TokenRequest{TenantID: tenant})
	c.check(err)
	checkToken(t, token, jwks, kid, map[string]string{"sub": id, "aud": governance.TokenAudience, "iss": issuerURL})

	before := time.Now().Add(-time.Second)
	c.check(room.PutEvent(ctx, map[string]string{"source": "room", "message": "started"}, nil))
	c.check(room.PutEvent(ctx, map[string]string{"source": "room", "message": "ended"}, nil))
	var messages []string
	for e, err := range c.consumer.Contract(id).Events(ctx, nil) {
		c.check(err)
		if e.ID != id || e.Time.Before(before) || e.Seqno < 1 {
			t.Errorf("event %+v", e)
		}
		var doc struct{ Message string }
		c.check(json.Unmarshal(e.Data, &doc))
		messages = append(messages, doc.Message)
	}
	if len(messages) != 2 || messages[0] != "started" || messages[1] != "ended" {
		t.Errorf("events %q", messages)
	}
}
