package cleanroom_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/datasink"
)

// The recorded uploads, downloads, encryptions and decryptions, each done here
// against a storage service that enforces customer-provided keys.

type copyVectors struct {
	DEKsBase64   map[string]map[string]string
	Files, Blobs map[string]int
	Cases        []copyCase
}

type copyCase struct {
	Name   string
	Args   []string
	Exit   int
	Error  string
	Copies []struct {
		Arguments   []string
		Environment map[string]*string
	}
	Tree  []string
	Sizes map[string]int64
}

// otherwiseCopies are the cases in which this package does otherwise on
// purpose. A generation says whose case is meant.
var otherwiseCopies = map[string]struct {
	refused bool
	why     string
}{
	"g1 encrypt a CPK datastore":            {true, "the commands encrypt whatever the mode, and the room would read ciphertext"},
	"g1 upload, CSE":                        {false, "the commands upload what a step before has encrypted; here the upload encrypts, to the same number of bytes"},
	"g2 upload, CSE":                        {false, "as in g1"},
	"g1 decrypt":                            {false, "the commands look below the directory for DATASTORE/CONTAINER, find nothing and succeed; here the directory that is named is decrypted"},
	"g2 download, CPK":                      {false, "the commands list the first level only and leave empty blobs out; here all blobs come"},
	"g2 logs download":                      {false, "as download, CPK"},
	"g2 telemetry download":                 {false, "as download, CPK"},
	"g2 upload refused, role not yet there": {true, "the commands try six times in a minute; here the first refusal names the role, and the same call goes on where it ended"},
}

func TestCopiesG1(t *testing.T) { runCopies(t, cleanroom.G1, 16) }
func TestCopiesG2(t *testing.T) { runCopies(t, cleanroom.G2, 16) }

func runCopies(t *testing.T, g cleanroom.Generation, count int) {
	c := newCopier(t, g)
	outcomes := map[bool]int{}
	used := 0
	for i := range c.vectors.Cases {
		v := &c.vectors.Cases[i]
		t.Run(v.Name, func(t *testing.T) {
			c.T = t
			c.before(v)
			err := c.run(v)
			other, differs := otherwiseCopies[c.dir+" "+v.Name]
			want := v.Exit != 0
			if differs {
				want = other.refused
				used++
			}
			if (err != nil) != want {
				t.Fatalf("refused there: %t, wanted here: %t, got %v", v.Exit != 0, want, err)
			}
			outcomes[err == nil]++
			if err != nil {
				c.refusal(v, err)
				return
			}
			c.compare(v)
		})
	}
	refused := map[cleanroom.Generation]int{cleanroom.G1: 5, cleanroom.G2: 5}[g]
	if len(c.vectors.Cases) != count || outcomes[true] != count-refused || outcomes[false] != refused {
		t.Errorf("%d cases, done and refused %v, want %d, %d of them refused", len(c.vectors.Cases), outcomes, count, refused)
	}
	if want := map[cleanroom.Generation]int{cleanroom.G1: 3, cleanroom.G2: 5}[g]; used != want {
		t.Errorf("%d cases with a difference, want %d", used, want)
	}
}

// copier is a desk with the documents of the scenario, and the wire.
type copier struct {
	*testing.T
	dir     string // of the recording
	desk    string
	vectors copyVectors
	parties map[string]*copyParty
	specs   map[string]*cleanroom.Specification
	got     []string         // files of the last download
	blobs   map[string]bool  // of the last upload
	stored  map[string]int64 // bytes of what was encrypted
}

type copyParty struct {
	party   *cleanroomtest.Party
	conn    *cleanroomtest.Conn
	wire    *copyWire
	data    *cleanroom.Datastores
	secrets *cleanroom.SecretStores
}

// copyWire leads the recorded account to the emulated one, and keeps what was
// asked of it.
type copyWire struct {
	mu       sync.Mutex
	from, to string // hosts
	requests []*http.Request
}

