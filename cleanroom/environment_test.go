package cleanroom

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/skr"
)

func testGovernance(t testing.TB) GovernanceEnvironment {
	t.Helper()
	return GovernanceEnvironment{
		Application: "demo-app", ContractID: "collab1-db",
		Endpoints:          []string{"https://collab.confidential-ledger.azure.com", "https://[2001:db8::1]:8443"},
		ServiceCertificate: string(testdata(t, "service.pem")),
	}
}

func testSink() SinkEnvironment {
	const client, tenant = "22222222-2222-4222-8222-222222222222", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
	return SinkEnvironment{
		Name: "consumer-output", ContainerURL: "https://consa0001.blob.core.windows.net/consumer-output", Mode: "CPK", ClientID: client, TenantID: tenant,
		DEK: skr.SecretRef{
			ClientID: client, TenantID: tenant, Name: "wrapped-consumer-output-dek-kek", Version: "0123456789abcdef", VaultURL: "https://conkv0001.vault.azure.net",
			KEK: skr.KeyRef{Name: "kek", Version: "fedcba9876543210", VaultURL: "https://conkv0001.vault.azure.net", AttestationURL: testAttestation},
		},
	}
}

func TestEnvironmentRoundTrip(t *testing.T) {
	want := testGovernance(t)
	block, _ := pem.Decode([]byte(want.ServiceCertificate))
	for name, certificate := range map[string]string{
		"as it is":     want.ServiceCertificate,
		"CRLF":         strings.ReplaceAll(want.ServiceCertificate, "\n", "\r\n"),
		"untrimmed":    "\n\n" + want.ServiceCertificate + "\n\n",
		"long lines":   "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(block.Bytes) + "\n-----END CERTIFICATE-----\n",
		"no final end": strings.TrimSpace(want.ServiceCertificate),
	} {
		g := want
		g.ServiceCertificate = certificate
		value, err := g.Encode()
		must(t, err)
		if strings.ContainsAny(value, "\r\n") {
			t.Errorf("%s: the value has several lines", name)
		}
		got, err := ParseGovernanceEnvironment(value)
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	plain := testSink()
	plain.Mode, plain.DEK = "SSE", skr.SecretRef{}
	cse := testSink()
	cse.Mode = "CSE"
	pinned := testSink()
	pinned.DEKDigest = sha256.Sum256([]byte("key"))
	for _, s := range []SinkEnvironment{testSink(), plain, cse, pinned} {
		value, err := s.Encode()
		must(t, err)
		if strings.Contains(value, `"dek"`) != (s.Mode != "SSE") || strings.Contains(value, `"dekSha256"`) != (s == pinned) || strings.Contains(value, "\n") {
			t.Errorf("%s: %s", s.Mode, value)
		}
		if got, err := ParseSinkEnvironment(value); err != nil || got != s {
			t.Errorf("%s: got %+v, %v", s.Mode, got, err)
		}
	}
}

func TestEncodeEnvironment(t *testing.T) {
	second := testSink()
	second.Name = "application-telemetry"
	env, err := EncodeEnvironment(testGovernance(t), []SinkEnvironment{testSink(), second})
	must(t, err)
	var names []string
	for _, v := range env {
		names = append(names, v.Name)
	}
	want := []string{"CLEANROOM_GOVERNANCE", "CLEANROOM_SINK_APPLICATION_TELEMETRY", "CLEANROOM_SINK_CONSUMER_OUTPUT"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("variables %v", names)
	}
	if _, err := EncodeEnvironment(testGovernance(t), []SinkEnvironment{testSink(), testSink()}); err == nil || !strings.Contains(err.Error(), "both be in CLEANROOM_SINK_CONSUMER_OUTPUT") {
		t.Errorf("two sinks of a name: %v", err)
	}
	if _, err := EncodeEnvironment(GovernanceEnvironment{}, nil); err == nil {
		t.Error("encoded nothing")
	}
	if _, err := EncodeEnvironment(testGovernance(t), []SinkEnvironment{{Name: "x"}}); err == nil || !strings.Contains(err.Error(), `sink "x"`) {
		t.Errorf("a sink that is nothing: %v", err)
	}
}

func TestGovernanceEnvironmentRefuses(t *testing.T) {
	other := string(testdata(t, "other-service.pem"))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("k")}))
	cases := []struct {
		name, say string
		change    func(*GovernanceEnvironment)
	}{
		{"application", "lower case", func(g *GovernanceEnvironment) { g.Application = "Demo_App" }},
		{"application is a path", "lower case", func(g *GovernanceEnvironment) { g.Application = "../x" }},
		{"application is the identity", "lower case", func(g *GovernanceEnvironment) { g.Application = GovernanceIdentity }},
		{"no contract", "1 to 128", func(g *GovernanceEnvironment) { g.ContractID = "" }},
		{"contract is a path", "1 to 128", func(g *GovernanceEnvironment) { g.ContractID = "a/../b" }},
		{"contract with a dot", "1 to 128", func(g *GovernanceEnvironment) { g.ContractID = "a.b" }},
		{"contract with a line", "1 to 128", func(g *GovernanceEnvironment) { g.ContractID = "a\nb" }},
		{"long contract", "1 to 128", func(g *GovernanceEnvironment) { g.ContractID = strings.Repeat("a", 129) }},
		{"no endpoints", "endpoints is empty", func(g *GovernanceEnvironment) { g.Endpoints = nil }},
		{"plain endpoint", "https URL", func(g *GovernanceEnvironment) { g.Endpoints = []string{"http://ledger"} }},
		{"second endpoint", "https URL", func(g *GovernanceEnvironment) { g.Endpoints[1] = "ledger" }},
		{"user in an endpoint", "https URL", func(g *GovernanceEnvironment) { g.Endpoints[0] = "https://u:p@ledger" }},
		{"query in an endpoint", "https URL", func(g *GovernanceEnvironment) { g.Endpoints[0] = "https://ledger?x" }},
		{"empty query in an endpoint", "https URL", func(g *GovernanceEnvironment) { g.Endpoints[0] = "https://ledger?" }},
		{"fragment in an endpoint", "https URL", func(g *GovernanceEnvironment) { g.Endpoints[0] = "https://ledger#" }},
		{"no host in an endpoint", "https URL", func(g *GovernanceEnvironment) { g.Endpoints[0] = "https:///x" }},
		{"no certificate", "not the PEM text", func(g *GovernanceEnvironment) { g.ServiceCertificate = "" }},
		{"key", "not the PEM text", func(g *GovernanceEnvironment) { g.ServiceCertificate = key }},
		{"text before", "not the PEM text", func(g *GovernanceEnvironment) { g.ServiceCertificate = "x\n" + g.ServiceCertificate }},
		{"key before", "not the PEM text", func(g *GovernanceEnvironment) { g.ServiceCertificate = key + g.ServiceCertificate }},
		{"second certificate", "goes on after", func(g *GovernanceEnvironment) { g.ServiceCertificate += other }},
		{"text after", "goes on after", func(g *GovernanceEnvironment) { g.ServiceCertificate += "x" }},
		{"no certificate inside", "serviceCertificate: ", func(g *GovernanceEnvironment) {
			g.ServiceCertificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
		}},
	}
	for _, c := range cases {
		g := testGovernance(t)
		c.change(&g)
		err := g.Validate()
		if err == nil || !strings.Contains(err.Error(), c.say) || len(err.Error()) > 500 {
			t.Errorf("%s: want %q, got %v", c.name, c.say, err)
		}
		if value, err := g.Encode(); err == nil || value != "" || !strings.HasPrefix(err.Error(), "cleanroom: encode CLEANROOM_GOVERNANCE: ") {
			t.Errorf("%s: encoded %q, %v", c.name, value, err)
		}
		// Written past the check, it is still not read.
		value, err := compact(g)
		must(t, err)
		if got, err := ParseGovernanceEnvironment(value); err == nil || !reflect.DeepEqual(got, GovernanceEnvironment{}) || !strings.HasPrefix(err.Error(), "cleanroom: read CLEANROOM_GOVERNANCE: ") {
			t.Errorf("%s: read %+v, %v", c.name, got, err)
		}
	}
	if len(cases) != 23 {
		t.Errorf("%d cases, want 23", len(cases))
	}
}

