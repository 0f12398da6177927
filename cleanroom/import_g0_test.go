package cleanroom

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func g0Options() *ImportG0Options {
	return &ImportG0Options{
		ContractID:   "collab1-db",
		Identities:   map[string]string{"22222222-2222-4222-8222-222222222222": "consumer-identity"},
		Applications: map[string]ApplicationOptions{"demo-app": {Image: testImage, CPU: 0.5, MemoryInGB: 4}},
	}
}

// The imported document is the one that the verbs make, but for the names of
// the wrapped keys, which stay.
func TestImportG0(t *testing.T) {
	const publisher = "identity-11111111-1111-4111-8111-111111111111"
	want := NewSpecificationG1()
	pubKEK := KEKStore{Key: "5e6f7a8b-collab1-db", VaultURL: "https://pubkv0001.vault.azure.net/", AttestationURL: testAttestation}
	must(t,
		want.AddIdentity("consumer-identity", "22222222-2222-4222-8222-222222222222", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", ""),
		want.AddIdentity(publisher, "11111111-1111-4111-8111-111111111111", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", ""),
		want.SetKEK(pubKEK),
		want.AddDatasource(DatasourceOptions{Name: "publisher-input", ContainerURL: "https://pubsa0001.blob.core.windows.net/publisher-input", Identity: publisher}),
		want.SetKEK(KEKStore{Key: "1a2b3c4d-collab1-db", VaultURL: "https://conhsm0001.managedhsm.azure.net/", AttestationURL: testAttestation}),
		want.AddDatasink(DatasinkOptions{Name: "consumer-output", Datastore: "consumer-output", ContainerURL: "https://consa0001.blob.core.windows.net/consumer-container", Identity: "consumer-identity", DEKVaultURL: "https://conkv0001.vault.azure.net/"}),
		want.SetKEK(pubKEK),
		want.SetLogging(DatasinkOptions{ContainerURL: "https://pubsa0001.blob.core.windows.net/application-telemetry", Identity: publisher}),
		want.AddApplication(ApplicationOptions{
			Name: "demo-app", Image: testImage, CPU: 0.5, MemoryInGB: 4, Command: []string{"bash", "-c", "echo $CODE | base64 -d | tar xz"},
			Environment: Environment{{"OUTPUT_LOCATION", "/mnt/remote/output"}, {"CODE", "aGVsbG8="}},
			Datasources: Mounts{{"publisher-input", "/mnt/remote/input"}}, Datasinks: Mounts{{"consumer-output", "/mnt/remote/output"}},
		}),
		want.AddApplicationEndpoint("demo-app", 8080, ""),
		want.DisableSandbox(),
	)
	for name, wrapped := range map[string]string{"publisher-input": "wrapped-publisher-input-dek", "consumer-output": "wrapped-consumer-output-dek", "application-telemetry": "wrapped-application-telemetry-dek"} {
		for _, a := range want.accessPointsOf(name) {
			a.Protection.EncryptionSecrets.DEK.Name = wrapped
			a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Name = wrapped
		}
	}
	file := filepath.Join("testdata", "g0", "merged.yaml")
	got, err := ReadSpecificationG0(file, g0Options())
	must(t, err)
	gotText, err := got.Encode()
	must(t, err)
	wantText, err := want.Encode()
	must(t, err)
	if !bytes.Equal(gotText, wantText) {
		changes, err := Diff(want, got)
		t.Errorf("%v, %v", changes, err)
	}
	if _, err := got.Validate(nil); err != nil {
		t.Error(err)
	}
	// It reads back, and upgrades once the sandbox is closed.
	again, err := ParseSpecificationG1(gotText)
	must(t, err)
	if _, err := again.Upgrade(); err == nil || !strings.Contains(err.Error(), "sandbox is disabled") {
		t.Error(err)
	}
	must(t, again.EnableSandbox())
	up, err := again.Upgrade()
	must(t, err)
	if up.Network == nil || !up.Network.HTTP.Inbound.Enabled || len(up.Applications[0].Datasources) != 1 {
		t.Errorf("%+v", up.Network)
	}
	sink, err := up.Sink("consumer-output")
	must(t, err)
	if sink.Datastore() != "consumer-output" || sink.Store.Name != "consumer-container" || sink.Protection.EncryptionSecrets.KEK.Name != "1a2b3c4d-collab1-db" {
		t.Errorf("%+v", sink)
	}
}

// What a G0 document of one party has, and how it is refused.
func TestImportG0Refused(t *testing.T) {
	good, err := os.ReadFile("testdata/g0/merged.yaml")
	must(t, err)
	const sink = "specification.datasinks[0]"
	cases := 0
	for _, c := range []struct{ old, new, want string }{
		{"networkPolicy:\n  allowAll: 'true'\n", "", "NetworkPolicyMissing"},
		{"allowAll: 'true'", "allowAll: 'false'", `it needs one of a bundle and allowAll "true"`},
		{"allowAll: 'true'", "allowAll: 'true'\n  policyBundleUrl: reg.io/bundle", `it needs one of a bundle and allowAll "true"`},
		{"sandbox: disabled", "sandbox: Disabled", `"Disabled" is not a known value; did you mean disabled?`},
		{"sandbox:", "sandBox:", `unknown key "sandBox"; did you mean sandbox?`},
		{"    name: consumer-output", "    name: other", sink + `: the entry is called "other" and its access point "consumer-output"`},
		{"SecureVolume__ReadWrite__", "SecureVolume__ReadOnly__", sink + `: "consumer-output" has the proxy type`},
		{"Type: Volume__ReadWrite", "Type: Volume__ReadOnly", sink + `: "consumer-output" is of the type Volume__ReadOnly`},
		{"Type: Volume__ReadWrite", "Type: Volume_ReadWrite", `line 72, column 13: specification.datasinks[0].datasink.Type: "Volume_ReadWrite" is not a known value; did you mean Volume__ReadWrite?`},
		{"ProxyMode: Secure", "ProxyMode: Trusted", sink + `: "consumer-output" has the proxy mode Trusted`},
		{`EncryptionMode: "CPK"`, `EncryptionMode: "cpk"`, `did you mean CPK?`},
		{`{KeyType: "KEK", EncryptionMode: "CPK"}`, `{KeyType: "KEK", EncryptionMode: "CPK"`, `protection configuration`},
		{"NamePrefix: 1a2b3c4d-", "NamePrefix: ''", `has no prefix of a KEK's name`},
		{"Name: wrapped-consumer-output-dek", "Name: wrapped_consumer", `wrapped data key: "wrapped_consumer" is not a name`},
		{"Name: consumer-container", "Name: Consumer", sink},
		{"https://consa0001.blob.core.windows.net/", "http://consa0001.blob.core.windows.net/", sink},
		{"logs: application-telemetry", "logs: consumer-output", `telemetry goes to the sinks "consumer-output", "application-telemetry"`},
		{"logs: application-telemetry\n      metrics: application-telemetry\n      traces: application-telemetry", "logs: consumer-output\n      metrics: consumer-output\n      traces: consumer-output", `in later forms it is called application-telemetry`},
		{"logs: application-telemetry\n      metrics: application-telemetry\n      traces: application-telemetry", "logs: gone\n      metrics: gone\n      traces: gone", `there is no sink "gone"`},
		{"src=consumer-output:dst=", "src=consumer-output,dst=", `is not src=NAME:dst=PATH`},
		{"src=consumer-output:", "src=consumer:", `has no datasink "consumer"`},
		{"OUTPUT_LOCATION=", "=", "add application"},
		{"- 8080", "- 80800", "the port 80800 is not between 1 and 65535"},
		{"- 8080", "- 8080\n      - 8081", "the document has an endpoint already"},
		{"    name: demo-app", "    name: other-app", `the image, CPU and memory of the application "other-app" are not given`},
		{"tenantId: bbbbbbbb", "tenantId: cccccccc", "consumer-identity"},
		{"PrivacyPolicy: null", "PrivacyPolicy: {policyDocument: x}", `unknown key "policyDocument"`},
	} {
		cases++
		if !bytes.Contains(good, []byte(c.old)) {
			t.Errorf("the document has no %q", c.old)
		}
		_, err := ImportSpecificationG0(bytes.Replace(good, []byte(c.old), []byte(c.new), 1), g0Options())
		if err == nil || !strings.HasPrefix(err.Error(), "cleanroom: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nlacks %s", c.new, err, c.want)
		}
	}
	if cases != 27 {
		t.Errorf("%d cases", cases)
	}
	for name, c := range map[string]struct {
		change func(*ImportG0Options)
		want   string
	}{
		"no contract": {func(o *ImportG0Options) { o.ContractID = "" }, "give ContractID"},
		"a tag":       {func(o *ImportG0Options) { o.Applications["demo-app"] = ApplicationOptions{Image: "docker.io/golang:1"} }, "is not pinned"},
		"more": {func(o *ImportG0Options) {
			o.Applications["demo-app"] = ApplicationOptions{Image: testImage, Command: []string{"x"}}
		}, "the document has the rest"},
		"one name":     {func(o *ImportG0Options) { o.Identities["11111111-1111-4111-8111-111111111111"] = "consumer-identity" }, "identities[1]"},
		"no such name": {func(o *ImportG0Options) { o.Identities["11111111-1111-4111-8111-111111111111"] = "a_b" }, "identities[1]"},
	} {
		o := g0Options()
		c.change(o)
		if _, err := ImportSpecificationG0(good, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ImportSpecificationG0(good, nil); err == nil {
		t.Error("imported without options")
	}
	// A document of init, and the other forms.
	empty, err := ImportSpecificationG0([]byte("identities: []\nspecification:\n  applications: []\n  datasinks: []\n  datasources: []\n  telemetry: {}\n"), nil)
	must(t, err)
	if !reflect.DeepEqual(empty, NewSpecificationG1()) {
		t.Errorf("%+v", empty)
	}
	for _, file := range []string{"testdata/merged.yaml", "testdata/g1/merged.yaml"} {
		if _, err := ReadSpecificationG0(file, g0Options()); err == nil || !strings.Contains(err.Error(), "unknown key") || !strings.Contains(err.Error(), file) {
			t.Error(err)
		}
	}
}

func FuzzImportSpecificationG0(f *testing.F) {
	good, err := os.ReadFile("testdata/g0/merged.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("identities: []\nspecification: {applications: [{name: demo-app, application: &a {command: [*a]}}], datasinks: [], datasources: []}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ImportSpecificationG0(b, g0Options())
		if err != nil {
			return
		}
		written, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSpecificationG1(written); err != nil {
			t.Fatalf("what was imported cannot be read: %v", err)
		}
	})
}
