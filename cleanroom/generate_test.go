package cleanroom

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
)

var update = flag.Bool("update", false, "rewrite the golden files of this package")

// golden compares with a file of testdata/golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		must(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
		line, a, b := firstLine(want, got)
		t.Errorf("%s differs in line %d:\nwant %s\ngot  %s", file, line, a, b)
	}
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	must(t, err)
	return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
}

// mergedDocument is that of both parties.
func mergedDocument(t testing.TB) *Specification {
	t.Helper()
	s, err := Merge(consumerDocument(t), publisherDocument(t))
	must(t, err)
	return s
}

func testOptions(t testing.TB) GenerateOptions {
	t.Helper()
	return GenerateOptions{
		ContractID:         "collab1-db",
		GovernanceEndpoint: "https://collab.confidential-ledger.azure.com",
		ServiceCertificate: testdata(t, "service.pem"),
		Images: map[string]ImagePolicy{testImage: {
			Layers:      []string{strings.Repeat("1a", 32), strings.Repeat("2b", 32)},
			Environment: []string{"PATH=/usr/local/go/bin:/usr/bin:/bin", "CODE=replaced", "GOTOOLCHAIN=local"},
			WorkingDir:  "/go",
		}},
	}
}

var deployment struct {
	once sync.Once
	*Deployment
}

// testDeployment is made once; nobody may change it.
func testDeployment(t testing.TB) *Deployment {
	t.Helper()
	deployment.once.Do(func() {
		d, err := Generate(mergedDocument(t), testOptions(t))
		must(t, err)
		deployment.Deployment = d
	})
	return deployment.Deployment
}

// The files are what both parties vote on: a change of one byte is a change of
// every key's release policy.
func TestGenerateGolden(t *testing.T) {
	d := testDeployment(t)
	golden(t, "template.json", d.Template)
	golden(t, "policy.rego", d.Policy)
	if d.HostData != hostData(d.Policy) || len(d.HostData) != 64 {
		t.Errorf("host data %s is not the SHA-256 of the policy", d.HostData)
	}
	want := governance.PolicyUpdate{Type: "add", Claims: map[string]any{
		"x-ms-sevsnpvm-is-debuggable": false,
		"x-ms-sevsnpvm-hostdata":      d.HostData,
	}}
	if !reflect.DeepEqual(d.GovernancePolicy, want) {
		t.Errorf("governance policy %+v", d.GovernancePolicy)
	}
	encoded := base64.StdEncoding.EncodeToString(d.Policy)
	if n := bytes.Count(d.Template, []byte(`"ccePolicy": "`+encoded+`"`)); n != 1 {
		t.Errorf("the template holds the policy %d times", n)
	}
}

// Equal inputs give equal bytes: in another run, from documents that were
// written and read, with the certificate's lines ended otherwise, with images
// that are not used.
func TestGenerateIsDeterministic(t *testing.T) {
	want := testDeployment(t)
	again, err := ParseSpecification(encoded(t, mergedDocument(t)))
	must(t, err)
	crlf := testOptions(t)
	crlf.ServiceCertificate = bytes.ReplaceAll(crlf.ServiceCertificate, []byte("\n"), []byte("\r\n"))
	untrimmed := testOptions(t)
	untrimmed.ServiceCertificate = append([]byte("\n\n"), bytes.TrimSpace(untrimmed.ServiceCertificate)...)
	images := testOptions(t)
	for _, c := range "0123456789abcdef" {
		images.Images["example.com/a@sha256:"+strings.Repeat(string(c), 64)] = ImagePolicy{}
	}
	for name, in := range map[string]struct {
		s    *Specification
		opts GenerateOptions
	}{
		"again":       {mergedDocument(t), testOptions(t)},
		"read":        {again, testOptions(t)},
		"line ends":   {again, crlf},
		"white space": {again, untrimmed},
		"images":      {again, images},
	} {
		d, err := Generate(in.s, in.opts)
		must(t, err)
		if !bytes.Equal(d.Template, want.Template) || !bytes.Equal(d.Policy, want.Policy) || d.HostData != want.HostData {
			t.Errorf("%s: another deployment", name)
		}
	}
}

// The order of variables is part of the host data.
func TestGenerateKeepsOrder(t *testing.T) {
	s := mergedDocument(t)
	e := s.Applications[0].EnvironmentVariables
	e[0], e[1] = e[1], e[0]
	d, err := Generate(s, testOptions(t))
	must(t, err)
	if d.HostData == testDeployment(t).HostData {
		t.Error("two orders, one policy")
	}
}

