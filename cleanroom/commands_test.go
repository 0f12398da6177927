package cleanroom

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The recorded commands, each as the verb of this package.

type commandCase struct {
	Name    string
	Args    []string
	Refused bool
	Codes   []string
	Changes []struct {
		Path  []any
		Value any
	}
	Resource struct {
		URL     string
		Premium bool
	}
}

// otherwise are the cases in which this package does otherwise on purpose: true
// if it refuses what the commands accept.
var otherwiseCommands = map[string]struct {
	refused bool
	why     string
}{
	"init on an existing file":                         {true, "the commands do nothing and succeed; a file that is there is an error, so that nobody takes it for a new one"},
	"datastore: name taken":                            {true, "the commands say so and succeed, though mode and key are another's"},
	"application: image without registry":              {true, "a tag can be moved after the vote"},
	"application: mount forms":                         {true, "a tag; and three of the four forms cannot be deployed"},
	"application: ports and stores":                    {true, "a tag, a port twice, a mount without a path"},
	"endpoint: the same port again, now with a bundle": {true, "the commands replace the policy and list the port twice"},
	"tcp: one address, two ports in one call":          {false, "the commands keep the last port; here both are allowed, and an empty http and dns stay unwritten"},
	"tcp: again the same":                              {false, "the commands list it twice"},
	"tcp: port out of range":                           {true, "there is no such port"},
	"tcp: disable":                                     {false, "the commands leave an empty section that they can neither extend nor deploy"},
	"tcp: IPv6":                                        {false, "an address may be an IPv6 one, in brackets where a port follows"},
	"http: enable inbound with bundle":                 {true, "the digest of the bundle is cut off"},
}

// withAzure gives the place of the governance identity, which the recorded
// access points have, to one with access to Azure: this package refuses the
// other, since no vault knows it.
const withAzure = "azure-identity"

func TestCommandsG1(t *testing.T) { runCommands(t, G1, "testdata/g1/commands.json", 28) }
func TestCommandsG2(t *testing.T) { runCommands(t, G2, "testdata/g2/commands.json", 38) }

func runCommands(t *testing.T, g Generation, file string, count int) {
	var vectors struct{ Cases []commandCase }
	readJSON(t, file, &vectors)
	if len(vectors.Cases) != count {
		t.Errorf("%d cases, want %d", len(vectors.Cases), count)
	}
	d := newDesk(t, g)
	for _, c := range vectors.Cases {
		err := d.run(&c)
		other, differs := otherwiseCommands[c.Name]
		want := c.Refused
		if differs {
			want = other.refused
		}
		if (err != nil) != want {
			t.Errorf("%s: refused there: %t, wanted here: %t, got %v", c.Name, c.Refused, want, err)
			continue
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "cleanroom: ") {
				t.Errorf("%s: %v", c.Name, err)
			}
			for _, code := range c.Codes {
				if !strings.Contains(err.Error(), code) {
					t.Errorf("%s: %v does not name %s", c.Name, err, code)
				}
			}
		}
		if differs {
			continue
		}
		for _, change := range c.Changes {
			d.compare(c.Name, change.Path, change.Value)
		}
	}
	d.others()
}

// desk is a party with its documents.
type desk struct {
	t    *testing.T
	file string
	spec *Specification
	ss   *SecretStores
	ds   *Datastores
}

func newDesk(t *testing.T, g Generation) *desk {
	d := &desk{t: t, file: filepath.Join(t.TempDir(), "doc.yaml"), spec: NewSpecification(), ss: &SecretStores{Generation: g, Entries: []SecretStore{}}, ds: &Datastores{Generation: g}}
	if g == G1 {
		d.spec = NewSpecificationG1()
	}
	must(t, d.spec.AddIdentity(withAzure, "c", "t", ""), d.spec.WriteFile(d.file))
	return d
}

// flags reads --name value..., the words before apart.
func flags(args []string) (verb string, m map[string][]string) {
	m = map[string][]string{}
	var words []string
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			words = append(words, args[i])
			continue
		}
		name := strings.TrimLeft(args[i], "-")
		m[name] = nil
		for i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			m[name] = append(m[name], args[i])
		}
	}
	return strings.Join(words, " "), m
}