func (w *copyWire) wrap(base http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.URL.Host != w.from {
			return base.RoundTrip(req)
		}
		w.mu.Lock()
		w.requests = append(w.requests, req.Clone(context.Background())) // the client takes keys out of its own
		w.mu.Unlock()
		sent := req.Clone(req.Context())
		sent.URL.Host, sent.Host = w.to, w.to
		return base.RoundTrip(sent)
	})
}

func (w *copyWire) take() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	requests := w.requests
	w.requests = nil
	return requests
}

func newCopier(t *testing.T, g cleanroom.Generation) *copier {
	c := &copier{T: t, dir: strings.ToLower(g.String()), desk: t.TempDir(), parties: map[string]*copyParty{}, specs: map[string]*cleanroom.Specification{}}
	b, err := os.ReadFile(filepath.Join("testdata", c.dir, "copies.json"))
	c.must(err, json.Unmarshal(b, &c.vectors))
	env, err := cleanroomtest.Start(t.Context(), nil)
	c.must(err)
	t.Cleanup(func() { c.must(env.Close()) })
	for name, account := range map[string]string{cleanroomtest.Publisher: "pubsa0001", cleanroomtest.Consumer: "consa0001"} {
		c.parties[name] = c.newParty(env, g, name, account+".blob.core.windows.net")
		read, file := cleanroom.ReadSpecification, filepath.Join("testdata", name+"-config.yaml")
		if g == cleanroom.G1 {
			read, file = cleanroom.ReadSpecificationG1, filepath.Join("testdata", "g1", name+"-config.yaml")
		}
		c.specs[name], err = read(file)
		c.must(err)
	}
	for file, size := range c.vectors.Files {
		c.write(filepath.Join("copy", "in", file), size)
	}
	return c
}

func (c *copier) newParty(env *cleanroomtest.Env, g cleanroom.Generation, name, host string) *copyParty {
	party, err := env.Party(name)
	c.must(err)
	to, err := url.Parse(party.StorageURL)
	c.must(err)
	p := &copyParty{party: party, wire: &copyWire{from: host, to: to.Host}}
	p.conn, err = env.Connect(name, &cleanroomtest.ConnOptions{Wrap: p.wire.wrap})
	c.must(err)
	c.Cleanup(p.conn.Close)
	read := cleanroom.ReadDatastores
	if g == cleanroom.G1 {
		read = cleanroom.ReadDatastoresG1
	}
	p.data, err = read(filepath.Join("testdata", c.dir, name+"-datastores.yaml"))
	c.must(err)
	p.secrets, err = cleanroom.ReadSecretStores(filepath.Join("testdata", c.dir, name+"-secretstores.yaml"))
	c.must(err)
	local, err := p.secrets.Store(name + "-local-store")
	c.must(err)
	local.URL = filepath.Join(c.desk, local.URL)
	c.must(os.MkdirAll(local.URL, 0o700))
	for store, text := range c.vectors.DEKsBase64[name] {
		key, err := base64.StdEncoding.DecodeString(text)
		c.must(err, os.WriteFile(filepath.Join(local.URL, store+".bin"), key, 0o600))
		c.must(c.open(p, store, p.conn.Credential(), func(s *datasink.Sink) error { _, err := s.CreateContainer(c.Context()); return err }))
	}
	return p
}

func (c *copier) must(errs ...error) {
	c.Helper()
	if err := errors.Join(errs...); err != nil {
		c.Fatal(err)
	}
}

func (c *copier) write(file string, size int) {
	file = filepath.Join(c.desk, file)
	c.must(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, content(file, size), 0o600))
}

// content differs by the file's last name.
func content(file string, size int) []byte {
	return []byte(strings.Repeat(path.Base(filepath.ToSlash(file)), size)[:size])
}

func (c *copier) open(p *copyParty, store string, cred azcore.TokenCredential, use func(*datasink.Sink) error) error {
	sink, err := p.data.OpenSink(store, p.secrets, cred, &datasink.Options{ClientOptions: p.conn.ClientOptions()})
	if err != nil {
		return err
	}
	return errors.Join(use(sink), sink.Close())
}

