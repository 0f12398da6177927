package skr

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSecretRefJSON(t *testing.T) {
	const wire = `{"clientId":"` + clientID + `","tenantId":"` + tenantID + `","kid":"wrapped-db-password",` +
		`"akvEndpoint":"https://vault1.vault.azure.net/","surplus":1,` +
		`"kek":{"kid":"417b0217-kek/` + version1 + `","akvEndpoint":"VAULT2.vault.azure.net","maaEndpoint":"https://sharedneu.neu.attest.azure.net"}}`
	var ref SecretRef
	if err := json.Unmarshal([]byte(wire), &ref); err != nil {
		t.Fatal(err)
	}
	want := SecretRef{
		ClientID: clientID, TenantID: tenantID, Name: "wrapped-db-password", VaultURL: "https://vault1.vault.azure.net",
		KEK: KeyRef{Name: "417b0217-kek", Version: version1, VaultURL: "https://vault2.vault.azure.net", AttestationURL: "https://sharedneu.neu.attest.azure.net"},
	}
	if ref != want {
		t.Errorf("got %+v\nwant %+v", ref, want)
	}
	b, err := json.Marshal(ref)
	if err != nil {
		t.Fatal(err)
	}
	const canonical = `{"clientId":"` + clientID + `","tenantId":"` + tenantID + `","kid":"wrapped-db-password",` +
		`"akvEndpoint":"https://vault1.vault.azure.net",` +
		`"kek":{"kid":"417b0217-kek/` + version1 + `","akvEndpoint":"https://vault2.vault.azure.net","maaEndpoint":"https://sharedneu.neu.attest.azure.net"}}`
	if string(b) != canonical {
		t.Errorf("got %s\nwant %s", b, canonical)
	}
	if s := ref.String() + " " + ref.KEK.String(); s != "https://vault1.vault.azure.net/secrets/wrapped-db-password https://vault2.vault.azure.net/keys/417b0217-kek/"+version1 {
		t.Errorf("strings: %s", s)
	}
}

func TestRefRefusals(t *testing.T) {
	good := SecretRef{
		ClientID: clientID, TenantID: tenantID, Name: "n", VaultURL: "https://v.vault.azure.net",
		KEK: KeyRef{Name: "k", VaultURL: "https://v.vault.azure.net", AttestationURL: maaHost},
	}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]func(*SecretRef){
		"no name":            func(r *SecretRef) { r.Name = "" },
		"path in name":       func(r *SecretRef) { r.Name = "../keys/x" },
		"query in name":      func(r *SecretRef) { r.Name = "a?b" },
		"long name":          func(r *SecretRef) { r.Name = strings.Repeat("a", 128) },
		"path in version":    func(r *SecretRef) { r.Version = "a/b" },
		"no client":          func(r *SecretRef) { r.ClientID = "" },
		"path in tenant":     func(r *SecretRef) { r.TenantID = "a/../b" },
		"dots as tenant":     func(r *SecretRef) { r.TenantID = ".." },
		"no vault":           func(r *SecretRef) { r.VaultURL = "" },
		"http":               func(r *SecretRef) { r.VaultURL = "http://v.vault.azure.net" },
		"user":               func(r *SecretRef) { r.VaultURL = "https://u@v.vault.azure.net" },
		"path":               func(r *SecretRef) { r.VaultURL = "https://v.vault.azure.net/x" },
		"query":              func(r *SecretRef) { r.VaultURL = "https://v.vault.azure.net?x" },
		"fragment":           func(r *SecretRef) { r.VaultURL = "https://v.vault.azure.net#x" },
		"blank":              func(r *SecretRef) { r.VaultURL = "https://v vault" },
		"no host":            func(r *SecretRef) { r.VaultURL = "https://" },
		"no kek":             func(r *SecretRef) { r.KEK = KeyRef{} },
		"kek without maa":    func(r *SecretRef) { r.KEK.AttestationURL = "" },
		"kek path in name":   func(r *SecretRef) { r.KEK.Name = "k/release" },
		"kek attestation ws": func(r *SecretRef) { r.KEK.AttestationURL = "wss://" + maaHost },
	}
	for name, edit := range cases {
		bad := good
		edit(&bad)
		if err := bad.Validate(); err == nil {
			t.Errorf("%s was accepted", name)
		}
		if b, err := json.Marshal(bad); err == nil {
			t.Errorf("%s was written as %s", name, b)
		}
	}
	for _, text := range []string{"1", `"x"`, "{}", `{"kid":1}`, `{"kid":"a/b/c"}`} {
		if err := json.Unmarshal([]byte(text), new(SecretRef)); err == nil {
			t.Errorf("%s was read as a secret reference", text)
		}
		if err := json.Unmarshal([]byte(text), new(KeyRef)); err == nil {
			t.Errorf("%s was read as a key reference", text)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for in, want := range map[string]string{
		"v.vault.azure.net":             "https://v.vault.azure.net",
		"https://V.vault.azure.net/":    "https://v.vault.azure.net",
		"https://v.vault.azure.net:443": "https://v.vault.azure.net",
		"127.0.0.1:8443":                "https://127.0.0.1:8443",
		"https://[::1]:8443":            "https://[::1]:8443",
	} {
		if got, err := normalizeEndpoint(in); err != nil || got != want {
			t.Errorf("%s gave %s, %v", in, got, err)
		}
	}
}