func TestSinkEnvironmentRefuses(t *testing.T) {
	cases := []struct {
		name, say string
		change    func(*SinkEnvironment)
	}{
		{"no name", "lower case", func(s *SinkEnvironment) { s.Name = "" }},
		{"name", "lower case", func(s *SinkEnvironment) { s.Name = "Output" }},
		{"name that shares a variable", "lower case", func(s *SinkEnvironment) { s.Name = "consumer_output" }},
		{"name of the identity", "lower case", func(s *SinkEnvironment) { s.Name = GovernanceIdentity }},
		{"no container", "https URL", func(s *SinkEnvironment) { s.ContainerURL = "" }},
		{"plain container", "https URL", func(s *SinkEnvironment) { s.ContainerURL = "http://a.blob.core.windows.net/data" }},
		{"account alone", "blob container", func(s *SinkEnvironment) { s.ContainerURL = "https://a.blob.core.windows.net" }},
		{"blob", "blob container", func(s *SinkEnvironment) { s.ContainerURL += "/blob" }},
		{"escaped container", "blob container", func(s *SinkEnvironment) { s.ContainerURL = "https://a.blob.core.windows.net/%64ata" }},
		{"signature", "https URL", func(s *SinkEnvironment) { s.ContainerURL += "?sig=x" }},
		{"no client", "GUIDs", func(s *SinkEnvironment) { s.ClientID = "" }},
		{"client without hyphens", "GUIDs", func(s *SinkEnvironment) { s.ClientID = strings.ReplaceAll(s.ClientID, "-", "") }},
		{"client by a name", "GUIDs", func(s *SinkEnvironment) { s.ClientID = "app.example.onmicrosoft.com" }},
		{"no tenant", "GUIDs", func(s *SinkEnvironment) { s.TenantID = "" }},
		{"tenant is a path", "GUIDs", func(s *SinkEnvironment) { s.TenantID = "../common" }},
		{"tenant is dots", "GUIDs", func(s *SinkEnvironment) { s.TenantID = ".." }},
		{"client with a blank", "GUIDs", func(s *SinkEnvironment) { s.ClientID = "a b" }},
		{"no mode", "is not known", func(s *SinkEnvironment) { s.Mode = "" }},
		{"mode", "is not known", func(s *SinkEnvironment) { s.Mode = "cpk" }},
		{"long mode", "is not known", func(s *SinkEnvironment) { s.Mode = strings.Repeat("x", 10000) }},
		{"no data key", "dek: ", func(s *SinkEnvironment) { s.DEK = skr.SecretRef{} }},
		{"no data key for the client", "dek: ", func(s *SinkEnvironment) { s.Mode, s.DEK = "CSE", skr.SecretRef{} }},
		{"data key that is not used", "SSE has no data key", func(s *SinkEnvironment) { s.Mode = "SSE" }},
		{"name of the data key", "dek: ", func(s *SinkEnvironment) { s.DEK.Name = "a/b" }},
		{"vault of the data key", "dek: ", func(s *SinkEnvironment) { s.DEK.VaultURL = "http://v" }},
		{"client of the data key", "dek: ", func(s *SinkEnvironment) { s.DEK.ClientID = "" }},
		{"host", "not one of blob storage", func(s *SinkEnvironment) { s.ContainerURL = "https://evil.example/out" }},
		{"host that begins well", "not one of blob storage", func(s *SinkEnvironment) { s.ContainerURL = "https://a.blob.core.windows.net.evil.example/out" }},
		{"port", "not one of blob storage", func(s *SinkEnvironment) { s.ContainerURL = "https://a.blob.core.windows.net:444/out" }},
		{"digest without key", "could be pinned", func(s *SinkEnvironment) {
			s.Mode, s.DEK, s.DEKDigest = "SSE", skr.SecretRef{}, sha256.Sum256(nil)
		}},
		{"KEK", "dek: ", func(s *SinkEnvironment) { s.DEK.KEK = skr.KeyRef{} }},
		{"attestation service", "dek: ", func(s *SinkEnvironment) { s.DEK.KEK.AttestationURL = "https://a/b" }},
	}
	for _, c := range cases {
		s := testSink()
		c.change(&s)
		err := s.Validate()
		if err == nil || !strings.Contains(err.Error(), c.say) || len(err.Error()) > 500 {
			t.Errorf("%s: want %q, got %v", c.name, c.say, err)
		}
		if value, err := s.Encode(); err == nil || value != "" || !strings.HasPrefix(err.Error(), "cleanroom: encode the environment of sink ") {
			t.Errorf("%s: encoded %q, %v", c.name, value, err)
		}
	}
	if len(cases) != 32 {
		t.Errorf("%d cases, want 32", len(cases))
	}
}

