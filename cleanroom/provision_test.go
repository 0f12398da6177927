package cleanroom_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
)

// deployer is a party that deploys.
type deployer struct {
	*testing.T
	env   *cleanroomtest.Env
	party *cleanroomtest.Party
	wire  *heldWire
	*cleanroom.Provisioner
	provision cleanroom.Provision
}

func newDeployer(t *testing.T) *deployer {
	t.Helper()
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &deployer{T: t, env: env, wire: &heldWire{}}
	d.party, err = env.Party(cleanroomtest.Publisher)
	d.must(err)
	conn, err := env.Connect(d.party.Name, &cleanroomtest.ConnOptions{Wrap: d.wire.wrap})
	d.must(err)
	t.Cleanup(conn.Close)
	opts := &cleanroom.ProvisionerOptions{Poll: time.Millisecond}
	opts.ClientOptions.ClientOptions = conn.ClientOptions()
	d.Provisioner, err = cleanroom.NewProvisioner(d.party.SubscriptionID, conn.Credential(), opts)
	d.must(err)
	d.provision = cleanroom.Provision{Prefix: cleanroom.UniqueString("publisher-12345678"), TenantID: d.party.TenantID, OperatorID: "40000000-0000-4000-8000-000000000001"}
	return d
}

func (d *deployer) must(errs ...error) {
	d.Helper()
	if err := errors.Join(errs...); err != nil {
		d.Fatal(err)
	}
}

func (d *deployer) deploy(template json.RawMessage, opts *cleanroom.DeployOptions) (map[string]string, error) {
	return d.Deploy(d.Context(), d.party.ResourceGroup, "provision", template, opts)
}

func (d *deployer) access(principal string) cleanroom.ProvisionAccess {
	return cleanroom.ProvisionAccess{PrincipalID: principal, ContractID: "collab1-db", IssuerURL: "https://uqlvijswqovpioidcsa.z6.web.core.windows.net/oidc"}
}

// TestProvision deploys both templates twice: the second time changes nothing.
func TestProvision(t *testing.T) {
	d := newDeployer(t)
	var last []string
	for range 2 {
		var states []string
		template, err := d.provision.ResourcesTemplate()
		d.must(err)
		outputs, err := d.deploy(template, &cleanroom.DeployOptions{Progress: func(s string) { states = append(states, s) }})
		d.must(err)
		if !slices.Equal(states, []string{"Accepted", "Running", "Succeeded"}) {
			t.Errorf("states %v", states)
		}
		if len(outputs) != 6 || outputs["vaultUrl"] != "https://uqlvijswqovpikv.vault.azure.net/" || outputs["webUrl"] != "https://uqlvijswqovpioidcsa.z6.web.core.windows.net/" || len(outputs["clientId"]) != 36 {
			t.Errorf("outputs %v", outputs)
		}
		access, err := d.provision.AccessTemplate(d.access(outputs["principalId"]))
		d.must(err)
		_, err = d.deploy(access, nil)
		d.must(err)
		deployed, err := d.env.Deployed(d.party.Name)
		d.must(err)
		if last != nil && !slices.Equal(deployed, last) {
			t.Errorf("another deployment has\n%v\nafter\n%v", deployed, last)
		}
		last = deployed
	}
	count := map[string]int{}
	for _, r := range last {
		kind, _, _ := strings.Cut(r, " ")
		count[kind]++
	}
	if len(last) != 12 || count["Microsoft.Authorization/roleAssignments"] != 7 || count["Microsoft.Storage/storageAccounts"] != 2 {
		t.Errorf("%v", last)
	}
	if !slices.Contains(last, "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials uqlvijswqovpi-mi/collab1-db-federation") {
		t.Errorf("%v", last)
	}
}

