package cleanroom

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// reviewed is a contract of both parties, and the publisher's part of it.
func reviewed(t *testing.T) (contract, part *Specification) {
	t.Helper()
	part = publisherDocument(t)
	contract, err := Merge(consumerDocument(t), part)
	must(t, err)
	return contract, part
}

// TestReviewFor tells what the other party brings, in full.
func TestReviewFor(t *testing.T) {
	contract, part := reviewed(t)
	must(t, contract.AllowTCP("203.0.113.9", 443))
	r, err := contract.ReviewFor(part)
	must(t, err)
	if strings.Join(r.Identities, " ") != "consumer-identity" || strings.Join(r.Datasinks, " ") != "consumer-output" || len(r.Datasources) > 0 ||
		strings.Join(r.Network, " ") != "tcp 203.0.113.9:443" || len(r.Governance) > 0 {
		t.Errorf("%+v", r)
	}
	if len(r.Applications) != 1 || r.Applications[0].Image.Reference() != testImage || len(r.Applications[0].Command) == 0 {
		t.Errorf("%+v", r.Applications)
	}
	r, err = part.ReviewFor(part)
	must(t, err)
	if len(r.Identities)+len(r.Datasinks)+len(r.Datasources)+len(r.Applications)+len(r.Network)+len(r.Governance) != 0 {
		t.Errorf("a document beyond itself: %+v", r)
	}
	r, err = contract.ReviewFor(NewSpecification())
	must(t, err)
	if strings.Join(r.Governance, " ") != "governance.telemetry.application governance.telemetry.infrastructure" {
		t.Errorf("governance: %q", r.Governance)
	}
}