// Values that are not what a deployment gives, whatever they mean to others.
func TestEnvironmentIsStrict(t *testing.T) {
	g, err := testGovernance(t).Encode()
	must(t, err)
	s, err := testSink().Encode()
	must(t, err)
	cases := []struct {
		name, say string
		change    func(value string) string
	}{
		{"unset", "is not set", func(string) string { return "" }},
		{"blank", "not the JSON object", func(string) string { return " " }},
		{"null", "not a JSON object", func(string) string { return "null" }},
		{"list", "not a JSON object", func(v string) string { return "[" + v + "]" }},
		{"text", "not a JSON object", func(string) string { return `"x"` }},
		{"cut", "not the JSON object", func(v string) string { return v[:len(v)-1] }},
		{"twice", "after the end", func(v string) string { return v + v }},
		{"brace after", "after the end", func(v string) string { return v + "}" }},
		{"bracket after", "after the end", func(v string) string { return v + "]" }},
		{"null after", "after the end", func(v string) string { return v + "\x00" }},
		{"more members", "unknown field", func(v string) string { return `{"more":1,` + v[1:] }},
		{"member twice", "written twice", func(v string) string { return v[:len(v)-1] + "," + v[1:] }},
		{"member twice in another case", "written twice", func(v string) string {
			return strings.ToUpper(v[:2]) + strings.ToUpper(v[2:strings.Index(v, ":")]) + `:"x",` + v[1:]
		}},
		{"another type", "cannot unmarshal", func(v string) string { return v[:strings.Index(v, ":")] + ":1" + v[strings.Index(v, ","):] }},
		{"not UTF-8", "UTF-8", func(v string) string { return v[:3] + "\xff" + v[3:] }},
		{"too long", "at most 65536 are read", func(v string) string { return v + strings.Repeat(" ", maxEnvironmentValue) }},
		{"too deep", "nested deeper", func(v string) string { return `{"x":` + strings.Repeat("[", 1000) }},
	}
	for _, c := range cases {
		if got, err := ParseGovernanceEnvironment(c.change(g)); err == nil || !strings.Contains(err.Error(), c.say) || !reflect.DeepEqual(got, GovernanceEnvironment{}) {
			t.Errorf("governance, %s: want %q, got %v", c.name, c.say, err)
		}
		if got, err := ParseSinkEnvironment(c.change(s)); err == nil || !strings.Contains(err.Error(), c.say) || got != (SinkEnvironment{}) {
			t.Errorf("sink, %s: want %q, got %v", c.name, c.say, err)
		}
	}
	if len(cases) != 17 {
		t.Errorf("%d cases, want 17", len(cases))
	}
	if _, err := ParseSinkEnvironment(strings.Replace(s, `"CPK"`, `"XXX"`, 1)); err == nil || !strings.Contains(err.Error(), `of sink "consumer-output"`) {
		t.Errorf("the error does not name the sink: %v", err)
	}
	for more, say := range map[string]string{`"KID":"other",`: "written twice", `"surplus":1,`: "is not known"} {
		for _, object := range []string{`"dek":{`, `"kek":{`} {
			if got, err := ParseSinkEnvironment(strings.Replace(s, object, object+more, 1)); err == nil || !strings.Contains(err.Error(), say) {
				t.Errorf("%s in %s: want %q, got %+v, %v", more, object, say, got, err)
			}
		}
	}
}