// TestProvisionHSM: the keys are the HSM's, so that no role of Resource Manager
// reaches them, and the vault beside it has secrets alone.
func TestProvisionHSM(t *testing.T) {
	d := newDeployer(t)
	d.provision.ManagedHSM = true
	template, err := d.provision.ResourcesTemplate()
	d.must(err)
	for range 2 {
		outputs, err := d.deploy(template, nil)
		d.must(err)
		if len(outputs) != 7 || outputs["hsmUrl"] != "https://uqlvijswqovpihsm.managedhsm.azure.net/" || outputs["vaultUrl"] == "" {
			t.Errorf("outputs %v", outputs)
		}
		access, err := d.provision.AccessTemplate(d.access(outputs["principalId"]))
		d.must(err)
		for _, role := range []string{"14b46e9e-c2b7-41b4-b07b-48a6ebf60603", "08bbd89e-9f13-488c-ac41-acfcb10c90ab"} {
			if strings.Contains(string(access), role) {
				t.Errorf("the role %s for keys of the vault", role)
			}
		}
		_, err = d.deploy(access, nil)
		d.must(err)
	}
	deployed, err := d.env.Deployed(d.party.Name)
	d.must(err)
	if len(deployed) != 11 || !slices.Contains(deployed, "Microsoft.KeyVault/managedHSMs uqlvijswqovpihsm") {
		t.Errorf("%v", deployed)
	}
	for name, edit := range map[string][2]string{
		"sku":            {`"Standard_B1"`, `"premium"`},
		"administrators": {`"initialAdminObjectIds": [`, `"administrators": [`},
		"tenant":         {`"tenantId": "` + d.party.TenantID, `"tenantId": "` + d.provision.OperatorID},
	} {
		changed := strings.ReplaceAll(string(template), edit[0], edit[1])
		if changed == string(template) {
			t.Fatalf("%s changes nothing", name)
		}
		var refused *cleanroom.DeployError
		if _, err := d.deploy(json.RawMessage(changed), nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "BadRequest") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProvisionLeastPrivilege: the room's identity gets three roles, and none
// that reads, changes or uses keys.
func TestProvisionLeastPrivilege(t *testing.T) {
	p := cleanroom.Provision{Prefix: "abc", TenantID: "10000000-0000-4000-8000-000000000001", OperatorID: "40000000-0000-4000-8000-000000000001"}
	const room = "50000000-0000-4000-8000-000000000001"
	template, err := p.AccessTemplate(cleanroom.ProvisionAccess{PrincipalID: room, ContractID: "collab1", IssuerURL: "https://issuer.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.AccessTemplate(cleanroom.ProvisionAccess{PrincipalID: room, ContractID: "collab1", IssuerURL: "https://issuer.example.org"})
	if err != nil || !bytes.Equal(template, again) {
		t.Errorf("two renderings: %v", err)
	}
	var doc struct {
		Resources []struct {
			Scope      string
			Properties struct{ RoleDefinitionID, PrincipalID, Subject, Issuer string }
		}
	}
	if err := json.Unmarshal(template, &doc); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range doc.Resources {
		if r.Properties.PrincipalID == room {
			_, role, _ := strings.Cut(r.Properties.RoleDefinitionID, "', '")
			got[strings.TrimSuffix(role, "')]")] = r.Scope
		}
	}
	vault, data := "[resourceId('Microsoft.KeyVault/vaults', 'abckv')]", "[resourceId('Microsoft.Storage/storageAccounts', 'abcsa')]"
	if len(got) != 3 || got["08bbd89e-9f13-488c-ac41-acfcb10c90ab"] != vault || got["4633458b-17de-408a-b874-0445c86b69e6"] != vault || got["ba92f5b4-2d11-453d-a403-e96b0029c9fe"] != data {
		t.Errorf("%v", got)
	}
}

// TestProvisionRefuses has what is wrong before anything is sent.
func TestProvisionRefuses(t *testing.T) {
	good := cleanroom.Provision{Prefix: "abc", TenantID: "10000000-0000-4000-8000-000000000001", OperatorID: "40000000-0000-4000-8000-000000000001"}
	access := cleanroom.ProvisionAccess{PrincipalID: good.OperatorID, ContractID: "collab1", IssuerURL: "https://issuer.example.org"}
	for say, change := range map[string]func(*cleanroom.Provision, *cleanroom.ProvisionAccess){
		"prefix":       func(p *cleanroom.Provision, _ *cleanroom.ProvisionAccess) { p.Prefix = "Too-Long-For-A-Name" },
		"the tenant":   func(p *cleanroom.Provision, _ *cleanroom.ProvisionAccess) { p.TenantID = "contoso" },
		"the operator": func(p *cleanroom.Provision, _ *cleanroom.ProvisionAccess) { p.OperatorID = "me" },
		"kind":         func(p *cleanroom.Provision, _ *cleanroom.ProvisionAccess) { p.OperatorType = "Robot" },
		"principalId":  func(_ *cleanroom.Provision, a *cleanroom.ProvisionAccess) { a.PrincipalID = "" },
		"no contract":  func(_ *cleanroom.Provision, a *cleanroom.ProvisionAccess) { a.ContractID = "" },
		"contract id":  func(_ *cleanroom.Provision, a *cleanroom.ProvisionAccess) { a.ContractID = "a/b" },
		"not an https": func(_ *cleanroom.Provision, a *cleanroom.ProvisionAccess) { a.IssuerURL = "http://issuer.example.org" },
	} {
		p, a := good, access
		change(&p, &a)
		if _, err := p.AccessTemplate(a); err == nil || !strings.Contains(err.Error(), say) || !strings.HasPrefix(err.Error(), "cleanroom: ") {
			t.Errorf("%s: %v", say, err)
		}
	}
	if _, err := cleanroom.NewProvisioner("subscription", nil, nil); err == nil {
		t.Error("without a subscription")
	}
}

// TestDeployRefusals: Azure's refusals keep their codes and get a remedy.
func TestDeployRefusals(t *testing.T) {
	d := newDeployer(t)
	template, err := d.provision.ResourcesTemplate()
	d.must(err)
	access, err := d.provision.AccessTemplate(d.access("50000000-0000-4000-8000-000000000001"))
	d.must(err)
	edit := func(b json.RawMessage, pairs ...string) json.RawMessage {
		text := strings.NewReplacer(pairs...).Replace(string(b))
		if text == string(b) {
			t.Fatalf("%v changes nothing", pairs)
		}
		return json.RawMessage(text)
	}
	for _, c := range []struct {
		name     string
		template json.RawMessage
		code     string
		service  bool // the answer itself is a refusal
	}{
		{"api-version", edit(template, "2023-07-01", "2010-01-01"), "NoRegisteredProviderFound", true},
		{"type", edit(template, "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vault"), "InvalidResourceType", true},
		{"schema", edit(template, "deploymentTemplate.json", "parameters.json"), "InvalidTemplate", true},
		{"misspelt", edit(template, `"location"`, `"locaton"`), "InvalidTemplate", true},
		{"twice", edit(template, "oidcsa", "sa"), "InvalidTemplate", true},
		{"name", edit(template, `"name": "uqlvijswqovpikv"`, `"name": "x"`), "InvalidResourceName", false},
		{"required property", edit(template, `"sku": {`, `"tags": {`), "BadRequest", false},
		{"role before the vault", access, "ResourceNotFound", false},
	} {
		_, err := d.deploy(c.template, nil)
		var refused *cleanroom.DeployError
		if !errors.As(err, &refused) || !slices.ContainsFunc(refused.Details, func(x cleanroom.DeployDetail) bool { return x.Code == c.code }) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var service *azcore.ResponseError
		if errors.As(err, &service) != c.service || !strings.HasPrefix(err.Error(), "cleanroom: deploy provision: ") || !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := d.Deploy(t.Context(), "nowhere", "provision", template, nil); err == nil || !strings.Contains(err.Error(), "create the resource group first") {
		t.Errorf("%v", err)
	}
	for name, bad := range map[string]json.RawMessage{"a/b": template, "provision": json.RawMessage("{")} {
		if _, err := d.Deploy(t.Context(), d.party.ResourceGroup, name, bad, nil); err == nil {
			t.Errorf("%s", name)
		}
	}
}

// TestDeployRetriesPrincipals: a principal that the directory does not show yet
// is waited for, and not for ever.
func TestDeployRetriesPrincipals(t *testing.T) {
	d := newDeployer(t)
	template, err := d.provision.ResourcesTemplate()
	d.must(err)
	fail, puts := 2, 0
	u := &vaultUser{T: t, wire: d.wire}
	u.hold(func(req *http.Request, _ []byte) *http.Response {
		if req.Host != cleanroomtest.ManagementHost || req.Method != http.MethodPut {
			return nil
		}
		if puts++; puts > fail {
			return nil
		}
		return answer(req, http.StatusOK, map[string]any{"properties": map[string]any{"provisioningState": "Failed", "error": map[string]any{
			"code": "DeploymentFailed", "details": []any{map[string]any{"code": "PrincipalNotFound", "message": `{"error":{"code":"PrincipalNotFound","message":"not there"}}`}},
		}}})
	}, nil)
	var states []string
	_, err = d.deploy(template, &cleanroom.DeployOptions{Progress: func(s string) { states = append(states, s) }})
	d.must(err)
	if puts != 3 || !strings.Contains(strings.Join(states, "\n"), "attempt 3 of 5") {
		t.Errorf("%d requests, %v", puts, states)
	}
	fail, puts = 100, 0
	if _, err = d.deploy(template, nil); err == nil || puts != 5 || !strings.Contains(err.Error(), "PrincipalNotFound: not there; the directory") {
		t.Errorf("%d requests, %v", puts, err)
	}
}

// TestDeployDryRun sends nothing, and prints what would be sent.
func TestDeployDryRun(t *testing.T) {
	d := newDeployer(t)
	template, err := d.provision.ResourcesTemplate()
	d.must(err)
	var out bytes.Buffer
	_, err = d.deploy(template, &cleanroom.DeployOptions{DryRun: &out})
	d.must(err)
	first, body, _ := strings.Cut(out.String(), "\n")
	if first != "PUT https://management.azure.com/subscriptions/"+d.party.SubscriptionID+"/resourcegroups/publisher-rg/providers/Microsoft.Resources/deployments/provision?api-version=2021-04-01" || !json.Valid([]byte(body)) || !strings.Contains(body, "uqlvijswqovpikv") {
		t.Errorf("%s\n%s", first, body)
	}
	if deployed, err := d.env.Deployed(d.party.Name); err != nil || len(deployed) != 0 {
		t.Errorf("%v, %v", deployed, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Deploy(ended, d.party.ResourceGroup, "provision", template, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestDeployRoom: the template of the room goes the same way.
func TestDeployRoom(t *testing.T) {
	d := newDeployer(t)
	template := json.RawMessage(testTemplate(t))
	_, err := d.Deploy(t.Context(), d.party.ResourceGroup, "collab-cleanroom", template, &cleanroom.DeployOptions{Parameters: map[string]any{"location": "westeurope"}})
	d.must(err)
	if deployed, err := d.env.Deployed(d.party.Name); err != nil || !slices.Equal(deployed, []string{"Microsoft.ContainerInstance/containerGroups collab-cleanroom"}) {
		t.Errorf("%v, %v", deployed, err)
	}
	if _, err := d.deploy(template, &cleanroom.DeployOptions{Parameters: map[string]any{"nothing": 1}}); err == nil || !strings.Contains(err.Error(), "InvalidTemplate") {
		t.Errorf("%v", err)
	}
}

// testTemplate is the golden deployment.
func testTemplate(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "golden", "template.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
