package cleanroom

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

// testRelease is a release whose documents have the shape of the published ones
// and little in them.
func testRelease(t testing.TB) SidecarRelease {
	t.Helper()
	const dir = "sidecars"
	return SidecarRelease{
		Registry: "registry.example.org/sidecars", Version: "8.0.0",
		Digests: testdata(t, filepath.Join(dir, "sidecar-digests.yaml")),
		PolicyDocument: func(_ context.Context, name, _ string) ([]byte, error) {
			return os.ReadFile(filepath.Join("testdata", dir, name+".yaml"))
		},
	}
}

// sidecarDocument is that of both parties with a sink that can be mounted, and a
// port that is open.
func sidecarDocument(t testing.TB) *Specification {
	t.Helper()
	s, err := ParseSpecification(testdata(t, "merged.yaml"))
	must(t, err)
	return s
}

// TestGenerateSidecarsGolden: "42 deployment generate", with sidecars.
func TestGenerateSidecarsGolden(t *testing.T) {
	d, err := GenerateSidecars(t.Context(), sidecarDocument(t), testRelease(t), testOptions(t))
	must(t, err)
	golden(t, "sidecars-template.json", d.Template)
	golden(t, "sidecars-policy.rego", d.Policy)
	again, err := ParseSpecification(encoded(t, sidecarDocument(t)))
	must(t, err)
	second, err := GenerateSidecars(t.Context(), again, testRelease(t), testOptions(t))
	must(t, err)
	if !bytes.Equal(d.Template, second.Template) || d.HostData != hostData(d.Policy) || d.GovernancePolicy.Claims[governance.ClaimHostData] != d.HostData {
		t.Error("another run gives another deployment")
	}
	var names []string
	var template struct {
		Resources []struct {
			Properties struct {
				InitContainers, Containers []struct{ Name string }
			}
		}
	}
	must(t, json.Unmarshal(d.Template, &template))
	for _, c := range append(template.Resources[0].Properties.Containers, template.Resources[0].Properties.InitContainers...) {
		names = append(names, c.Name)
	}
	const want = "demo-app-code-launcher identity-sidecar ccr-proxy ccr-proxy-ext-processor-gov consumer-output-blobfuse-container application-telemetry-blobfuse-container infrastructure-telemetry-blobfuse-container otel-collector ccr-governance skr ccr-secrets ccr-init"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("containers %s", got)
	}
}

// TestGenerateSidecarsPins: what decides about the room changes the host data;
// what the release leaves open does not.
func TestGenerateSidecarsPins(t *testing.T) {
	generate := func(change func(*Specification, *SidecarRelease, *GenerateOptions)) string {
		s, release, opts := sidecarDocument(t), testRelease(t), testOptions(t)
		change(s, &release, &opts)
		d, err := GenerateSidecars(t.Context(), s, release, opts)
		must(t, err)
		return d.HostData
	}
	base := generate(func(*Specification, *SidecarRelease, *GenerateOptions) {})
	for name, change := range map[string]func(*Specification, *SidecarRelease, *GenerateOptions){
		"contract": func(_ *Specification, _ *SidecarRelease, o *GenerateOptions) { o.ContractID = "other" },
		"endpoint": func(_ *Specification, _ *SidecarRelease, o *GenerateOptions) {
			o.GovernanceEndpoint = "https://other.example"
		},
		"registry": func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) { r.Registry = "other.example" },
		"command":  func(s *Specification, _ *SidecarRelease, _ *GenerateOptions) { s.Applications[0].Command[0] = "sh" },
		"addresses": func(s *Specification, _ *SidecarRelease, _ *GenerateOptions) {
			s.Network.TCP.Outbound.AllowedIPs[0].Port = 5433
		},
		"inbound": func(s *Specification, _ *SidecarRelease, _ *GenerateOptions) { must(t, s.AllowHTTP(Inbound, "")) },
	} {
		if generate(change) == base {
			t.Errorf("%s is not in the host data", name)
		}
	}
	if generate(func(_ *Specification, r *SidecarRelease, o *GenerateOptions) {
		r.Version, o.Location = "8.0.1", "westeurope"
	}) != base {
		t.Error("the region is in the host data")
	}
}

