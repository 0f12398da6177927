package cleanroom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/governance"
)

// TestFeaturesDeployment does, for each row of the table of features about
// generation, policies, proposals and provisioning, what the row says, against
// the local environment. Hashing the layers of an image is another tool's, whose
// result is [cleanroom.ImagePolicy].
func TestFeaturesDeployment(t *testing.T) {
	rows := map[int]bool{}
	row := func(number int, title string, run func(t *testing.T)) {
		rows[number] = true
		t.Run(fmt.Sprintf("%d %s", number, title), run)
	}
	a, ctx := agree(t, "logging"), t.Context()
	contract := a.ledger.Contract(roomContract)
	opts := cleanroom.GenerateOptions{
		ContractID: roomContract, GovernanceEndpoint: a.env.LedgerURL(), ServiceCertificate: a.env.ServiceCertificate(),
		Images: map[string]cleanroom.ImagePolicy{roomImage: {Layers: []string{strings.Repeat("ab", 32)}}},
	}
	made, err := cleanroom.Generate(a.spec, opts)
	a.must(err)
	row(42, "deployment generate", func(t *testing.T) {
		again, err := cleanroom.Generate(a.spec, opts)
		if err != nil || !bytes.Equal(made.Template, again.Template) {
			t.Errorf("%v", err)
		}
		other := opts
		other.Images = nil
		if _, err := cleanroom.Generate(a.spec, other); err == nil || !strings.Contains(err.Error(), roomImage) {
			t.Errorf("an image without layers: %v", err)
		}
	})
	row(43, "sidecar digests", func(t *testing.T) {
		document := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", name)) }
		digests, err := document("sidecars/sidecar-digests.yaml")
		a.must(err)
		text, err := document("merged.yaml")
		a.must(err)
		spec, err := cleanroom.ParseSpecification(text)
		a.must(err)
		release := cleanroom.SidecarRelease{
			Registry: "registry.example.org/sidecars", Version: "8.0.0", Digests: digests,
			PolicyDocument: func(_ context.Context, name, _ string) ([]byte, error) { return document("sidecars/" + name + ".yaml") },
		}
		d, err := cleanroom.GenerateSidecars(ctx, spec, release, opts)
		if err != nil || !strings.Contains(string(d.Template), "registry.example.org/sidecars/ccr-governance@sha256:") {
			t.Errorf("%v", err)
		}
		release.Digests = []byte("sidecars: []\n")
		if _, err := cleanroom.GenerateSidecars(ctx, spec, release, opts); err == nil {
			t.Error("sidecars without digests")
		}
	})
	row(44, "CCE policy", func(t *testing.T) {
		if changes, err := cleanroom.DiffPolicies(made.Policy, a.template.Policy()); err != nil || len(changes) > 0 {
			t.Errorf("%v, %v", changes, err)
		}
		hash, err := cleanroom.PolicyHash(made.Policy)
		if err != nil || hash == made.HostData {
			t.Errorf("%s, %v", hash, err)
		}
		env := environ(a.template.Environment(roomApp))
		if err := a.template.CheckProcess(roomApp, []string{"/app"}, env); err != nil {
			t.Error(err)
		}
		if err := a.template.CheckProcess(roomApp, []string{"/bin/sh"}, env); err == nil {
			t.Error("another command is let in")
		}
	})
	row(47, "governance policy", func(t *testing.T) {
		if p := made.GovernancePolicy; p.Type != governance.PolicyAdd || p.Claims[governance.ClaimHostData] != made.HostData || p.Claims[governance.ClaimDebuggable] != false {
			t.Errorf("%+v", p)
		}
	})
	row(48, "template propose and show", func(t *testing.T) {
		spec, err := contract.DeploymentSpec(ctx)
		a.must(err)
		if changes, err := cleanroom.DiffTemplates(made.Template, spec.Data); err != nil || len(changes) > 0 {
			t.Errorf("%v, %v", changes, err)
		}
	})
	row(49, "policy propose and show", func(t *testing.T) {
		p, err := contract.CleanRoomPolicy(ctx)
		if err != nil || !slices.Equal(p.HostData(), []string{made.HostData}) {
			t.Errorf("%+v, %v", p, err)
		}
	})
	row(50, "runtime options", func(t *testing.T) {
		want := func(o governance.RuntimeOption, enabled bool) {
			t.Helper()
			if s, err := contract.Option(ctx, o); err != nil || s.Enabled != enabled {
				t.Errorf("%s: %+v, %v", o, s, err)
			}
		}
		want(governance.Execution, true)
		want(governance.Logging, false)
		want(governance.Telemetry, false)
		a.pass(governance.EnableLogging(roomContract))
		a.pass(governance.EnableTelemetry(roomContract))
		want(governance.Logging, true)
		want(governance.Telemetry, true)
		// One party alone can take its consent back.
		if p, err := a.ledger.Propose(ctx, governance.DisableLogging(roomContract)); err != nil || p.State != governance.ProposalAccepted {
			t.Errorf("%+v, %v", p, err)
		}
		want(governance.Logging, false)
	})
	changed := strings.Replace(string(made.Template), `"privileged": false`, `"privileged": true`, 1)
	for _, p := range []struct {
		number   int
		title    string
		template string
		accept   bool
	}{{51, "verify the proposals", changed, false}, {52, "accept the proposals", string(made.Template), true}} {
		row(p.number, p.title, func(t *testing.T) {
			one, err := a.ledger.Propose(ctx, governance.SetDeploymentSpec(roomContract, json.RawMessage(p.template)))
			a.must(err)
			two, err := a.ledger.Propose(ctx, governance.SetCleanRoomPolicy(roomContract, made.GovernancePolicy))
			a.must(err)
			open, err := cleanroom.ReadProposals(ctx, a.ledger, roomContract)
			a.must(err)
			_, err = cleanroom.VerifyProposals(cleanroom.VerifyInput{Specification: a.spec, GenerateOptions: opts, ProposedTemplate: open.Template, ProposedPolicy: open.Policy})
			var denied *cleanroom.DeniedError
			if p.accept != (err == nil) || err != nil && (!errors.As(err, &denied) || !strings.Contains(err.Error(), "privileged")) {
				t.Errorf("%v", err)
			}
			for _, id := range []string{one.ID, two.ID} {
				want := governance.ProposalRejected
				if p.accept {
					want = governance.ProposalAccepted
				}
				if v, err := a.ledger.Proposal(id).Vote(ctx, p.accept); err != nil || v.State != want {
					t.Errorf("%+v, %v", v, err)
				}
			}
		})
	}
	row(53, "create-kek", func(t *testing.T) {
		dek, err := a.point(roomSink).DEK()
		a.must(err)
		first, _, err := a.keys.ImportKEK(ctx, dek.KEK, a.policy, nil)
		a.must(err)
		second, _, err := a.keys.ImportKEK(ctx, dek.KEK, a.policy, nil)
		if err != nil || first != second || first.Version == "" {
			t.Errorf("%+v, %+v, %v", first, second, err)
		}
	})
	row(59, "OIDC issuer", func(t *testing.T) {
		for _, name := range []string{"/.well-known/openid-configuration", "/openid/v1/jwks"} {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.party.IssuerURL+name, nil)
			a.must(err)
			resp, err := a.conn.HTTPClient().Do(req)
			a.must(err)
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK || !json.Valid(body) {
				t.Errorf("%s: %s, %s, %v", name, resp.Status, body, err)
			}
		}
	})
	d := newDeployer(t)
	deploy := func(template json.RawMessage, err error) map[string]string {
		d.must(err)
		outputs, err := d.deploy(template, nil)
		d.must(err)
		return outputs
	}
	outputs := deploy(d.provision.ResourcesTemplate())
	deploy(d.provision.AccessTemplate(d.access(outputs["principalId"])))
	deployed := func(kind string) (n int) {
		list, err := d.env.Deployed(d.party.Name)
		d.must(err)
		for _, r := range list {
			if strings.HasPrefix(r, kind+" ") {
				n++
			}
		}
		return n
	}
	row(58, "setup-access: roles", func(t *testing.T) {
		if n := deployed("Microsoft.Authorization/roleAssignments"); n != 7 {
			t.Errorf("%d roles", n)
		}
	})
	row(60, "setup-access: federated credential", func(t *testing.T) {
		if n := deployed("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"); n != 1 {
			t.Errorf("%d credentials", n)
		}
	})
	row(63, "deploy", func(t *testing.T) {
		_, err := d.Deploy(ctx, d.party.ResourceGroup, "room", made.Template, nil)
		if err != nil || deployed("Microsoft.ContainerInstance/containerGroups") != 1 {
			t.Errorf("%v", err)
		}
	})
	if len(rows) != 14 {
		t.Errorf("%d rows, want 14", len(rows))
	}
}

func environ(env cleanroom.Environment) (list []string) {
	for _, v := range env {
		list = append(list, v.Name+"="+v.Value)
	}
	return list
}
