package cleanroom

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// What the recorded cases of the genuine command do not reach: one change of a
// good document, one issue.
func TestValidateFinds(t *testing.T) {
	app := func(change func(*Application)) func(*Specification) {
		return func(s *Specification) { change(&s.Applications[0]) }
	}
	sink := func(change func(*AccessPoint)) func(*Specification) {
		return func(s *Specification) { change(&s.Datasinks[0]) }
	}
	secrets := func(change func(*EncryptionSecrets)) func(*Specification) {
		return sink(func(a *AccessPoint) { change(a.Protection.EncryptionSecrets) })
	}
	dek := func(change func(*Resource)) func(*Specification) {
		return secrets(func(e *EncryptionSecrets) { change(&e.DEK.Secret.BackingResource) })
	}
	kek := func(change func(*Resource)) func(*Specification) {
		return secrets(func(e *EncryptionSecrets) { change(&e.KEK.Secret.BackingResource) })
	}
	value := func(value string) func(*Specification) {
		return app(func(a *Application) { a.EnvironmentVariables[0].Value = value })
	}
	requests := func(cpu, memory float64) func(*Specification) {
		return app(func(a *Application) { a.RuntimeSettings.Resource.Requests = ResourceRequests{cpu, memory} })
	}
	cases := []struct {
		name, id, path string
		change         func(*Specification)
	}{
		{"private key", "InvalidEnvironment", "applications[0].environmentVariables", value("x-----BEGIN EC PRIVATE KEY-----")},
		{"password", "InvalidEnvironment", "applications[0].environmentVariables", value("postgres://user:pass@host/db")},
		{"no processor", "InvalidResources", "applications[0].runtimeSettings.resource.requests", requests(0, 1)},
		{"negative memory", "InvalidResources", "applications[0].runtimeSettings.resource.requests", requests(1, -1)},
		{"no number", "InvalidResources", "applications[0].runtimeSettings.resource.requests", requests(math.NaN(), 1)},
		{"no bound", "InvalidResources", "applications[0].runtimeSettings.resource.requests", requests(1, math.Inf(1))},
		{"application with the identity's name", "InvalidName", "applications[0].name", app(func(a *Application) { a.Name = GovernanceIdentity })},
		{"mount path", "InvalidMount", "applications[0]", app(func(a *Application) { a.Datasinks[0].Path = "relative" })},
		{"port", "InvalidPort", "applications[0].runtimeSettings.ports[0]", app(func(a *Application) { a.RuntimeSettings.Ports = []int{0} })},
		{"subdirectory", "InvalidSubdirectory", "datasinks[0].subdirectory", sink(func(a *AccessPoint) { a.Subdirectory = "/x" })},
		{"account", "InvalidURL", "datasinks[0].store.provider.url", sink(func(a *AccessPoint) { a.Store.Provider.URL = "http://a" })},
		{"changed identity", "IdentityMismatch", "datasinks[0].identity", sink(func(a *AccessPoint) {
			other := *a.Identity
			other.ClientID = "33333333-3333-4333-8333-333333333333"
			a.Identity = &other
		})},
		{"identity backed otherwise", "IdentityMismatch", "datasinks[0].identity", sink(func(a *AccessPoint) {
			other, backing := *a.Identity, *a.Identity.TokenIssuer.FederatedIdentity
			backing.TokenIssuer.Issuer.URL = "https://elsewhere"
			other.TokenIssuer.FederatedIdentity = &backing
			a.Identity = &other
		})},
		{"identity of the keys", "IdentityConfigurationNotFound", "datasinks[0].protection.encryptionSecretAccessIdentity", sink(func(a *AccessPoint) { a.Protection.EncryptionSecretAccessIdentity = nil })},
		{"mode", "UnknownEncryptionMode", "datasinks[0].protection.configuration", sink(func(a *AccessPoint) {
			a.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "NONE"})
		})},
		{"no KEK", "EncryptionSecretsMissing", "datasinks[0].protection.encryptionSecrets.kek", secrets(func(e *EncryptionSecrets) { e.KEK = nil })},
		{"data key as a key", "UnsupportedDekSecretStore", "datasinks[0].protection.encryptionSecrets.dek.secret.backingResource", dek(func(r *Resource) { r.Provider.Protocol = AzureKeyVaultSecureKey })},
		{"data key in an HSM", "UnsupportedDekSecretStore", "datasinks[0].protection.encryptionSecrets.dek.secret.backingResource.provider.url", dek(func(r *Resource) { r.Provider.URL = "https://h.ManagedHSM.azure.net" })},
		{"name of the data key", "InvalidSecretName", "datasinks[0].protection.encryptionSecrets.dek.secret.backingResource.name", dek(func(r *Resource) { r.Name = "a_b" })},
		{"vault of the data key", "InvalidURL", "datasinks[0].protection.encryptionSecrets.dek.secret.backingResource.provider.url", dek(func(r *Resource) { r.Provider.URL = "vault" })},
		{"KEK as a secret", "UnsupportedKekSecretStore", "datasinks[0].protection.encryptionSecrets.kek.secret.backingResource", kek(func(r *Resource) { r.Provider.Protocol = AzureKeyVaultSecret })},
		{"attestation service", "InvalidURL", "datasinks[0].protection.encryptionSecrets.kek.secret.backingResource.provider.configuration", kek(func(r *Resource) {
			r.Provider.Configuration = EncodeConfiguration(map[string]string{attestationConfig: "maa"})
		})},
		{"tenant", "InvalidIdentity", "identities[1]", func(s *Specification) {
			s.Identities[1].TenantID = ""
			id := s.Identities[1]
			s.Datasinks[0].Identity, s.Datasinks[0].Protection.EncryptionSecretAccessIdentity = &id, &id
		}},
		{"name of the log", "TelemetrySinkName", "governance.telemetry.application.logs.name", func(s *Specification) { s.Governance.Telemetry.Application.Logs.Name = "logs" }},
		{"changed log", "TelemetrySinkMismatch", "governance.telemetry.application.logs", func(s *Specification) { s.Governance.Telemetry.Application.Logs.Store.Name = "elsewhere" }},
		{"no log", "DatasinkNotFound", "governance.telemetry.application.logs", func(s *Specification) {
			s.Datasinks = append(s.Datasinks[:1:1], s.Datasinks[2:]...)
		}},
		{"traces elsewhere", "TelemetrySinkMismatch", "governance.telemetry.infrastructure.traces", func(s *Specification) { s.Governance.Telemetry.Infrastructure.Traces.Store.Name = "elsewhere" }},
	}
	for _, c := range cases {
		s := mergedDocument(t)
		c.change(s)
		issues, err := s.Validate(nil)
		var v *ValidationError
		if !errors.As(err, &v) || len(v.Issues) != 1 || v.Issues[0].ID != c.id || v.Issues[0].Path != c.path || v.Issues[0].Remedy == "" {
			t.Errorf("%s: want %s at %s, got %v, %v", c.name, c.id, c.path, issues, err)
		}
	}
	if len(cases) != 27 {
		t.Errorf("%d cases, want 27", len(cases))
	}
	for _, harmless := range []string{"https://host/path?x=y:z@w", "user@host", "postgres://user@host/db", "https://host:8080/a@b"} {
		s := mergedDocument(t)
		value(harmless)(s)
		if issues, err := s.Validate(nil); err != nil {
			t.Errorf("%s: %v", harmless, issues)
		}
	}
	if err := consumerDocument(t).AddApplication(ApplicationOptions{Name: "x", Image: testImage, CPU: math.NaN()}); err == nil || !strings.Contains(err.Error(), "positive") {
		t.Errorf("an application of no size: %v", err)
	}
}