// Each rule of names keeps variables apart.
func TestSinkVariable(t *testing.T) {
	for name, want := range map[string]string{"consumer-output": "CLEANROOM_SINK_CONSUMER_OUTPUT", "a": "CLEANROOM_SINK_A", "a-1-b": "CLEANROOM_SINK_A_1_B"} {
		if got := SinkVariable(name); got != want || !variableName.MatchString(got) || checkName(name) != nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAccessPointEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		say    string
		change func(*AccessPoint)
	}{
		"identity":      {"no identity", func(a *AccessPoint) { a.Identity = nil }},
		"configuration": {"protection.configuration", func(a *AccessPoint) { a.Protection.Configuration = "{" }},
		"no mode":       {"no EncryptionMode", func(a *AccessPoint) { a.Protection.Configuration = "" }},
		"secrets":       {"no data key", func(a *AccessPoint) { a.Protection.EncryptionSecrets = nil }},
		"container":     {"blob container", func(a *AccessPoint) { a.Store.Name = "Bad" }},
		"account path":  {"blob container", func(a *AccessPoint) { a.Store.Provider.URL += "x/" }},
		"authority": {"no authority", func(a *AccessPoint) {
			a.Protection.EncryptionSecrets.KEK.Secret.BackingResource.Provider.Configuration = ""
		}},
	} {
		a, err := consumerDocument(t).Sink("consumer-output")
		must(t, err)
		c.change(a)
		if got, err := a.SinkEnvironment(); err == nil || !strings.Contains(err.Error(), c.say) || got != (SinkEnvironment{}) {
			t.Errorf("%s: want %q, got %v", name, c.say, err)
		}
	}
}