func (d *desk) run(c *commandCase) error {
	verb, m := flags(c.Args)
	one := func(name string) string { return strings.Join(m[name], " ") }
	switch verb {
	case "config init":
		return d.spec.CreateFile(d.file)
	case "secretstore add":
		return d.ss.Add(SecretStoreOptions{
			Name: one("name"), Type: SecretStoreType(one("backingstore-type")), Location: c.Resource.URL + one("backingstore-path"),
			Premium: c.Resource.Premium, AttestationURL: one("attestation-endpoint"),
		})
	case "datastore add":
		if c.Resource.URL == "" && strings.HasPrefix(one("backingstore-id"), "https") {
			c.Resource.URL = one("backingstore-id")
		}
		return d.ds.Add(DatastoreOptions{
			Name: one("name"), SecretStore: one("secretstore"), SecretStoreFile: one("secretstore-config"), Mode: EncryptionMode(one("encryption-mode")),
			Type: ResourceType(one("backingstore-type")), URL: c.Resource.URL, Container: one("container-name"), CGSSecretID: one("aws-config-cgs-secret-id"),
		}, d.ss)
	case "config add-datasink", "config add-datasource":
		return d.accessPoint(verb, one)
	case "config add-identity az-secret":
		return d.spec.AddSecretIdentity(SecretIdentityOptions{
			Name: one("n"), ClientID: one("client-id"), TenantID: one("tenant-id"), SecretName: one("secret-name"), VaultURL: one("secret-store-url"), Access: one("backing-identity"),
		})
	case "config add-identity oidc-attested":
		return d.spec.AddAttestedIdentity(one("n"), one("client-id"), one("tenant-id"), one("issuer-url"))
	case "config add-application":
		return d.application(m)
	case "config add-application-endpoint":
		port, err := strconv.Atoi(one("port"))
		must(d.t, err)
		return d.spec.AddApplicationEndpoint(one("application-name"), port, one("policy-bundle-url"))
	case "config network tcp enable":
		return d.tcp(m["allowed-ips"])
	case "config network tcp disable":
		return d.spec.DenyTCP()
	case "config network http enable":
		return d.spec.AllowHTTP(Direction(one("direction")), one("policy"))
	case "config network dns enable":
		port, err := strconv.Atoi(one("port"))
		must(d.t, err)
		return d.spec.AllowDNS(port)
	}
	d.t.Fatalf("%s: unknown verb %q", c.Name, verb)
	return nil
}

func (d *desk) accessPoint(verb string, one func(string) string) error {
	if one("datastore-name") == "dsse" { // what the recording had added between the cases
		must(d.t, d.ds.Add(DatastoreOptions{Name: "dsse", Mode: ModeSSE, URL: "https://pubsa0001.blob.core.windows.net/", SecretStore: "loc"}, d.ss))
	}
	o := StoredOptions{
		Name: one("name"), Datastore: one("datastore-name"), Identity: strings.Replace(one("identity"), GovernanceIdentity, withAzure, 1),
		DEKStore: one("dek-secret-store"), KEKStore: one("kek-secret-store"), KEKName: one("kek-name"),
	}
	if o.KEKName == "" {
		o.KEKName = KEKName(one("cleanroom-config"))
	}
	if verb == "config add-datasink" {
		return d.spec.AddStoredDatasink(d.ds, d.ss, o)
	}
	return d.spec.AddStoredDatasource(d.ds, d.ss, o)
}

func (d *desk) application(m map[string][]string) error {
	command, err := SplitCommand(strings.Join(m["command-line"], " "))
	if err != nil {
		return err
	}
	o := ApplicationOptions{Name: m["name"][0], Image: m["image"][0], Command: command, StartType: StartManual, CPU: 0.5, MemoryInGB: 4}
	if d.spec.Generation == G1 {
		o.StartType = StartAuto
	}
	err = d.spec.AddApplication(o)
	if err != nil && !strings.Contains(err.Error(), "not pinned") {
		d.t.Errorf("%s: refused for another reason: %v", o.Name, err)
	}
	if o.Name == "a1" { // later cases build on it
		o.Image = testImage
		must(d.t, d.spec.AddApplication(o))
	}
	return err
}

