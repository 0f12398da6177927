package cleanroom

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/skr"
)

const (
	testAttestation = "https://sharedneu.neu.attest.azure.net"
	testImage       = "docker.io/golang@sha256:f43c6f049f04cbbaeb28f0aad3eea15274a7d0a7899a617d0037aec48d7ab010"
)

// must stops at the first failed step.
func must(t testing.TB, steps ...error) {
	t.Helper()
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
}

func publisherDocument(t testing.TB) *Specification {
	t.Helper()
	s := NewSpecification()
	must(t,
		s.AddIdentity("publisher-identity", "11111111-1111-4111-8111-111111111111", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "https://oidcpub0001.z6.web.core.windows.net/oidc"),
		s.SetKEK(KEKStore{Name: "publisher-kek-store", Key: "50fa3f9f-kek", VaultURL: "https://pubkv0001.vault.azure.net/", AttestationURL: testAttestation}),
		s.SetLogging(DatasinkOptions{ContainerURL: "https://pubsa0001.blob.core.windows.net/application-telemetry-50fa3f9f-publisherconfig", Identity: "publisher-identity", DEKStore: "publisher-dek-store"}),
		s.SetTelemetry(DatasinkOptions{ContainerURL: "https://pubsa0001.blob.core.windows.net/infrastructure-telemetry-50fa3f9f-publisherconfig", Identity: "publisher-identity", DEKStore: "publisher-dek-store"}),
		s.AllowTCP("203.0.113.10", 5432),
	)
	return s
}

