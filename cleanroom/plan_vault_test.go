package cleanroom_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/skr"
)

// planned is an agreed run and the vaults on a wire that the test can hold.
type planned struct {
	*agreed
	conn  *cleanroomtest.Conn
	wire  *heldWire
	azure azcore.ClientOptions
}

func plan(t *testing.T) *planned {
	t.Helper()
	p := &planned{agreed: agree(t), wire: &heldWire{}}
	var err error
	p.conn, err = p.env.Connect(p.party.Name, &cleanroomtest.ConnOptions{Wrap: p.wire.wrap})
	p.must(err)
	t.Cleanup(p.conn.Close)
	p.azure = p.conn.ClientOptions()
	p.azure.Retry.MaxRetries = -1
	return p
}

// input is what the service, the vaults and the party know.
func (p *planned) input(ctx context.Context) cleanroom.PlanInput {
	p.Helper()
	in, err := cleanroom.ReadPlan(ctx, p.ledger, roomContract)
	p.must(err)
	in.Keys, err = cleanroom.NewKeys(p.conn.Credential(), &cleanroom.KeysOptions{ClientOptions: p.azure})
	p.must(err)
	in.DEKs = p.deks
	for i := range in.Parties {
		in.Parties[i].Document = p.spec
	}
	in.Federations = []cleanroom.PlanFederation{{ClientID: p.party.IdentityID, Issuer: p.party.IssuerURL, Subject: roomContract, Audiences: []string{governance.TokenAudience}}}
	in.Limits = cleanroom.Limits{CPU: 4, MemoryInGB: 16}
	return in
}

// found are the ids of all but the warnings.
func found(findings []cleanroom.Finding) (list []string) {
	for _, f := range findings {
		if f.Severity != cleanroom.SeverityWarning && !slices.Contains(list, f.ID) {
			list = append(list, f.ID)
		}
	}
	return list
}