// before fills what a case reads: the container of a download, and nothing in
// that of an upload.
func (c *copier) before(v *copyCase) {
	for name, p := range c.parties {
		for store := range c.vectors.DEKsBase64[name] {
			c.must(c.open(p, store, p.conn.Credential(), func(s *datasink.Sink) error {
				for item, err := range s.List(c.Context()) {
					c.must(err, s.Remove(c.Context(), item.Name))
				}
				if !slices.Contains(v.Args, "download") {
					return nil
				}
				for blob, size := range c.vectors.Blobs {
					c.must(s.WriteFile(c.Context(), blob, func(w io.Writer) error { _, err := w.Write(content(blob, size)); return err }))
				}
				return nil
			}))
		}
		p.wire.take()
	}
	c.got, c.blobs = nil, map[string]bool{}
}

// run does what the command does.
func (c *copier) run(v *copyCase) error {
	flag := map[string]string{}
	var words []string
	for i := 0; i < len(v.Args); i++ {
		if name, ok := strings.CutPrefix(v.Args[i], "--"); ok {
			i++
			flag[name] = v.Args[i]
			continue
		}
		words = append(words, v.Args[i])
	}
	p := c.parties[cleanroomtest.Consumer]
	in := func(flagName string) string { return filepath.Join(c.desk, filepath.FromSlash(flag[flagName])) }
	switch verb := strings.Join(words, " "); verb {
	case "datastore upload":
		if v.Name == "upload, CSE" { // its own step encrypted copy/in to what the recording uploads
			return c.upload(v, p, flag["name"], filepath.Join(c.desk, "copy", "in"))
		}
		return c.upload(v, p, flag["name"], in("src"))
	case "datastore download":
		return c.download(p, flag["name"], flag["subdirectory"], in("dst"))
	case "logs download", "telemetry download":
		name := cleanroomtest.Consumer
		if strings.Contains(flag["cleanroom-config"], "publisher") {
			name = cleanroomtest.Publisher
		}
		sink := map[string]string{"logs download": cleanroom.ApplicationTelemetry, "telemetry download": cleanroom.InfrastructureTelemetry}[verb]
		access, err := c.specs[name].Sink(sink)
		if err != nil {
			return err
		}
		return c.download(c.parties[name], access.Datastore(), "", in("target-folder"))
	case "datastore add":
		return c.add(p, flag)
	case "datastore encrypt":
		return c.encrypt(p, flag["name"], in("source-path"), in("destination-path"))
	case "datastore decrypt":
		return c.decrypt(p, flag["name"], in("source-path"), in("destination-path"))
	default:
		c.Fatalf("unknown verb %q", verb)
		return nil
	}
}

// counted is an account that is not the command line's own.
type counted struct {
	azcore.TokenCredential
	asked int
}

func (c *counted) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.asked++
	return c.TokenCredential.GetToken(ctx, opts)
}

func (c *copier) upload(v *copyCase, p *copyParty, store, dir string) error {
	cred := &counted{TokenCredential: p.conn.Credential()}
	switch v.Name {
	case "upload refused, role not yet there":
		cred.TokenCredential = c.parties[cleanroomtest.Publisher].conn.Credential()
	case "upload refused, other code":
		e, err := p.data.Store(store)
		c.must(err)
		e.Container = "gone"
		defer func() { e.Container = "consumer-output" }()
	}
	return c.open(p, store, cred, func(s *datasink.Sink) error {
		result, err := s.Upload(c.Context(), dir, nil)
		if err != nil {
			return err
		}
		if cred.asked == 0 {
			c.Error("the account was not asked")
		}
		for _, f := range result.Files {
			c.blobs[f.Name] = true
			r, err := s.Open(c.Context(), f.Name)
			c.must(err)
			b, err := io.ReadAll(r)
			c.must(err, r.Close())
			want := content(f.Name, c.vectors.Files[f.Name])
			if string(b) != string(want) {
				c.Errorf("%s was uploaded as %q", f.Name, b)
			}
			if item, err := s.Stat(c.Context(), f.Name); err != nil || v.Name == "upload, CSE" && item.Stored != c.stored[f.Name] {
				c.Errorf("%s was stored as %+v, %v", f.Name, item, err)
			}
		}
		return nil
	})
}