// TestGenerateSidecarsRefuses has what gives no deployment, and what the error
// says.
func TestGenerateSidecarsRefuses(t *testing.T) {
	for say, change := range map[string]func(*Specification, *SidecarRelease, *GenerateOptions){
		"generation":         func(s *Specification, _ *SidecarRelease, _ *GenerateOptions) { s.Generation = G1 },
		"no application":     func(s *Specification, _ *SidecarRelease, _ *GenerateOptions) { s.Applications = nil },
		"contract has no":    func(_ *Specification, _ *SidecarRelease, o *GenerateOptions) { o.ContractID = "a/b" },
		"certificate":        func(_ *Specification, _ *SidecarRelease, o *GenerateOptions) { o.ServiceCertificate = nil },
		"endpoint":           func(_ *Specification, _ *SidecarRelease, o *GenerateOptions) { o.GovernanceEndpoint = "http://a" },
		"the platform gives": func(_ *Specification, _ *SidecarRelease, o *GenerateOptions) { o.Limits = Limits{CPU: 2} },
		"mode Sealed": func(s *Specification, _ *SidecarRelease, _ *GenerateOptions) {
			s.Datasinks[0].Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": "Sealed", "KeyType": "KEK"})
		},
		"the registry":          func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) { r.Registry = "" },
		"no version":            func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) { r.Version = "" },
		"document of digests":   func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) { r.Digests = []byte("a: b") },
		"opa-policy is missing": func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) { r.Digests = nil },
		"is there twice": func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) {
			r.Digests = append(r.Digests, r.Digests...)
		},
		"is not sha256": func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) {
			r.Digests = bytes.ReplaceAll(r.Digests, []byte("sha256:"), []byte("md5:"))
		},
		"the placeholder \"$who\"": func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) { *r = replacing(*r, "$skrPort", "$who") },
		"it is about the image": func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) {
			*r = replacing(*r, "image: skr", "image: x")
		},
		"no command": func(_ *Specification, r *SidecarRelease, _ *GenerateOptions) {
			*r = replacing(*r, "command: ['setup'", "words: ['setup'")
		},
	} {
		s, release, opts := sidecarDocument(t), testRelease(t), testOptions(t)
		change(s, &release, &opts)
		if _, err := GenerateSidecars(t.Context(), s, release, opts); err == nil || !strings.Contains(err.Error(), say) || !strings.HasPrefix(err.Error(), "cleanroom: generate deployment with sidecars") {
			t.Errorf("%s: %v", say, err)
		}
	}
}

// replacing is a release with one text replaced in its policy documents.
func replacing(r SidecarRelease, before, after string) SidecarRelease {
	read := r.PolicyDocument
	r.PolicyDocument = func(ctx context.Context, name, digest string) ([]byte, error) {
		b, err := read(ctx, name, digest)
		return bytes.ReplaceAll(b, []byte(before), []byte(after)), err
	}
	return r
}