// What a voter reads from the template is what was agreed on.
func TestTemplateRoundTrip(t *testing.T) {
	s, d := mergedDocument(t), testDeployment(t)
	got, err := ParseTemplate(d.Template)
	must(t, err)
	if got.ContractID() != "collab1-db" || got.HostData() != d.HostData || !bytes.Equal(got.Policy(), d.Policy) {
		t.Errorf("contract %s, host data %s", got.ContractID(), got.HostData())
	}
	if apps := got.Applications(); !reflect.DeepEqual(apps, []string{"demo-app"}) {
		t.Fatalf("applications %v", apps)
	}
	app := s.Applications[0]
	if got.Image("demo-app") != app.Image.Reference() || !reflect.DeepEqual(got.Command("demo-app"), app.Command) {
		t.Errorf("image %s, command %q", got.Image("demo-app"), got.Command("demo-app"))
	}
	env := got.Environment("demo-app")
	if own := len(app.EnvironmentVariables); !reflect.DeepEqual(env[:own], app.EnvironmentVariables) {
		t.Errorf("environment %v", env)
	}
	value, _ := env.Lookup(GovernanceVariable)
	g, err := ParseGovernanceEnvironment(value)
	must(t, err)
	if g.Application != "demo-app" || g.ContractID != "collab1-db" || !reflect.DeepEqual(g.Endpoints, []string{"https://collab.confidential-ledger.azure.com"}) || g.ServiceCertificate != string(testdata(t, "service.pem")) {
		t.Errorf("%+v", g)
	}
	for _, name := range []string{"consumer-output", ApplicationTelemetry} {
		value, _ := env.Lookup(SinkVariable(name))
		sink, err := ParseSinkEnvironment(value)
		must(t, err)
		point, err := s.Sink(name)
		must(t, err)
		want, err := point.SinkEnvironment()
		must(t, err)
		// The address of a vault is written with a slash in a document.
		want.DEK, err = want.DEK.Normalize()
		must(t, err)
		if sink != want {
			t.Errorf("got %+v, want %+v", sink, want)
		}
	}
	if len(env) != len(app.EnvironmentVariables)+3 {
		t.Errorf("%d variables", len(env))
	}
	if got.Image("other") != "" || got.Command("other") != nil || got.Environment("other") != nil {
		t.Error("an application that is not there has something")
	}
	got.Policy()[0]++
	got.Environment("demo-app")[0].Value = "changed"
	got.Command("demo-app")[0] = "changed"
	if got.HostData() != d.HostData || got.Environment("demo-app")[0].Value == "changed" || got.Command("demo-app")[0] == "changed" {
		t.Error("a caller changed the template")
	}
}

// The platform evaluates a text in brackets; the texts of the parties are none
// of its expressions.
func TestExpressionsAreEscaped(t *testing.T) {
	for _, c := range []struct{ text, inTemplate string }{
		{"[concat('a', 'b')]", "[[concat('a', 'b')]"},
		{"[]", "[[]"},
		{"[[a]", "[[[a]"},
		{"[[", "[["},
		{"[", "["},
		{"]", "]"},
		{"[a", "[a"},
		{"a]", "a]"},
		{" [a]", " [a]"},
		{"", ""},
		{"a\nb\t\"\\<&>\u2028é", "a\nb\t\"\\<&>\u2028é"},
	} {
		s := mergedDocument(t)
		s.Applications[0].Command = []string{"sh", c.text}
		s.Applications[0].EnvironmentVariables = Environment{{"A", c.text}}
		d, err := Generate(s, testOptions(t))
		must(t, err)
		got, err := ParseTemplate(d.Template)
		must(t, err)
		if value, _ := got.Environment("demo-app").Lookup("A"); value != c.text || got.Command("demo-app")[1] != c.text {
			t.Errorf("%q is read as %q", c.text, value)
		}
		tree := parsed(t, d.Template)
		if word := at[string](t, tree, "resources", 0, "properties", "containers", 0, "properties", "command", 1); word != c.inTemplate {
			t.Errorf("%q is written as %q", c.text, word)
		}
		// In the policy it stands as it is, in JSON.
		if rule, _ := json.Marshal("A=" + c.text); !bytes.Contains(d.Policy, bytes.Trim(unescapedHTML(rule), `"`)) {
			t.Errorf("%q is not in the policy", c.text)
		}
	}
}

func unescapedHTML(b []byte) []byte {
	for from, to := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		b = bytes.ReplaceAll(b, []byte(from), []byte(to))
	}
	return b
}