// TestPlanReadsVaults: what is planned without a finding runs, and what the
// vaults have otherwise is found before anything runs.
func TestPlanReadsVaults(t *testing.T) {
	p := plan(t)
	ctx := t.Context()
	findings, err := cleanroom.Plan(ctx, p.input(ctx))
	p.must(err)
	if got := found(findings); !slices.Equal(got, []string{"TemplateNotRecomputed"}) {
		t.Errorf("a good run: %v", findings)
	}
	room, err := p.launch(p.template.Policy()).enter(ctx)
	p.must(err)
	_, err = room.Output(ctx, roomSink)
	p.must(err, room.Close())

	edit := func(path string, change func(map[string]any)) func(*http.Request, []byte) *http.Response {
		return func(req *http.Request, _ []byte) *http.Response {
			if req.Method != http.MethodGet || !strings.HasPrefix(req.URL.Path, path) || req.Header.Get("Authorization") == "" {
				return nil
			}
			u := &vaultUser{T: p.T, env: p.env, party: p.party}
			return u.edited(req, change)
		}
	}
	editTags := func(name, value string) func(*http.Request, []byte) *http.Response {
		return edit("/secrets/", func(doc map[string]any) { doc["tags"].(map[string]any)[name] = value })
	}
	setInput := func(change func(*cleanroom.PlanInput)) func(*cleanroom.PlanInput) { return change }
	sidecars := setInput(func(in *cleanroom.PlanInput) { in.Sidecars = true })
	for _, c := range []struct {
		name   string
		hold   func(*http.Request, []byte) *http.Response
		change func(*cleanroom.PlanInput)
		want   []string
	}{
		{"25 no role yet", refuse("GET", "/secrets/", 403, "Forbidden", "no"), nil, []string{"VaultDenied"}},
		{"25 no role for keys", refuse("GET", "/keys/", 403, "Forbidden", "no"), nil, []string{"VaultDenied"}},
		{"no wrapped key", refuse("GET", "/secrets/", 404, "SecretNotFound", "no"), nil, []string{"DEKMissing"}},
		{"no KEK", refuse("GET", "/keys/", 404, "KeyNotFound", "no"), nil, []string{"KEKMissing"}},
		{"a vault that is down", refuse("GET", "/keys/", 503, "Busy", "no"), nil, []string{"VaultUnreachable"}},
		{"another KEK by its tag", editTags(skr.TagKEK, "other"), nil, []string{"WrappedUnderAnotherKEK"}},
		{"another KEK by its size", edit("/secrets/", func(doc map[string]any) { doc["value"] = "AAAA" }), nil, []string{"WrappedUnderAnotherKEK"}},
		{"no base64", edit("/secrets/", func(doc map[string]any) { doc["value"] = "***" }), nil, []string{"WrappedValueUnreadable"}},
		{"a form of this package", editTags(skr.TagAlgorithm, string(skr.FormHybrid)), sidecars, []string{"WrappedFormUnknown"}},
		{"stored before the KEK", edit("/secrets/", func(doc map[string]any) {
			delete(doc, "tags")
			doc["attributes"].(map[string]any)["created"] = 1
		}), nil, []string{"WrappedUnderOldKEK"}},
		{"a KEK for everybody", edit("/keys/", func(doc map[string]any) { delete(doc, "release_policy") }), nil, []string{"kek.release-policy"}},
		{"a KEK that answers for another", edit("/keys/", func(doc map[string]any) { delete(doc, "key") }), nil, []string{"KEKUnusable"}},
		{"another accepted policy", nil, setInput(func(in *cleanroom.PlanInput) {
			in.Policy = &governance.CleanRoomPolicy{Claims: map[string][]any{governance.ClaimHostData: {strings.Repeat("1", 64)}}}
		}), []string{"HostDataMismatch", "kek.release-policy"}},
		{"another vault", nil, setInput(func(in *cleanroom.PlanInput) {
			for i := range in.Specification.Datasinks {
				in.Specification.Datasinks[i].Protection.EncryptionSecrets.DEK.Secret.BackingResource.Provider.URL = "https://nowhere.vault.azure.cn/"
			}
			in.Contract, in.Parties = nil, nil
		}), []string{"VaultUnreachable"}},
		{"another data key", nil, setInput(func(in *cleanroom.PlanInput) {
			deks, err := cleanroom.OpenDEKStore(t.TempDir() + "/deks")
			p.must(err)
			dek, err := deks.Create(roomSink)
			p.must(err)
			dek.Close()
			in.DEKs = deks
		}), []string{"DEKMismatch"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := p.input(ctx)
			if c.change != nil {
				c.change(&in)
			}
			u := &vaultUser{T: t, env: p.env, party: p.party, conn: p.conn, wire: p.wire}
			u.hold(c.hold, nil)
			findings, err := cleanroom.Plan(ctx, in)
			got := found(findings)
			for _, id := range c.want {
				if !slices.Contains(got, id) {
					t.Errorf("%s is not found: %v", id, findings)
				}
			}
			// What a good run leaves open, and what the change itself hides.
			for _, id := range got {
				if !slices.Contains(c.want, id) && !slices.Contains([]string{"TemplateNotRecomputed", "ContractUnknown", "PartiesUnknown", "TelemetrySinkMismatch", "TemplateOfAnotherContract", "CloudsDiffer"}, id) {
					t.Errorf("%s is found: %v", id, findings)
				}
			}
			var planErr *cleanroom.PlanError
			if (c.want[0] != "VaultDenied") != errors.As(err, &planErr) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("22 the KEK is imported anew", p.rotated)
	t.Run("the password", p.password)
	t.Run("canceled", func(*testing.T) {
		ended, cancel := context.WithCancel(ctx)
		in := p.input(ctx)
		cancel()
		if _, err := cleanroom.Plan(ended, in); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if _, err := cleanroom.ReadPlan(ended, p.ledger, roomContract); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	if _, err := cleanroom.ReadPlan(ctx, nil, roomContract); err == nil {
		t.Error("without a client")
	}
}

// rotated: the sidecars take the newest version of a KEK, the room of this
// package the one that the value was wrapped under.
func (p *planned) rotated(t *testing.T) {
	ctx := t.Context()
	vault, err := azkeys.NewClient(p.party.VaultURL, p.conn.Credential(), &azkeys.ClientOptions{ClientOptions: p.azure})
	p.must(err)
	_, err = vault.ImportKey(ctx, "kek", azkeys.ImportKeyParameters{
		Key: jwkOf(testRSA(t, 2048)), HSM: to.Ptr(true), KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true), Exportable: to.Ptr(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: p.policy.Encode()},
	}, nil)
	p.must(err)
	in := p.input(ctx)
	findings, err := cleanroom.Plan(ctx, in)
	p.must(err)
	if got := found(findings); !slices.Equal(got, []string{"TemplateNotRecomputed"}) {
		t.Errorf("%v", findings)
	}
	in.Sidecars = true
	findings, err = cleanroom.Plan(ctx, in)
	if got := found(findings); err == nil || !slices.Contains(got, "WrappedUnderOldKEK") {
		t.Errorf("%v", findings)
	}
}

// password: the value that the database's document pins.
func (p *planned) password(t *testing.T) {
	ctx := t.Context()
	kek, pub, err := p.keys.ImportKEK(ctx, skr.KeyRef{Name: "password-kek", VaultURL: p.party.VaultURL, AttestationURL: attestationURL}, p.policy, nil)
	p.must(err)
	ref := skr.SecretRef{ClientID: p.party.IdentityID, TenantID: p.party.TenantID, Name: "password", VaultURL: p.party.VaultURL, KEK: kek}
	in := p.input(ctx)
	in.Secrets = []cleanroom.PlanSecret{{ID: "unused", Database: &dbsecret.Document{Endpoint: "db.example.org", Name: "d", User: "u", Password: ref}}}
	findings, err := cleanroom.Plan(ctx, in)
	if got := found(findings); err == nil || !slices.Equal(got, []string{"TemplateNotRecomputed", "PasswordMissing"}) {
		t.Errorf("%v", findings)
	}
	in.Secrets[0].Database.Password, err = p.keys.WrapSecret(ctx, ref, pub, []byte("a password"))
	p.must(err)
	findings, err = cleanroom.Plan(ctx, in)
	if got := found(findings); err != nil || !slices.Equal(got, []string{"TemplateNotRecomputed"}) {
		t.Errorf("%v", findings)
	}
	secrets, err := azsecrets.NewClient(p.party.VaultURL, p.conn.Credential(), &azsecrets.ClientOptions{ClientOptions: p.azure})
	p.must(err)
	_, err = p.keys.WrapSecret(ctx, ref, pub, []byte("another"))
	p.must(err)
	newest, err := secrets.GetSecret(ctx, "password", "", nil)
	p.must(err)
	in.Secrets[0].Database.Password.Version = newest.ID.Version()
	findings, err = cleanroom.Plan(ctx, in)
	if got := found(findings); err == nil || !slices.Equal(got, []string{"TemplateNotRecomputed", "secret.digest"}) {
		t.Errorf("%v", findings)
	}
}
