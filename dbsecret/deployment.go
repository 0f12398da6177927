package dbsecret

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// DeploymentOptions are the inputs of [NewDeployment].
type DeploymentOptions struct {
	// Label is the first label of the server's name, 5 to 63 letters, digits and
	// hyphens that begin with a letter; it must be free in the region. Location
	// is the region, such as westeurope. Together they are the name that the
	// certificate is for: LABEL.LOCATION.azurecontainer.io.
	Label, Location string
	// Image is PostgreSQL's own image, or one made of it, as
	// REGISTRY/NAME@sha256:DIGEST: what it runs then cannot change.
	Image string
	// Database and User are as in a [Document]; empty means test_data and user,
	// those of the scenario.
	Database, User string
	// Setup is SQL to run once, as the user, in the new database. Empty means
	// the scenario's sample: the table users with 1,000 rows, 521 of them with
	// gender Female, of persons who do not exist.
	Setup string
}

// Deployment is a PostgreSQL on Azure Container Instances for trying things out:
// with TLS from the first connection on, but with its data in the container,
// which are gone when it is, and its port open to the Internet. What it needs to
// be deployed is Template and Parameters; what a [Document] needs to describe it
// are Endpoint, RootPEM, Database and User, and the password in a vault.
//
// The start-up keeps to the conventions of PostgreSQL's own image: its variables
// POSTGRES_*, its entry point, and the directory of what runs once. Logins over
// the network without TLS are refused there.
type Deployment struct {
	// Template is an ARM template (schema 2019-04-01) of one container group
	// (Microsoft.ContainerInstance, 2023-05-01). It holds no secret: these are
	// parameters of the type secureString. Its outputs are endpoint and rootPem.
	Template json.RawMessage
	// Endpoint is the server's name, and RootPEM the root that signed its
	// certificate, good for a year. The root's key was not kept.
	Endpoint string
	RootPEM  []byte
	// Database and User are what they are called.
	Database, User string

	password *redact.Secret
	values   map[string]*redact.Secret // the other parameters
}

// NewDeployment makes a password of 192 bits and a certificate, and the template
// that uses them.
func NewDeployment(opts DeploymentOptions) (*Deployment, error) {
	d, err := newDeployment(&opts)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: new deployment: %w", err)
	}
	return d, nil
}

var (
	dnsNameLabel = regexp.MustCompile(`^[a-z][-a-z0-9]{3,61}[a-z0-9]$`)
	azureRegion  = regexp.MustCompile(`^[a-z0-9]{2,40}$`)
	pinnedImage  = regexp.MustCompile(`^[a-z0-9][a-z0-9.:/_-]{0,254}@sha256:[0-9a-f]{64}$`)
)

//go:embed deployment.json
var deploymentTemplate []byte

func newDeployment(opts *DeploymentOptions) (*Deployment, error) {
	switch {
	case !dnsNameLabel.MatchString(opts.Label):
		return nil, errors.New("the label must have 5 to 63 lower-case letters, digits and hyphens, and begin with a letter")
	case !azureRegion.MatchString(opts.Location):
		return nil, errors.New("the location must be a region's short name, such as westeurope")
	case !pinnedImage.MatchString(opts.Image):
		return nil, errors.New("the image must be named by its digest, as REGISTRY/NAME@sha256:DIGEST")
	}
	d := &Deployment{
		Template: bytes.TrimSpace(deploymentTemplate),
		Endpoint: opts.Label + "." + opts.Location + ".azurecontainer.io",
		Database: opts.Database, User: opts.User,
	}
	if d.Database == "" {
		d.Database = "test_data"
	}
	if d.User == "" {
		d.User = "user"
	}
	for _, name := range []string{d.Database, d.User} {
		if err := validIdentifier(name); err != nil {
			return nil, fmt.Errorf("the name of the database or the user %w", err)
		}
	}
	setup := opts.Setup
	if setup == "" {
		setup = sampleSetup
	}
	root, chain, key, err := serverCertificate(d.Endpoint)
	if err != nil {
		return nil, err
	}
	d.RootPEM = root
	random := make([]byte, 24)
	rand.Read(random)
	d.password = redact.New([]byte(base64.RawURLEncoding.EncodeToString(random)))
	clear(random)
	d.values = map[string]*redact.Secret{"tlsKey": redact.New(key)}
	for name, value := range map[string]string{
		"label": opts.Label, "location": opts.Location, "image": opts.Image, "database": d.Database, "user": d.User,
		"setup": setup, "tlsCertificate": string(chain), "tlsRoot": string(root),
	} {
		d.values[name] = redact.New([]byte(value))
	}
	return d, nil
}

// Password is a copy of the password, to be wrapped and cleared.
func (d *Deployment) Password() []byte { return d.password.Clone() }

// Parameters is what to deploy the template with: a JSON object of objects with
// a "value", as the properties.parameters of a deployment. It holds the password
// and the server's key; it is not for a file or a log.
func (d *Deployment) Parameters() ([]byte, error) {
	type value struct {
		Value string `json:"value"`
	}
	all := map[string]value{"password": {string(d.password.Clone())}}
	for name, v := range d.values {
		all[name] = value{string(v.Clone())}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("dbsecret: parameters of deployment: %w", err)
	}
	return b, nil
}

// Document describes the database; Password says where its password will be.
func (d *Deployment) Document() *Document {
	return &Document{Endpoint: d.Endpoint, Name: d.Database, User: d.User, SSLRootCert: string(d.RootPEM)}
}

// Close forgets the password and the key.
func (d *Deployment) Close() error {
	d.password.Close()
	for _, v := range d.values {
		v.Close()
	}
	return nil
}

// Format prints where the server will be.
func (d *Deployment) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "dbsecret.Deployment(%s, database %s, user %s)", d.Endpoint, d.Database, d.User)
}

var _ fmt.Formatter = (*Deployment)(nil)

// sampleSetup spreads 521 of 1,000 evenly, and uses what is reserved for
// documentation (RFC 2606, RFC 5737).
var sampleSetup = strings.TrimSpace(`
CREATE TABLE users (id integer PRIMARY KEY, first_name text, last_name text, email text, gender text, ip_address text);
INSERT INTO users SELECT n, 'First' || n, 'Last' || n % 100, 'user' || n || '@example.com',
  CASE WHEN n * 521 / 1000 > (n - 1) * 521 / 1000 THEN 'Female' ELSE 'Male' END, '192.0.2.' || 1 + n % 254 FROM generate_series(1, 1000) AS n;
ANALYZE users;
`) + "\n"