// An application without a command has the image's, and two applications have
// one policy and one template.
func TestGenerateTwoApplications(t *testing.T) {
	s, opts := mergedDocument(t), testOptions(t)
	second := "example.com/second@sha256:" + strings.Repeat("0", 64)
	must(t, s.AddApplication(ApplicationOptions{Name: "second", Image: second}))
	opts.Images[second] = ImagePolicy{Layers: []string{strings.Repeat("3c", 32)}, Command: []string{"/run", "[x]"}}
	opts.Location = "westeurope"
	d, err := Generate(s, opts)
	must(t, err)
	got, err := ParseTemplate(d.Template)
	must(t, err)
	if apps := got.Applications(); !reflect.DeepEqual(apps, []string{"demo-app", "second"}) {
		t.Errorf("applications %v", apps)
	}
	if command := got.Command("second"); !reflect.DeepEqual(command, []string{"/run", "[x]"}) {
		t.Errorf("command %q", command)
	}
	value, _ := got.Environment("second").Lookup(GovernanceVariable)
	if g, err := ParseGovernanceEnvironment(value); err != nil || g.Application != "second" {
		t.Errorf("%+v, %v", g, err)
	}
	if _, ok := got.Environment("second").Lookup(SinkVariable("consumer-output")); ok {
		t.Error("the second application was given the sink of the first")
	}
	if !bytes.Contains(d.Template, []byte(`"defaultValue": "westeurope"`)) {
		t.Error("the location is not in the template")
	}
	if n := strings.Count(string(d.Policy), `"working_dir": "/"`); n != 2 { // of second and of the pause container
		t.Errorf("%d containers run in the root", n)
	}
}