// TestSidecarVectors compares with what the genuine command generated, value by
// value, where its recordings are at hand: CLEANROOM_DOCUMENT_VECTORS is their
// folder.
func TestSidecarVectors(t *testing.T) {
	dir := os.Getenv("CLEANROOM_DOCUMENT_VECTORS")
	if dir == "" {
		return
	}
	dir = filepath.Join(dir, "g2")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return b
	}
	release := SidecarRelease{
		Registry: "mcr.microsoft.com/azurecleanroom", Version: "8.0.0", Digests: read("generate/inputs/sidecar-digests.yaml"),
		PolicyDocument: func(_ context.Context, name, _ string) ([]byte, error) {
			return read("generate/inputs/" + name + ".yaml"), nil
		},
	}
	var all struct {
		ContractID, CCFEndpoint, ServiceCert string
		Base                                 json.RawMessage
		Cases                                []struct {
			Name     string
			Text     *string
			Edits    []edit
			Generate struct {
				Exit              int
				ChangedContainers []map[string]any
			}
		}
	}
	must(t, json.Unmarshal(read("validate-and-generate.json"), &all))
	options := GenerateOptions{ContractID: all.ContractID, GovernanceEndpoint: all.CCFEndpoint, ServiceCertificate: []byte(all.ServiceCert)}
	generate := func(b []byte) ([]any, error) {
		s, err := ParseSpecification(b)
		if err != nil {
			return nil, err
		}
		if _, err := s.Validate(nil); err != nil {
			return nil, err
		}
		g := &sidecarGenerator{release: &release, spec: s, opts: &options}
		must(t, g.load(t.Context()))
		if err := g.all(); err != nil {
			return nil, err
		}
		return append(g.containers, g.init...), nil
	}
	// The command writes the list of addresses as the platform would read an
	// expression; here it is escaped.
	tree := func(v any) any {
		b, err := json.Marshal(v)
		must(t, err)
		b = bytes.ReplaceAll(b, []byte(`"[[{`), []byte(`"[{`))
		x, err := parseJSONTree(b)
		must(t, err)
		return x
	}
	equal, refused, stricter, lenient := 0, 0, 0, 0
	for _, c := range all.Cases {
		b := edited(t, all.Base, c.Edits)
		if c.Text != nil {
			b = []byte(*c.Text)
		}
		got, err := generate(b)
		switch {
		case err != nil && c.Generate.Exit != 0:
			refused++
			continue
		case err != nil:
			stricter++
			continue
		case c.Generate.Exit != 0:
			if !strings.HasPrefix(c.Name, "protection configuration is ") {
				t.Errorf("more lenient: %s", c.Name)
			}
			lenient++ // every encoding of a configuration is read
			continue
		}
		equal++
		for _, want := range c.Generate.ChangedContainers {
			found := false
			for _, container := range got {
				have := container.(map[string]any)
				if have["name"] != want["name"] {
					continue
				}
				found = true
				for k, v := range want["properties"].(map[string]any) {
					if at, a, b := firstDifference(tree(v), tree(have["properties"].(map[string]any)[k]), k); at != "" {
						t.Errorf("%s: %v: %s: want %s, got %s", c.Name, want["name"], at, a, b)
					}
				}
			}
			if !found {
				t.Errorf("%s: no container %v", c.Name, want["name"])
			}
		}
	}
	// The stricter ones are what validation refuses; its own test lists them.
	if len(all.Cases) != 88 || equal != 26 || refused != 42 || stricter != 18 || lenient != 2 {
		t.Errorf("%d cases: %d equal, %d refused by both, %d stricter, %d more lenient", len(all.Cases), equal, refused, stricter, lenient)
	}
	// The whole scenario.
	var summary struct{ ContractID, CCFEndpoint, ServiceCert string }
	must(t, json.Unmarshal(read("generate/summary.json"), &summary))
	s, err := ParseSpecification(read("documents/merged.yaml"))
	must(t, err)
	d, err := GenerateSidecars(t.Context(), s, release, GenerateOptions{ContractID: summary.ContractID, GovernanceEndpoint: summary.CCFEndpoint, ServiceCertificate: []byte(summary.ServiceCert)})
	must(t, err)
	want, got := tree(json.RawMessage(read("generate/cached/cleanroom-arm-template.json"))), tree(d.Template)
	// Our descriptions of parameters are our own.
	for _, x := range []any{want, got} {
		for _, p := range x.(map[string]any)["parameters"].(map[string]any) {
			delete(p.(map[string]any), "metadata")
		}
	}
	if at, a, b := firstDifference(withoutPolicy(want), withoutPolicy(got), ""); at != "" {
		t.Errorf("%s: want %s, got %s", at, a, b)
	}
	_, list, _ := strings.Cut(string(read("generate/cached/cleanroom-policy.rego")), "\ncontainers := ")
	line, _, _ := strings.Cut(list, "\n")
	wantList, err := parseJSONTree([]byte(line))
	must(t, err)
	_, list, _ = strings.Cut(string(d.Policy), "\ncontainers := ")
	var raw json.RawMessage
	must(t, json.NewDecoder(strings.NewReader(list)).Decode(&raw))
	if at, a, b := firstDifference(wantList, tree(raw), ""); at != "" {
		t.Errorf("policy: %s: want %s, got %s", at, a, b)
	}
}