// TestReviewForAttacks: what is the party's own cannot be used by others'
// parts, whatever name they give it.
func TestReviewForAttacks(t *testing.T) {
	sink := func(s *Specification) *AccessPoint { return find(s.Datasinks, "consumer-output", accessPointName) }
	attacks := map[string]struct {
		change func(contract, part *Specification)
		got    string
	}{
		"identity": {func(c, part *Specification) { sink(c).Identity = part.identity("publisher-identity") }, "publisher-identity"},
		"identity under another name": {func(c, part *Specification) {
			i := *part.identity("publisher-identity")
			i.Name = "mine"
			c.Identities = append(c.Identities, i)
		}, "publisher-identity"},
		"identity in capitals": {func(c, part *Specification) {
			i := *part.identity("publisher-identity")
			i.ClientID = strings.ToUpper(i.ClientID)
			sink(c).Identity = &i
		}, "publisher-identity"},
		"identity of the keys": {func(c, part *Specification) {
			sink(c).Protection.EncryptionSecretAccessIdentity = part.identity("publisher-identity")
		}, "publisher-identity"},
		"vault": {func(c, _ *Specification) {
			sink(c).Protection.EncryptionSecrets.DEK.Secret.BackingResource.Provider.URL = "https://pubkv0001.vault.azure.net"
		}, "pubkv0001.vault.azure.net"},
		"vault in capitals": {func(c, _ *Specification) {
			sink(c).Protection.EncryptionSecrets.KEK.Secret.BackingResource.Provider.URL = "https://PubKV0001.vault.azure.net:443/x"
		}, "pubkv0001.vault.azure.net"},
		"account": {func(c, _ *Specification) { sink(c).Store.Provider.URL = "https://pubsa0001.blob.core.windows.net/" }, "pubsa0001.blob.core.windows.net"},
		"telemetry": {func(c, part *Specification) {
			c.Datasources = append(c.Datasources, *find(part.Datasinks, ApplicationTelemetry, accessPointName))
		}, "publisher-identity"},
		"consent slipped into telemetry": {func(c, part *Specification) {
			c.Governance.Telemetry.Application.Consent = &GovernanceService{URL: "https://evil.example", Identity: part.identity("publisher-identity")}
		}, "publisher-identity"},
		"identity without hyphens": {func(c, part *Specification) {
			i := *part.identity("publisher-identity")
			i.ClientID = strings.ReplaceAll(i.ClientID, "-", "")
			sink(c).Identity = &i
		}, "publisher-identity"},
		"vault with a dot": {func(c, _ *Specification) {
			sink(c).Protection.EncryptionSecrets.KEK.Secret.BackingResource.Provider.URL = "https://pubkv0001.vault.azure.net."
		}, "pubkv0001.vault.azure.net"},
		"vault by its other name": {func(c, _ *Specification) {
			sink(c).Protection.EncryptionSecrets.DEK.Secret.BackingResource.Provider.URL = "https://pubkv0001.privatelink.vaultcore.azure.net/"
		}, "pubkv0001.vault.azure.net"},
		"account by its file system": {func(c, _ *Specification) {
			sink(c).Store.Type, sink(c).Store.Provider.URL = DataLakeResource, "https://pubsa0001.dfs.core.windows.net/"
		}, "pubsa0001.blob.core.windows.net"},
		"secondary of the account": {func(c, _ *Specification) {
			sink(c).Store.Provider.URL = "https://pubsa0001-secondary.blob.core.windows.net/"
		}, "pubsa0001.blob.core.windows.net"},
		"sandbox": {func(c, part *Specification) {
			c.Sandbox = &SandboxSettings{PrivacyPolicy: &Policy{Policy: &PolicyBody{External: &Document{Identity: part.identity("publisher-identity")}}}}
		}, "publisher-identity"},
		"traffic policy": {func(c, part *Specification) {
			c.Network.HTTP = openHTTP(false)
			c.Network.HTTP.Outbound.Policy.EncryptionSecretAccessIdentity = part.identity("publisher-identity")
		}, "publisher-identity"},
		"registry": {func(c, part *Specification) {
			c.Applications[0].Image.Executable.Identity = part.identity("publisher-identity")
		}, "publisher-identity"},
		"audit": {func(c, part *Specification) {
			c.Governance.Audit = []GovernanceService{{URL: "https://evil.example", Identity: part.identity("publisher-identity")}}
		}, "publisher-identity"},
	}
	for name, a := range attacks {
		contract, part := reviewed(t)
		a.change(contract, part)
		_, err := contract.ReviewFor(part)
		var denied *DeniedError
		if !errors.As(err, &denied) || denied.Checks[0].ID != "contract.foreign-use" || !strings.Contains(err.Error(), a.got) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(attacks) != 18 {
		t.Errorf("%d attacks", len(attacks))
	}
	contract, part := reviewed(t)
	contract.Datasinks = slices.DeleteFunc(contract.Datasinks, func(p AccessPoint) bool { return p.Name == ApplicationTelemetry })
	if _, err := contract.ReviewFor(part); err == nil {
		t.Error("a part was left out")
	}
}

// TestContainerHosts: a token for storage goes to storage.
func TestContainerHosts(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://a.blob.core.windows.net/data":                true,
		"https://a.blob.core.usgovcloudapi.net/data":          true,
		"https://a.blob.core.chinacloudapi.cn/data":           true,
		"https://a.z12.blob.storage.azure.net/data":           true,
		"https://a.blob.core.windows.net:443/data":            false,
		"https://evil.example/data":                           false,
		"https://a.blob.core.windows.net.evil.example/data":   false,
		"https://blob.core.windows.net/data":                  false,
		"https://a.b.blob.core.windows.net/data":              false,
		"https://evil.example/.blob.core.windows.net/data":    false,
		"https://a@evil.example/data":                         false,
		"https://xblob.core.windows.net/data":                 false,
		"https://a.blob.core.windows.net%2eevil.example/data": false,
		"https://a.blob.core.windows.net\\.evil.example/data": false,
	} {
		if _, _, err := splitContainerURL(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestReviewForAdditions: whatever is added anywhere is told.
func TestReviewForAdditions(t *testing.T) {
	for want, change := range map[string]func(c, part *Specification){
		"network tcp 203.0.113.9:443": func(c, _ *Specification) { must(t, c.AllowTCP("203.0.113.9", 443)) },
		"network http outbound":       func(c, _ *Specification) { c.Network.HTTP = openHTTP(false) },
		"network http inbound":        func(c, _ *Specification) { c.Network.HTTP = openHTTP(true) },
		"network dns":                 func(c, _ *Specification) { c.Network.DNS = &DNSSettings{Enabled: true, Port: 53} },
		"network network.http.outbound.policy.privacyPolicy": func(c, part *Specification) {
			c.Network.HTTP, part.Network.HTTP = openHTTP(false), openHTTP(false)
			part.Network.HTTP.Outbound.Policy.PrivacyPolicy = nil
		},
		"governance governance.consent[0]": func(c, _ *Specification) { c.Governance.Consent = []GovernanceService{{URL: "https://evil.example"}} },
		"governance governance.audit[0]":   func(c, _ *Specification) { c.Governance.Audit = []GovernanceService{{URL: "https://evil.example"}} },
		"governance governance.telemetry.infrastructure.consent": func(c, _ *Specification) {
			c.Governance.Telemetry.Infrastructure.Consent = &GovernanceService{URL: "https://evil.example"}
		},
		"governance sandbox": func(c, _ *Specification) { c.Sandbox = &SandboxSettings{} },
	} {
		contract, part := reviewed(t)
		before, err := contract.ReviewFor(part)
		must(t, err)
		change(contract, part)
		r, err := contract.ReviewFor(part)
		must(t, err)
		var got []string
		for _, entry := range r.Network {
			got = append(got, "network "+entry)
		}
		for _, entry := range r.Governance {
			got = append(got, "governance "+entry)
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("want %q, got %q", want, got)
		}
		if n, m := len(before.Lines()), len(r.Lines()); m != n+1 {
			t.Errorf("%s: %d lines, before %d", want, m, n)
		}
	}
}

// TestReviewLines is what a person reads.
func TestReviewLines(t *testing.T) {
	contract, part := reviewed(t)
	contract.Applications[0].EnvironmentVariables = Environment{{"A", "b\x1b[2Jc\nd"}}
	r, err := contract.ReviewFor(part)
	must(t, err)
	lines := r.Lines()
	want := []string{
		"identity consumer-identity: client 22222222-2222-4222-8222-222222222222 of tenant bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
		"datasink consumer-output: Azure_BlobStorage https://consa0001.blob.core.windows.net/consumer-output, as consumer-identity, mode CPK, key wrapped-consumer-output-dek-200f0873-kek of https://conkv0001.vault.azure.net/ under 200f0873-kek of https://conkv0001.vault.azure.net/",
		"application demo-app: image " + testImage,
	}
	if len(lines) != 6 || !slices.Equal(lines[:3], want) || !strings.HasPrefix(lines[3], "application demo-app: command [") || !strings.Contains(lines[5], "writes consumer-output at ") {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	if strings.ContainsAny(strings.Join(lines, ""), "\x1b\n") {
		t.Errorf("what a terminal obeys: %q", lines)
	}
	if r, err = part.ReviewFor(part); err != nil || len(r.Lines()) > 0 {
		t.Errorf("%v, %v", r, err)
	}
}
