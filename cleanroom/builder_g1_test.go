package cleanroom

import (
	"os"
	"strings"
	"testing"
)

func publisherG1(t testing.TB) *Specification {
	s := NewSpecificationG1()
	must(t,
		s.AddIdentity("publisher-identity", "11111111-1111-4111-8111-111111111111", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", ""),
		s.SetKEK(KEKStore{Name: "publisher-kek-store", Key: "50fa3f9f-kek", VaultURL: "https://pubkv0001.vault.azure.net/", AttestationURL: testAttestation}),
		s.SetLogging(DatasinkOptions{ContainerURL: "https://pubsa0001.blob.core.windows.net/application-telemetry-50fa3f9f-publisherconfig", Identity: "publisher-identity", DEKStore: "publisher-dek-store"}),
		s.SetTelemetry(DatasinkOptions{ContainerURL: "https://pubsa0001.blob.core.windows.net/infrastructure-telemetry-50fa3f9f-publisherconfig", Identity: "publisher-identity", DEKStore: "publisher-dek-store"}),
		s.DisableSandbox(),
	)
	return s
}

func consumerG1(t testing.TB) *Specification {
	s := NewSpecificationG1()
	must(t,
		s.AddIdentity("consumer-identity", "22222222-2222-4222-8222-222222222222", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", ""),
		s.SetKEK(KEKStore{Name: "consumer-kek-store", Key: "200f0873-kek", VaultURL: "https://conkv0001.vault.azure.net", AttestationURL: testAttestation}),
		s.AddDatasink(DatasinkOptions{Name: "consumer-output", ContainerURL: "https://consa0001.blob.core.windows.net/consumer-output/", Identity: "consumer-identity", DEKStore: "consumer-dek-store"}),
		s.AddApplication(ApplicationOptions{
			Name: "demo-app", Image: testImage,
			Command: []string{"bash", "-c", "echo $CODE | base64 -d | tar xz; cd application; go get; go run main.go"},
			Environment: Environment{
				{"CODE", "c3RhbmRzIGZvciBhIGd6aXAgdGFyIG9mIHRoZSBhcHBsaWNhdGlvbiBkaXJlY3Rvcnk="},
				{"DB_CONFIG_CGS_SECRET_ID", strings.Repeat("a", 64) + ":dbconfig"},
				{"OUTPUT_LOCATION", "/mnt/remote/output"},
			},
			Datasinks: Mounts{{"consumer-output", "/mnt/remote/output"}},
			CPU:       0.5, MemoryInGB: 4,
		}),
	)
	return s
}

// The same inputs give the documents of the earlier release, byte for byte.
func TestBuilderG1AsTheGenuineCommands(t *testing.T) {
	for file, s := range map[string]*Specification{"publisher-config.yaml": publisherG1(t), "consumer-config.yaml": consumerG1(t)} {
		want, err := os.ReadFile("testdata/g1/" + file)
		must(t, err)
		if got := encoded(t, s); string(got) != string(want) {
			t.Errorf("%s differs:\n%s", file, got)
		}
		if _, err := s.Validate(nil); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	s := consumerG1(t)
	must(t, s.AddApplicationEndpoint("demo-app", 80, ""))
	must(t, s.EnableSandbox(), s.AddDatasink(DatasinkOptions{Name: "plain", ContainerURL: "https://consa0001.blob.core.windows.net/plain", Identity: "consumer-identity", Mode: "SSE"}))
	if _, err := s.Validate(nil); err != nil || s.Datasinks[1].Protection.EncryptionSecrets == nil || !strings.Contains(s.Datasinks[1].Protection.Configuration, "'SSE'") {
		t.Errorf("%v, %+v", err, s.Datasinks[1])
	}
	for _, c := range []struct {
		name, say string
		err       error
	}{
		{"subdirectory", "generation G1", s.AddDatasink(DatasinkOptions{Name: "x", Subdirectory: "a"})},
		{"sealed", "do not know the mode Sealed", s.AddDatasink(DatasinkOptions{Name: "x", Mode: "Sealed"})},
		{"tcp", "generation G1", s.AllowTCP("203.0.113.1", 1)},
		{"http", "generation G1", s.AllowHTTP(Inbound, "")},
		{"dns", "generation G1", s.AllowDNS(53)},
		{"start", "generation G1", s.AddApplication(ApplicationOptions{Name: "b", Image: testImage, StartType: StartManual})},
		{"ports", "AddApplicationEndpoint", s.AddApplication(ApplicationOptions{Name: "b", Image: testImage, Ports: []int{80}})},
		{"endpoint twice", "can deploy one", s.AddApplicationEndpoint("demo-app", 80, "")},
		{"second endpoint", "can deploy one", s.AddApplicationEndpoint("demo-app", 81, "")},
		{"endpoint's port", "65535", s.AddApplicationEndpoint("demo-app", 0, "")},
		{"endpoint's bundle", "not pinned", s.AddApplicationEndpoint("demo-app", 82, "r.example/policy:1")},
		{"no sandbox in G2", "AllowTCP", NewSpecification().DisableSandbox()},
		{"no endpoint in G2", "AllowHTTP", NewSpecification().AddApplicationEndpoint("a", 80, "")},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.say) || !strings.HasPrefix(c.err.Error(), "cleanroom: ") {
			t.Errorf("%s: want %q, got %v", c.name, c.say, c.err)
		}
	}
}