func (c *copier) download(p *copyParty, store, subdirectory, dir string) error {
	return c.open(p, store, p.conn.Credential(), func(s *datasink.Sink) error {
		e, err := p.data.Store(store)
		c.must(err)
		opts := &datasink.DownloadOptions{Layout: datasink.LayoutG2(store, subdirectory)}
		if p.data.Generation == cleanroom.G1 {
			opts.Layout = datasink.LayoutG1(store, e.Container)
		}
		if subdirectory != "" {
			opts.Prefix = subdirectory + "/"
		}
		_, err = s.Download(c.Context(), dir, opts)
		c.files(dir)
		return err
	})
}

// files lists a tree, directories with a slash.
func (c *copier) files(dir string) {
	c.must(fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && name != "." {
			if e.IsDir() {
				name += "/"
			}
			c.got = append(c.got, name)
		}
		return err
	}))
}

func (c *copier) add(p *copyParty, flag map[string]string) error {
	if err := p.data.Add(cleanroom.DatastoreOptions{
		Name: flag["name"], SecretStore: flag["secretstore"], SecretStoreFile: flag["secretstore-config"], Mode: cleanroom.EncryptionMode(flag["encryption-mode"]),
		Type: cleanroom.ResourceType(flag["backingstore-type"]), URL: "https://consa0001.blob.core.windows.net/", Container: flag["container-name"],
	}, p.secrets); err != nil {
		return err
	}
	// Without its key the store does not open, and no key is made.
	if err := c.open(p, flag["name"], p.conn.Credential(), func(*datasink.Sink) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		c.Errorf("opened without a key: %v", err)
	}
	local, err := p.secrets.Store(flag["secretstore"])
	c.must(err)
	keys, err := cleanroom.OpenDEKStore(local.URL)
	c.must(err)
	dek, err := keys.Create(flag["name"])
	c.must(err)
	dek.Close()
	return c.open(p, flag["name"], p.conn.Credential(), func(s *datasink.Sink) error {
		created, err := s.CreateContainer(c.Context())
		if !created {
			c.Error("the container was there")
		}
		return err
	})
}

func (c *copier) encrypt(p *copyParty, store, from, to string) error {
	s, err := p.data.OpenDirectory(store, p.secrets, to, nil)
	if err != nil {
		return err
	}
	_, err = s.CreateContainer(c.Context())
	c.must(err)
	_, err = s.Upload(c.Context(), from, nil)
	c.files(to)
	return errors.Join(err, s.Close())
}

func (c *copier) decrypt(p *copyParty, store, from, to string) error {
	e, err := p.data.Store(store)
	c.must(err)
	if strings.HasSuffix(from, "E2") { // where a download had put them
		from = filepath.Join(from, store, e.Container)
		c.must(os.CopyFS(from, os.DirFS(filepath.Join(c.desk, "copy", "E"))))
	}
	s, err := p.data.OpenDirectory(store, p.secrets, from, nil)
	if err != nil {
		return err
	}
	_, err = s.Download(c.Context(), to, &datasink.DownloadOptions{Layout: datasink.LayoutG1(store, e.Container)})
	c.files(to)
	for file, size := range c.vectors.Files {
		plain, err := os.ReadFile(filepath.Join(to, store, e.Container, filepath.FromSlash(file)))
		c.must(err)
		if string(plain) != string(content(file, size)) {
			c.Errorf("%s was decrypted to %q", file, plain)
		}
	}
	return errors.Join(err, s.Close())
}

// refusal wants a message with place and remedy.
func (c *copier) refusal(v *copyCase, err error) {
	want := map[string]string{
		"logs download from a document without the sink": `"application-telemetry"`,
		"download, datastore unknown":                    `there is no data store "nope"; add it first`,
		"upload refused, role not yet there":             "a new role takes some minutes to be seen",
		"upload refused, other code":                     "make the container first",
		"encrypt a CPK datastore":                        `open data store "consumer-output": its mode is CPK`,
	}[v.Name]
	if want == "" || !strings.Contains(err.Error(), want) {
		c.Errorf("%v\nlacks %q", err, want)
	}
	if c.dir == "g2" && v.Name == "upload refused, role not yet there" && len(v.Copies) != 6 {
		c.Errorf("%d tries were recorded", len(v.Copies))
	}
}