func TestGenerateRefuses(t *testing.T) {
	type inputs struct {
		s    *Specification
		opts *GenerateOptions
	}
	app := func(change func(*Application)) func(*inputs) {
		return func(in *inputs) { change(&in.s.Applications[0]) }
	}
	image := func(change func(*ImagePolicy)) func(*inputs) {
		return func(in *inputs) {
			p := in.opts.Images[testImage]
			change(&p)
			in.opts.Images[testImage] = p
		}
	}
	sink := func(name string, change func(*AccessPoint)) func(*inputs) {
		return func(in *inputs) {
			a, err := in.s.Sink(name)
			must(t, err)
			change(a)
			if name == ApplicationTelemetry {
				in.s.Governance.Telemetry.Application.Logs = *a
			}
		}
	}
	mode := func(mode string) func(*AccessPoint) {
		return func(a *AccessPoint) {
			a.Protection.Configuration = EncodeConfiguration(map[string]string{"EncryptionMode": mode, "KeyType": "KEK"})
		}
	}
	cases := []struct {
		name, say string
		change    func(*inputs)
	}{
		{"no specification", "no specification", func(in *inputs) { in.s = nil }},
		{"invalid document", "ImageNotPinned", app(func(a *Application) { a.Image.Executable.BackingResource.ID = "docker.io/golang:1.26" })},
		{"no application", "no application", func(in *inputs) { in.s.Applications = nil }},
		{"limit", "ResourceLimit", func(in *inputs) { in.opts.Limits.MemoryInGB = 1 }},
		{"sandbox off", "UnsupportedSandbox", func(in *inputs) { in.s.Sandbox = &SandboxSettings{SandboxType: SandboxNone} }},
		{"inbound traffic", "network.http", func(in *inputs) { in.s.Network.HTTP = openHTTP(true) }},
		{"outbound traffic", "network.http", func(in *inputs) { in.s.Network.HTTP = openHTTP(false) }},
		{"image without layers", "no layers of the image", func(in *inputs) { in.opts.Images = nil }},
		{"no layers", "it has no layers", image(func(p *ImagePolicy) { p.Layers = nil })},
		{"bad layer", "64 lower case hex", image(func(p *ImagePolicy) { p.Layers[1] = strings.Repeat("AB", 32) })},
		{"variable of the image", "NAME=VALUE", image(func(p *ImagePolicy) { p.Environment = []string{"PATH"} })},
		{"variable of the image without name", "NAME=VALUE", image(func(p *ImagePolicy) { p.Environment = []string{"=x"} })},
		{"variable of the image not text", "NAME=VALUE", image(func(p *ImagePolicy) { p.Environment = []string{"A=\xff"} })},
		{"variable of the image twice", "sets A twice", image(func(p *ImagePolicy) { p.Environment = []string{"A=1", "A=2"} })},
		{"variable of the image is the room's", "are the room's", image(func(p *ImagePolicy) { p.Environment = []string{SinkVariable("more") + "={}"} })},
		{"directory of the image not text", "working directory", image(func(p *ImagePolicy) { p.WorkingDir = "/\x00" })},
		{"manual start", "start type Manual", app(func(a *Application) { a.StartType = StartManual })},
		{"datasource", "datasources need the mounts", func(in *inputs) {
			o := DatasinkOptions{Name: "in", ContainerURL: "https://a.blob.core.windows.net/input", Identity: "consumer-identity", Mode: "SSE"}
			must(t, in.s.AddDatasource(o))
			in.s.Applications[0].Datasources = Mounts{{"in", "/mnt/in"}}
		}},
		{"private registry", "private registry", app(func(a *Application) {
			id := *consumerDocument(t).identity("consumer-identity")
			a.Image.Executable.Identity = &id
		})},
		{"no command", "has a command", app(func(a *Application) { a.Command = nil })},
		{"null in the command", "plain text", app(func(a *Application) { a.Command = []string{"a\x00b"} })},
		{"command not UTF-8", "plain text", app(func(a *Application) { a.Command = []string{"\xff"} })},
		{"value not UTF-8", "not UTF-8", app(func(a *Application) { a.EnvironmentVariables[0].Value = "\xff" })},
		{"reserved variable", "reserved", app(func(a *Application) { a.EnvironmentVariables[0].Name = SinkVariable("more") })},
		{"contract id", "contract's id", func(in *inputs) { in.opts.ContractID = "a/b" }},
		{"no contract id", "contract's id", func(in *inputs) { in.opts.ContractID = "" }},
		{"governance address", "https URL", func(in *inputs) { in.opts.GovernanceEndpoint = "http://ledger" }},
		{"no certificate", "PEM", func(in *inputs) { in.opts.ServiceCertificate = nil }},
		{"two certificates", "goes on after", func(in *inputs) {
			in.opts.ServiceCertificate = append(in.opts.ServiceCertificate, testdata(t, "other-service.pem")...)
		}},
		{"sink in a subdirectory", "subdirectory", sink("consumer-output", func(a *AccessPoint) { a.Subdirectory = "x" })},
		{"sink of client-side encryption", "mode CSE", sink("consumer-output", mode("CSE"))},
		{"log of client-side encryption", "mode CSE", sink(ApplicationTelemetry, mode("CSE"))},
		{"sink elsewhere", "not to Azure_OneLake", sink("consumer-output", func(a *AccessPoint) { a.Store.Type = OneLakeResource })},
		{"data key in the governance service", "lies in Cgs", sink("consumer-output", func(a *AccessPoint) {
			a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Type = CGSResource
		})},
		{"name of the platform", "the platform sets", app(func(a *Application) { a.EnvironmentVariables[0].Name = "Fabric_Mode" })},
		{"template too long", "the platform accepts", app(func(a *Application) { a.Command = []string{strings.Repeat("x", maxJSON)} })},
	}
	good := mergedDocument(t)
	for _, c := range cases {
		opts := testOptions(t)
		in := &inputs{good.clone(), &opts}
		c.change(in)
		d, err := Generate(in.s, opts)
		if err == nil || d != nil || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: generate deployment of contract") {
			t.Errorf("%s: want %q, got %.300v", c.name, c.say, err)
		}
	}
	if len(cases) != 36 {
		t.Errorf("%d refusals, want 36", len(cases))
	}
	var v *ValidationError
	opts := testOptions(t)
	opts.Limits.CPU = 0.1
	if _, err := Generate(mergedDocument(t), opts); !errors.As(err, &v) || v.Issues[0].ID != "ResourceLimit" {
		t.Errorf("the issues cannot be reached: %v", err)
	}
}

func openHTTP(inbound bool) *HTTPSettings {
	bundle := &Policy{Policy: &PolicyBody{External: &Document{
		DocumentType:    documentTypeOCI,
		BackingResource: Resource{Name: "b", ID: "b", Type: RegistryResource, Provider: ServiceEndpoint{Protocol: ContainerRegistry, URL: "example.com"}},
	}}}
	d := &HTTPDirection{Enabled: true, Policy: PrivacyProxySettings{ProxyType: proxyAPI, ProxyMode: ProxyOpen, PrivacyPolicy: bundle}}
	if inbound {
		return &HTTPSettings{Inbound: d}
	}
	return &HTTPSettings{Outbound: d}
}
