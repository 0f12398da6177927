package dbsecret_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/dbsecret"
	"github.com/cleanroom-go/sdk/internal/emulator/postgres"
)

func deploymentOptions() dbsecret.DeploymentOptions {
	return dbsecret.DeploymentOptions{Label: "rooms-db", Location: "westeurope", Image: "registry.example/library/postgres@sha256:" + strings.Repeat("1a", 32)}
}

type deploymentTemplate struct {
	Parameters map[string]struct {
		Type         string
		DefaultValue any
	}
	Variables map[string]string
	Outputs   map[string]struct{ Value string }
	Resources []struct{ Properties json.RawMessage }
}

// TestDeploymentTemplate: what is secret is a secureString, in no output and in
// nothing that is printed.
func TestDeploymentTemplate(t *testing.T) {
	d, err := dbsecret.NewDeployment(deploymentOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	golden, err := os.ReadFile("deployment.json")
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.TrimSpace(golden); !bytes.Equal(d.Template, want) {
		t.Error("the template is not that of deployment.json")
	}
	var template deploymentTemplate
	if err := json.Unmarshal(d.Template, &template); err != nil {
		t.Fatal(err)
	}
	text, err := d.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]struct{ Value string }
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	if len(values) != 10 || len(values) != len(template.Parameters) {
		t.Errorf("%d values, %d parameters, want 10", len(values), len(template.Parameters))
	}
	for name, p := range template.Parameters {
		secret := name == "password" || name == "tlsKey" || name == "setup"
		if p.DefaultValue != nil || (p.Type == "secureString") != secret || values[name].Value == "" {
			t.Errorf("the parameter %s is %+v", name, p)
		}
	}
	uses := regexp.MustCompile(`parameters\('(\w+)'\)`)
	if len(template.Outputs) != 2 {
		t.Errorf("%d outputs", len(template.Outputs))
	}
	for name, output := range template.Outputs {
		for _, use := range uses.FindAllStringSubmatch(output.Value, -1) {
			if template.Parameters[use[1]].Type != "string" {
				t.Errorf("the output %s shows %s", name, use[1])
			}
		}
	}
	properties := string(template.Resources[0].Properties)
	for _, want := range []string{`"secureValue": "[parameters('password')]"`, "ssl=on", "[base64(parameters('tlsKey'))]", "[base64(variables('tlsOnly'))]"} {
		if !strings.Contains(properties, want) {
			t.Errorf("the template has no %s", want)
		}
	}
	password := string(d.Password())
	if len(password) < 24 || password != values["password"].Value {
		t.Errorf("a password of %d characters", len(password))
	}
	another, err := dbsecret.NewDeployment(deploymentOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	if string(another.Password()) == password || bytes.Equal(another.RootPEM, d.RootPEM) || !bytes.Equal(another.Template, d.Template) {
		t.Error("two deployments share a secret, or have different templates")
	}
	encoded, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprint(d), fmt.Sprintf("%+v %#v %v", d, d, *d), string(encoded)} {
		if strings.Contains(printed, password) || strings.Contains(printed, "PRIVATE KEY") {
			t.Errorf("printed: %s", printed)
		}
	}
}

// TestDeploymentConnects runs a server as the template would: with the generated
// certificate and the setup; and connects with the document, verifying the name.
func TestDeploymentConnects(t *testing.T) {
	requireServer(t)
	d, err := dbsecret.NewDeployment(deploymentOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	text, err := d.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]struct{ Value string }
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair([]byte(values["tlsCertificate"].Value), []byte(values["tlsKey"].Value))
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := postgres.Start(context.Background(), postgres.Options{ServerCertificate: cert, RootPEM: d.RootPEM, NoSampleData: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	doc := d.Document()
	doc.Port, doc.IP, doc.Password = cluster.Port, "127.0.0.1", passwordRef()
	if doc.Endpoint != "rooms-db.westeurope.azurecontainer.io" || doc.Name != cluster.Database || doc.User != cluster.User {
		t.Errorf("the document %+v", doc)
	}
	db := open(t, doc, &passwords{list: []string{string(cluster.Password().Clone())}}, nil)
	if _, err := db.ExecContext(t.Context(), values["setup"].Value); err != nil {
		t.Fatal(err)
	}
	var users, female int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE gender = 'Female') FROM users`).Scan(&users, &female); err != nil || users != 1000 || female != 521 {
		t.Errorf("%d users, %d female, %v", users, female, err)
	}
	doc.Endpoint = "another-db.westeurope.azurecontainer.io"
	wantError(t, open(t, doc, &passwords{list: []string{"x"}}, nil).PingContext(t.Context()), "dbEndpoint")
}

func TestDeploymentRefuses(t *testing.T) {
	for name, change := range map[string]func(*dbsecret.DeploymentOptions){
		"no label":            func(o *dbsecret.DeploymentOptions) { o.Label = "" },
		"a label of dots":     func(o *dbsecret.DeploymentOptions) { o.Label = "rooms.db" },
		"a long label":        func(o *dbsecret.DeploymentOptions) { o.Label = strings.Repeat("a", 64) },
		"an expression":       func(o *dbsecret.DeploymentOptions) { o.Label = "[x]-rooms" },
		"no location":         func(o *dbsecret.DeploymentOptions) { o.Location = "" },
		"a location in words": func(o *dbsecret.DeploymentOptions) { o.Location = "West Europe" },
		"an image by tag":     func(o *dbsecret.DeploymentOptions) { o.Image = "postgres:17" },
		"a long user":         func(o *dbsecret.DeploymentOptions) { o.User = strings.Repeat("u", 64) },
		"a NUL":               func(o *dbsecret.DeploymentOptions) { o.Database = "a\x00" },
	} {
		opts := deploymentOptions()
		change(&opts)
		if d, err := dbsecret.NewDeployment(opts); err == nil || d != nil || !strings.HasPrefix(err.Error(), "dbsecret: new deployment: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := deploymentOptions()
	long.Label = strings.Repeat("a", 63)
	if _, err := dbsecret.NewDeployment(long); err != nil {
		t.Error(err)
	}
}