// compare holds what was done to what the copy program was told.
func (c *copier) compare(v *copyCase) {
	var requests []*http.Request
	for _, p := range c.parties {
		requests = append(requests, p.wire.take()...)
	}
	if v.Sizes != nil {
		for file, size := range v.Sizes {
			info, err := os.Stat(filepath.Join(c.desk, "copy", "E", filepath.FromSlash(file)))
			c.must(err)
			if info.Size() != size {
				c.Errorf("%s has %d bytes, want %d", file, info.Size(), size)
			}
		}
	}
	if v.Name == "encrypt" {
		c.stored = v.Sizes
	}
	for _, e := range v.Tree {
		if !slices.Contains(c.got, e) && !(v.Name == "download, CSE, empty container") {
			c.Errorf("there is no %s in %q", e, c.got)
		}
	}
	for _, done := range v.Copies {
		from, to := done.Arguments[1], done.Arguments[2]
		if strings.HasSuffix(from, "/*") {
			c.compareUpload(to, requests)
		} else if v.Name != "download, CSE, empty container" {
			c.compareDownload(from, strings.TrimPrefix(to, "copy/T/"))
		}
		c.keys(done.Environment, requests)
	}
}

func (c *copier) compareUpload(container string, requests []*http.Request) {
	if want := slices.Sorted(maps.Keys(c.vectors.Files)); !slices.Equal(slices.Sorted(maps.Keys(c.blobs)), want) {
		c.Errorf("%v were uploaded, want %v", c.blobs, want)
	}
	for file := range c.vectors.Files {
		if !slices.ContainsFunc(requests, func(r *http.Request) bool {
			return r.Method == http.MethodPut && "https://"+r.URL.Host+r.URL.Path == container+"/"+file
		}) {
			c.Errorf("nothing was put to %s/%s", container, file)
		}
	}
}

// compareDownload wants the files that the copy program puts below its target:
// a container with its own name, a blob with its last.
func (c *copier) compareDownload(from, to string) {
	u, err := url.Parse(from)
	c.must(err)
	container, blob, one := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	var want []string
	if one {
		want = []string{to + "/" + path.Base(blob)}
	} else {
		for blob := range c.vectors.Blobs {
			want = append(want, to+"/"+container+"/"+blob)
		}
	}
	for _, file := range want {
		if !slices.Contains(c.got, file) {
			c.Errorf("there is no %s in %q", file, c.got)
			continue
		}
		b, err := os.ReadFile(filepath.Join(c.desk, "copy", "T", filepath.FromSlash(file)))
		c.must(err)
		name := path.Base(file)
		for blob, size := range c.vectors.Blobs {
			if path.Base(blob) == name && string(b) != string(content(name, size)) {
				c.Errorf("%s is %q", file, b)
			}
		}
	}
}

// keys wants the recorded key with every request about data, or none.
func (c *copier) keys(environment map[string]*string, requests []*http.Request) {
	with := 0
	for _, r := range requests {
		key, sum := header(r, "X-Ms-Encryption-Key"), header(r, "X-Ms-Encryption-Key-Sha256")
		if key == "" && sum == "" {
			continue
		}
		with++
		if want := environment["CPK_ENCRYPTION_KEY"]; want == nil || *want != key || *environment["CPK_ENCRYPTION_KEY_SHA256"] != sum {
			c.Errorf("%s %s carried another key", r.Method, r.URL.Path)
		}
	}
	if (environment["CPK_ENCRYPTION_KEY"] != nil) != (with > 0) {
		c.Errorf("%d of %d requests carried a key", with, len(requests))
	}
}

// header finds one whatever the case in which the client wrote it.
func header(r *http.Request, name string) string {
	for key, values := range r.Header {
		if strings.EqualFold(key, name) {
			return strings.Join(values, ",")
		}
	}
	return ""
}