func FuzzParseGovernanceEnvironment(f *testing.F) {
	value, err := testGovernance(f).Encode()
	must(f, err)
	f.Add(value)
	f.Add(strings.Replace(value, `\n`, `\r\n`, -1))
	f.Add(`{"contractId":"a","endpoints":["https://h"],"serviceCertificate":""}`)
	f.Add(`{"CONTRACTID":"a"}`)
	f.Add(`{}}`)
	f.Fuzz(func(t *testing.T, value string) {
		g, err := ParseGovernanceEnvironment(value)
		if err != nil {
			if !reflect.DeepEqual(g, GovernanceEnvironment{}) {
				t.Error("half an environment")
			}
			return
		}
		again, err := g.Encode()
		must(t, err)
		read, err := ParseGovernanceEnvironment(again)
		must(t, err)
		if read.ServiceCertificate != g.ServiceCertificate {
			a, _ := pem.Decode([]byte(g.ServiceCertificate))
			b, _ := pem.Decode([]byte(read.ServiceCertificate))
			if !bytes.Equal(a.Bytes, b.Bytes) {
				t.Error("another certificate")
			}
			read.ServiceCertificate = g.ServiceCertificate
		}
		if !reflect.DeepEqual(read, g) {
			t.Errorf("%+v became %+v", g, read)
		}
	})
}

func FuzzParseSinkEnvironment(f *testing.F) {
	value, err := testSink().Encode()
	must(f, err)
	f.Add(value)
	f.Add(`{"name":"a","containerUrl":"https://h/abc","mode":"SSE","clientId":"c","tenantId":"t"}`)
	f.Add(`{"name":"a","containerUrl":"https://h/abc/","mode":"SSE","clientId":"c","tenantId":"t","dek":null}`)
	f.Add(`{"name":"a"}]`)
	f.Fuzz(func(t *testing.T, value string) {
		s, err := ParseSinkEnvironment(value)
		if err != nil {
			if s != (SinkEnvironment{}) {
				t.Error("half an environment")
			}
			return
		}
		again, err := s.Encode()
		must(t, err)
		if read, err := ParseSinkEnvironment(again); err != nil || read != s {
			t.Errorf("%+v became %+v, %v", s, read, err)
		}
	})
}