func (d *desk) tcp(list []string) error {
	if len(list) == 0 {
		return errors.New("cleanroom: the verb takes one address and port; a caller without any does not call it")
	}
	for _, a := range list {
		if strings.Count(a, ":") > 1 {
			i := strings.LastIndex(a, ":")
			a = "[" + a[:i] + "]" + a[i:]
		}
		host, text, err := net.SplitHostPort(a)
		must(d.t, err)
		port, err := strconv.Atoi(text)
		must(d.t, err)
		if err := d.spec.AllowTCP(host, port); err != nil {
			return err
		}
	}
	return nil
}

// compare wants the recorded value at the recorded place; an element of a list
// is looked for by its name, since cases that are refused here move the others.
func (d *desk) compare(name string, path []any, want any) {
	d.t.Helper()
	var document any
	var b []byte
	var err error
	switch path[0] {
	case "doc.yaml":
		b, err = d.spec.Encode()
	case "ss.yaml":
		b, err = d.ss.Encode()
	case "ds.yaml":
		b, err = d.ds.Encode()
	}
	must(d.t, err, yaml.Unmarshal(b, &document))
	for _, step := range path[1:] {
		switch k := step.(type) {
		case string:
			document = document.(map[string]any)[k]
		case float64:
			list := document.([]any)
			document = nil
			for i, e := range list {
				m, isMap := e.(map[string]any)
				w, wanted := want.(map[string]any)
				if isMap && wanted && m["name"] != nil && m["name"] == w["name"] || (!isMap || m["name"] == nil) && i == int(k) || isMap && !wanted && i == int(k) {
					document = e
				}
			}
		}
	}
	document, want = withoutIdentities(withoutNulls(document)), withoutIdentities(withoutNulls(want))
	got, err := json.Marshal(document)
	must(d.t, err)
	wanted, err := json.Marshal(want)
	must(d.t, err)
	if !reflect.DeepEqual(document, want) && string(got) != string(wanted) {
		d.t.Errorf("%s: %v:\ngot  %s\nwant %s", name, path, got, wanted)
	}
}

// withoutIdentities takes the copies of the identity out of an access point.
func withoutIdentities(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v["store"] != nil {
			delete(v, "identity")
		}
		delete(v, "encryptionSecretAccessIdentity")
		for _, e := range v {
			withoutIdentities(e)
		}
	case []any:
		for _, e := range v {
			withoutIdentities(e)
		}
	}
	return v
}

// others are what the cases with a difference must have done.
func (d *desk) others() {
	t := d.t
	if _, err := ReadSpecification(d.file); d.spec.Generation == G2 && err != nil {
		t.Errorf("the file that was there: %v", err)
	}
	for _, a := range append(d.spec.Datasinks, d.spec.Datasources...) {
		if a.Store.Type != AmazonS3Resource && (a.Identity == nil || a.Identity.Name != withAzure || a.Protection.EncryptionSecretAccessIdentity == nil) {
			t.Errorf("access point %s has another identity: %+v", a.Name, a.Identity)
		}
	}
	if d.spec.Generation == G1 {
		return
	}
	if d.spec.Network.TCP != nil || d.spec.Network.DNS == nil {
		t.Errorf("%+v", d.spec.Network)
	}
	must(t, d.tcp([]string{"203.0.113.10:5432", "203.0.113.10:5433", "203.0.113.10:5433"}))
	if got := fmt.Sprint(d.spec.Network.TCP.Outbound.AllowedIPs); got != "[{203.0.113.10 5432} {203.0.113.10 5433}]" {
		t.Error(got)
	}
}

func TestSplitCommand(t *testing.T) {
	for line, want := range map[string][]string{
		"":       {},
		"  a  b": {"a", "b"},
		`bash -c 'echo $CODE | base64 -d | tar xz; cd application'`: {"bash", "-c", "echo $CODE | base64 -d | tar xz; cd application"},
		`a "b \" \\ \$ \x" ''`: {"a", `b " \ $ \x`, ""},
		`a\ b 'c'"d"e # f`:     {"a b", "cde", "#", "f"},
	} {
		if got, err := SplitCommand(line); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{"'", `"`, `a "b\`, `\`, "bash -c 'x"} {
		if got, err := SplitCommand(line); err == nil {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// CreateFile makes a new file only.
func TestCreateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	must(t, NewSpecification().CreateFile(file))
	if err := NewSpecificationG1().CreateFile(file); !errors.Is(err, os.ErrExist) {
		t.Error(err)
	}
	_, err := ReadSpecification(file)
	must(t, err)
}