func consumerDocument(t testing.TB) *Specification {
	t.Helper()
	s := NewSpecification()
	must(t,
		s.AddIdentity("consumer-identity", "22222222-2222-4222-8222-222222222222", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", "https://oidccon0001.z6.web.core.windows.net/oidc"),
		s.SetKEK(KEKStore{Name: "consumer-kek-store", Key: "200f0873-kek", VaultURL: "https://conkv0001.vault.azure.net", AttestationURL: testAttestation}),
		s.AddDatasink(DatasinkOptions{Name: "consumer-output", ContainerURL: "https://consa0001.blob.core.windows.net/consumer-output/", Identity: "consumer-identity", DEKStore: "consumer-dek-store"}),
		s.AddApplication(ApplicationOptions{
			Name: "demo-app", Image: testImage,
			Command: []string{"bash", "-c", "echo $CODE | base64 -d | tar xz; cd application; go get; go run main.go"},
			Environment: Environment{
				{"CODE", "c3RhbmRzIGZvciBhIGd6aXAgdGFyIG9mIHRoZSBhcHBsaWNhdGlvbiBkaXJlY3Rvcnk="},
				{"DB_CONFIG_CGS_SECRET_ID", strings.Repeat("a", 64) + "_dbconfig"},
				{"OUTPUT_LOCATION", "/mnt/remote/output"},
			},
			Datasinks: Mounts{{"consumer-output", "/mnt/remote/output"}},
			CPU:       0.5, MemoryInGB: 4,
		}),
	)
	return s
}

// The same inputs give the document that the genuine commands write, byte for
// byte.
func TestBuilderAsTheGenuineCommands(t *testing.T) {
	for file, s := range map[string]*Specification{
		"testdata/publisher-config.yaml": publisherDocument(t),
		"testdata/consumer-config.yaml":  consumerDocument(t),
	} {
		want, err := os.ReadFile(file)
		must(t, err)
		got, err := s.Encode()
		must(t, err)
		if string(got) != string(want) {
			t.Errorf("%s differs:\n%s", file, got)
		}
		if issues, err := s.Validate(nil); err != nil || len(issues) > 0 {
			t.Errorf("%s: %v, %v", file, issues, err)
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	sink := DatasinkOptions{Name: "sink", ContainerURL: "https://a.blob.core.windows.net/data", Identity: "consumer-identity"}
	app := ApplicationOptions{Name: "app", Image: testImage}
	with := func(change func(*DatasinkOptions)) error {
		o := sink
		change(&o)
		return consumerDocument(t).AddDatasink(o)
	}
	withApp := func(change func(*ApplicationOptions)) error {
		o := app
		change(&o)
		return consumerDocument(t).AddApplication(o)
	}
	s := consumerDocument(t)
	for _, c := range []struct {
		name, say string
		err       error
	}{
		{"identity twice", "unique", s.AddIdentity("consumer-identity", "c", "t", "")},
		{"identity name", "lower case", s.AddIdentity("Bad_Name", "c", "t", "")},
		{"identity without tenant", "tenant", s.AddIdentity("x", "c", "", "")},
		{"issuer not https", "https", s.AddIdentity("x", "c", "t", "http://issuer")},
		{"identity without backing", "NewSpecification", new(Specification).AddIdentity("x", "c", "t", "")},
		{"KEK name", "letters, digits and hyphens", s.SetKEK(KEKStore{Key: "a_b", VaultURL: "https://v.vault.azure.net", AttestationURL: testAttestation})},
		{"vault not https", "https", s.SetKEK(KEKStore{VaultURL: "v.vault.azure.net", AttestationURL: testAttestation})},
		{"no attestation", "attestation", s.SetKEK(KEKStore{VaultURL: "https://v.vault.azure.net"})},
		{"sink before KEK", "SetKEK", func() error {
			n := NewSpecification()
			must(t, n.AddIdentity("consumer-identity", "c", "t", ""))
			return n.AddDatasink(sink)
		}()},
		{"sink twice", "unique", with(func(o *DatasinkOptions) { o.Name = "consumer-output" })},
		{"unknown identity", `"nobody"`, with(func(o *DatasinkOptions) { o.Identity = "nobody" })},
		{"governance identity", "no identity", with(func(o *DatasinkOptions) { o.Identity = GovernanceIdentity })},
		{"container name", "blob container", with(func(o *DatasinkOptions) { o.ContainerURL = "https://a.blob.core.windows.net/Data" })},
		{"two hyphens", "blob container", with(func(o *DatasinkOptions) { o.ContainerURL = "https://a.blob.core.windows.net/a--b" })},
		{"no container", "blob container", with(func(o *DatasinkOptions) { o.ContainerURL = "https://a.blob.core.windows.net/" })},
		{"password in URL", "https URL", with(func(o *DatasinkOptions) { o.ContainerURL = "https://u:p@a.blob.core.windows.net/data" })},
		{"signature in URL", "https URL", with(func(o *DatasinkOptions) { o.ContainerURL += "?sig=x" })},
		{"mode", "CPK, CSE, Sealed or SSE", with(func(o *DatasinkOptions) { o.Mode = "cpk" })},
		{"HSM for secrets", "Managed HSM", with(func(o *DatasinkOptions) { o.DEKVaultURL = "https://h.managedhsm.azure.net" })},
		{"secret name", "127", with(func(o *DatasinkOptions) { o.Datastore = strings.Repeat("a", 120) })},
		{"subdirectory", "inside", with(func(o *DatasinkOptions) { o.Subdirectory = "../x" })},
		{"application twice", "unique", withApp(func(o *ApplicationOptions) { o.Name = "demo-app" })},
		{"tag", "can be moved", withApp(func(o *ApplicationOptions) { o.Image = "docker.io/golang:1.26" })},
		{"no registry", "not pinned", withApp(func(o *ApplicationOptions) { o.Image = "golang@sha256:" + strings.Repeat("0", 64) })},
		{"unknown sink", "no datasink", withApp(func(o *ApplicationOptions) { o.Datasinks = Mounts{{"nope", "/x"}} })},
		{"unknown source", "no datasource", withApp(func(o *ApplicationOptions) { o.Datasources = Mounts{{"nope", "/x"}} })},
		{"mount path", "absolute", withApp(func(o *ApplicationOptions) { o.Datasinks = Mounts{{"consumer-output", "out"}} })},
		{"variable name", "not a name", withApp(func(o *ApplicationOptions) { o.Environment = Environment{{"A B", ""}} })},
		{"variable twice", "twice", withApp(func(o *ApplicationOptions) { o.Environment = Environment{{"A", ""}, {"A", ""}} })},
		{"reserved variable", "reserved", withApp(func(o *ApplicationOptions) { o.Environment = Environment{{GovernanceVariable, "{}"}} })},
		{"secret", "private key", withApp(func(o *ApplicationOptions) { o.Environment = Environment{{"K", "-----BEGIN PRIVATE KEY-----"}} })},
		{"start type", "Auto", withApp(func(o *ApplicationOptions) { o.StartType = "auto" })},
		{"port", "65535", withApp(func(o *ApplicationOptions) { o.Ports = []int{70000} })},
		{"cpu", "positive", withApp(func(o *ApplicationOptions) { o.CPU = -1 })},
		{"host name", "IP address", s.AllowTCP("db.example", 5432)},
		{"zone", "IP address", s.AllowTCP("fe80::1%eth0", 5432)},
		{"port zero", "65535", s.AllowTCP("203.0.113.1", 0)},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.say) || !strings.HasPrefix(c.err.Error(), "cleanroom: ") {
			t.Errorf("%s: want %q, got %v", c.name, c.say, c.err)
		}
	}
	if !reflect.DeepEqual(s, consumerDocument(t)) {
		t.Error("a refused step changed the document")
	}
}

func TestAllowTCP(t *testing.T) {
	s := NewSpecification()
	must(t, s.AllowTCP("2001:DB8::1", 5432), s.AllowTCP("2001:db8:0::1", 5432), s.AllowTCP("203.0.113.1", 5432), s.AllowTCP("203.0.113.1", 5433))
	want := []AllowedIP{{"2001:db8::1", 5432}, {"203.0.113.1", 5432}, {"203.0.113.1", 5433}}
	if got := s.Network.TCP.Outbound.AllowedIPs; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestAccessPointReferences(t *testing.T) {
	s := consumerDocument(t)
	sink, err := s.Sink("consumer-output")
	must(t, err)
	ref, err := sink.DEK()
	must(t, err, ref.Validate())
	want := skr.SecretRef{
		ClientID: "22222222-2222-4222-8222-222222222222", TenantID: "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb",
		Name: "wrapped-consumer-output-dek-200f0873-kek", VaultURL: "https://conkv0001.vault.azure.net/",
		KEK: skr.KeyRef{Name: "200f0873-kek", VaultURL: "https://conkv0001.vault.azure.net/", AttestationURL: testAttestation},
	}
	if ref != want {
		t.Errorf("got %+v", ref)
	}
	if got := sink.ContainerURL(); got != "https://consa0001.blob.core.windows.net/consumer-output" {
		t.Error(got)
	}
	if mode, err := sink.Mode(); mode != "CPK" || err != nil {
		t.Error(mode, err)
	}
	if _, err := s.Sink("other"); err == nil || !strings.Contains(err.Error(), `"consumer-output"`) {
		t.Errorf("the error does not name what there is: %v", err)
	}
	must(t, s.AddDatasink(DatasinkOptions{Name: "plain", ContainerURL: "https://a.blob.core.windows.net/plain", Identity: "consumer-identity", Mode: "SSE"}))
	plain, err := s.Sink("plain")
	must(t, err)
	if _, err := plain.DEK(); err == nil {
		t.Error("an access point without a data key gave one")
	}
	if issues, err := s.Validate(nil); err != nil || len(issues) > 0 {
		t.Errorf("%v, %v", issues, err)
	}
}

func TestKEKName(t *testing.T) {
	for path, want := range map[string]string{
		"publisher-config":   "417b0217-kek",
		"publisher-config-1": "748aabad-kek",
		"./scenarios/db-access/publisher-demo/publisher-config":   "50fa3f9f-kek",
		"./scenarios/db-access/publisher-demo/publisher-config-1": "eea22883-kek",
		"./scenarios/db-access/consumer-demo/consumer-config":     "200f0873-kek",
		"./scenarios/db-access/consumer-demo/consumer-config-1":   "54c1df50-kek",
	} {
		if got := KEKName(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestTelemetryDatastore(t *testing.T) {
	const path = "./scenarios/db-access/publisher-demo/publisher-config"
	for _, c := range []struct{ sink, path, want string }{
		{InfrastructureTelemetry, path, "infrastructure-telemetry-50fa3f9f-publisherconfig"},
		{ApplicationTelemetry, path, "application-telemetry-50fa3f9f-publisherconfig"},
		{ApplicationTelemetry, "publisher-config", "application-telemetry-417b0217-publisherconfig"},
		{InfrastructureTelemetry, "a.b/" + strings.Repeat("x-", 60), "infrastructure-telemetry-" + KEKName("a.b/" + strings.Repeat("x-", 60))[:8] + "-" + strings.Repeat("x", 29)},
	} {
		if got := TelemetryDatastore(c.sink, c.path); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
	// The genuine document has them.
	s, err := ReadSpecification("testdata/publisher-config.yaml")
	must(t, err)
	for _, sink := range []string{ApplicationTelemetry, InfrastructureTelemetry} {
		a, err := s.Sink(sink)
		must(t, err)
		if want := TelemetryDatastore(sink, path); a.Datastore() != want || a.Store.Name != want {
			t.Errorf("%s lies in %s of %s, want %s", sink, a.Store.Name, a.Datastore(), want)
		}
	}
}

func TestUniqueString(t *testing.T) {
	for s, want := range map[string]string{
		"publisher-12345678": "uqlvijswqovpi",
		"consumer-12345678":  "adepaayfrtypj",
		"publisher-00000000": "kroxmwkyvmbvt",
	} {
		if got := UniqueString(s); got != want {
			t.Errorf("%s: got %s, want %s", s, got, want)
		}
	}
}
