package skr

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSecretRefJSON(t *testing.T) {
	const wire = `{"clientId":"` + clientID + `","tenantId":"` + tenantID + `","kid":"wrapped-db-password",` +
		`"akvEndpoint":"https://vault1.vault.azure.net/",` +
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

// Two readers of one reference must not believe in different secrets, and a
// value that is refused may be the secret itself.
func TestRefsAreReadStrictly(t *testing.T) {
	good := SecretRef{
		ClientID: clientID, TenantID: tenantID, Name: "db-password", VaultURL: "https://v.vault.azure.net",
		KEK: KeyRef{Name: "k", VaultURL: "https://v.vault.azure.net", AttestationURL: "https://" + maaHost},
	}
	b, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	var read SecretRef
	if err := json.Unmarshal(b, &read); err != nil || read != good {
		t.Fatalf("%+v, %v", read, err)
	}
	edit := func(old, new string) string {
		changed := strings.Replace(string(b), old, new, 1)
		if changed == string(b) {
			t.Fatalf("%s is not there", old)
		}
		return changed
	}
	cases := map[string]struct{ text, say string }{
		"another case beside":       {edit(`"kid":"db-password"`, `"kid":"db-password","KID":"canary"`), `"KID" is not known`},
		"another case":              {edit(`"kid":"db-password"`, `"Kid":"canary"`), `"Kid" is not known`},
		"another case in the KEK":   {edit(`"kek":{`, `"kek":{"KID":"canary",`), `kek: skr: key reference: member "KID" is not known`},
		"another KEK":               {edit(`"kek":{`, `"KEK":{},"kek":{`), `"KEK" is not known`},
		"twice":                     {edit(`"kid":"db-password"`, `"kid":"db-password","kid":"canary"`), `"kid" appears twice`},
		"twice in the KEK":          {edit(`"kek":{`, `"kek":{"kid":"canary",`), `"kid" appears twice`},
		"twice, once escaped":       {edit(`"kid":"db-password"`, `"kid":"db-password","k\u0069d":"canary"`), `"kid" appears twice`},
		"unknown":                   {edit(`"kek":{`, `"accessToken":"canary","kek":{`), `"accessToken" is not known`},
		"unknown in the KEK":        {edit(`"kek":{`, `"kek":{"accessToken":"canary",`), `"accessToken" is not known`},
		"no tenant":                 {edit(`"tenantId":"`+tenantID+`",`, ``), `"tenantId" is missing`},
		"null":                      {edit(`"kid":"db-password"`, `"kid":null`), `"kid" is of another type`},
		"a number":                  {edit(`"kid":"db-password"`, `"kid":1234567`), `"kid" is of another type`},
		"KEK by name":               {edit(`"kek":{`, `"kek":"canary","x":{`), ""},
		"no object":                 {`["canary"]`, "no object"},
		"password as name":          {edit(`"db-password"`, `"canary p@ss"`), "kid has no valid name"},
		"password as version":       {edit(`"db-password"`, `"db-password/canary p@ss"`), "kid has no valid version"},
		"password as client":        {edit(`"`+clientID+`"`, `"canary p@ss"`), "clientId is no client id"},
		"password as tenant":        {edit(`"`+tenantID+`"`, `"canary p@ss"`), "tenantId is no tenant id"},
		"password as vault":         {edit(`"https://v.vault.azure.net"`, `"u:canary@v"`), "akvEndpoint holds user information"},
		"password as host":          {edit(`"https://v.vault.azure.net"`, `"canary_p"`), "akvEndpoint has no usable host"},
		"password as port":          {edit(`"https://v.vault.azure.net"`, `"https://v:canary"`), "akvEndpoint is no URL"},
		"password as escape":        {edit(`"https://v.vault.azure.net"`, `"https://v%zcanary"`), "akvEndpoint is no URL"},
		"password as scheme":        {edit(`"https://v.vault.azure.net"`, `"canary://v"`), "akvEndpoint has another scheme"},
		"password as attestation":   {edit(`"https://`+maaHost+`"`, `"https://`+maaHost+`/canary"`), "maaEndpoint has more than a host"},
		"password as name of a KEK": {edit(`"k"`, `"canary p@ss"`), "kid has no valid name"},
	}
	for name, c := range cases {
		var ref SecretRef
		err := json.Unmarshal([]byte(c.text), &ref)
		if err == nil || ref != (SecretRef{}) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: want %q, got %+v, %v", name, c.say, ref, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error quotes a value: %v", name, err)
		}
	}
	if len(cases) != 25 {
		t.Errorf("%d cases", len(cases))
	}
}

func TestNormalize(t *testing.T) {
	ref := SecretRef{
		ClientID: clientID, TenantID: tenantID, Name: "n", Version: "1", VaultURL: "V.vault.azure.net/",
		KEK: KeyRef{Name: "k", VaultURL: "https://V.vault.azure.net:443", AttestationURL: maaHost + "/"},
	}
	want := ref
	want.VaultURL, want.KEK.VaultURL, want.KEK.AttestationURL = "https://v.vault.azure.net", "https://v.vault.azure.net", "https://"+maaHost
	if got, err := ref.Normalize(); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ref.KEK.Normalize(); err != nil || got != want.KEK {
		t.Errorf("%+v, %v", got, err)
	}
	ref.KEK.Name = ""
	if _, err := ref.Normalize(); err == nil {
		t.Error("a reference without a key")
	}
	if _, err := ref.KEK.Normalize(); err == nil {
		t.Error("a key without a name")
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
