package skrtest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/skr"
	"github.com/cleanroom-go/sdk/skr/skrtest"
)

const attestation = "https://" + cleanroomtest.AttestationHost

// local is an environment with one key for a guest and one for another.
type local struct {
	*testing.T
	env      *cleanroomtest.Env
	party    *cleanroomtest.Party
	conn     *cleanroomtest.Conn
	guest    *cleanroomtest.Guest
	sidecars *cleanroomtest.Sidecars
}

func (l *local) must(errs ...error) {
	l.Helper()
	if err := errors.Join(errs...); err != nil {
		l.Fatal(err)
	}
}

func start(t *testing.T) *local {
	t.Helper()
	l := &local{T: t}
	var err error
	l.env, err = cleanroomtest.Start(t.Context(), nil)
	l.must(err)
	t.Cleanup(func() { l.must(l.env.Close()) })
	l.party, err = l.env.Party(cleanroomtest.Publisher)
	l.must(err)
	l.conn, err = l.env.Connect(cleanroomtest.Publisher, nil)
	l.must(err)
	t.Cleanup(l.conn.Close)
	l.guest = l.env.Launch([]byte("policy"))
	l.sidecars, err = l.guest.Sidecars("", nil)
	l.must(err)
	t.Cleanup(func() { l.must(l.sidecars.Close()) })
	l.importKey("kek", l.guest.HostData())
	l.importKey("others", sha256.Sum256([]byte("another policy")))
	return l
}

func (l *local) key(name string) skr.KeyRef {
	return skr.KeyRef{Name: name, VaultURL: l.party.VaultURL, AttestationURL: attestation}
}

func (l *local) importKey(name string, hostData [32]byte) {
	l.Helper()
	policy, err := skr.NewReleasePolicy(attestation, hex.EncodeToString(hostData[:]))
	l.must(err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	l.must(err)
	client, err := azkeys.NewClient(l.party.VaultURL, l.conn.Credential(), &azkeys.ClientOptions{ClientOptions: l.conn.ClientOptions()})
	l.must(err)
	_, err = client.ImportKey(l.Context(), name, azkeys.ImportKeyParameters{
		HSM: new(true),
		Key: &azkeys.JSONWebKey{
			Kty: new(azkeys.KeyTypeRSA), KeyOps: []*azkeys.KeyOperation{new(azkeys.KeyOperationEncrypt), new(azkeys.KeyOperationWrapKey)},
			N: key.N.Bytes(), E: big.NewInt(int64(key.E)).Bytes(), D: key.D.Bytes(), P: key.Primes[0].Bytes(), Q: key.Primes[1].Bytes(),
			DP: key.Precomputed.Dp.Bytes(), DQ: key.Precomputed.Dq.Bytes(), QI: key.Precomputed.Qinv.Bytes(),
		},
		KeyAttributes: &azkeys.KeyAttributes{Enabled: new(true), Exportable: new(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: policy.Encode()},
	}, nil)
	l.must(err)
}

// TestLocal runs the suite against the direct way and against the sidecar.
func TestLocal(t *testing.T) {
	l := start(t)
	sidecar, err := skr.NewSidecarClient(l.sidecars.URL(cleanroomtest.SKRSidecar), &skr.SidecarClientOptions{ClientOptions: l.conn.ClientOptions()})
	l.must(err)
	t.Cleanup(sidecar.Close)
	for name, a := range map[string]skr.Attester{"guest": l.guest, "sidecar": sidecar} {
		t.Run("attester/"+name, func(t *testing.T) {
			skrtest.Attester(t, skrtest.AttesterEnvironment{Attester: a, HostData: l.guest.HostData()})
		})
	}
	for name, make := range map[string]func() (*skr.Releaser, error){
		"direct": func() (*skr.Releaser, error) {
			return skr.NewReleaser(l.guest, &skr.ReleaserOptions{ClientOptions: l.conn.ClientOptions(), Roots: l.conn.Roots()})
		},
		"sidecar": func() (*skr.Releaser, error) {
			return skr.NewSidecarReleaser(sidecar, &skr.ReleaserOptions{ClientOptions: l.conn.ClientOptions()})
		},
		"nothing kept": func() (*skr.Releaser, error) {
			return skr.NewReleaser(l.guest, &skr.ReleaserOptions{ClientOptions: l.conn.ClientOptions(), Roots: l.conn.Roots(), TTL: -1})
		},
	} {
		t.Run("releaser/"+name, func(t *testing.T) {
			skrtest.Releaser(t, skrtest.ReleaserEnvironment{New: make, Credential: l.conn.Credential(), Key: l.key("kek"), Denied: l.key("others")})
		})
	}
}

// TestLive runs the suite against what the environment names. Where it names
// nothing, it starts services and runs itself again in a process that has the
// variables and nothing else to go by: it reaches the services' genuine names
// through a proxy, and trusts their authority by a file.
func TestLive(t *testing.T) {
	if skrtest.Live(t) {
		return
	}
	if runtime.GOOS != "linux" {
		t.Log("only Linux takes trusted roots from a file in the environment")
		return
	}
	l := start(t)
	vars := l.variables()
	out, passed := l.run(vars)
	// attester 1+5, releaser and sidecar 2x(1+6)
	if n := strings.Count(out, "--- PASS: TestLive/"); !passed || n != 20 {
		t.Fatalf("%d steps passed: %s", n, out)
	}
	vars[skrtest.HostDataVariable] = strings.Repeat("ab", 32)
	if out, passed := l.run(vars); passed || !strings.Contains(out, "--- FAIL: TestLive/attester/host_data") || strings.Count(out, "--- FAIL: TestLive/") != 2 {
		t.Errorf("another guest: %s", out)
	}
	vars[skrtest.KeyVariable], vars[skrtest.HostDataVariable] = l.party.VaultURL+"/keys/others", ""
	if out, passed := l.run(vars); passed || !strings.Contains(out, "--- FAIL: TestLive/releaser/good") || !strings.Contains(out, "--- FAIL: TestLive/sidecar/good") {
		t.Errorf("a key that this guest does not get: %s", out)
	}
	for variable, value := range map[string]string{skrtest.KeyVariable: "https://v/secrets/x", skrtest.DeniedKeyVariable: "x", skrtest.HostDataVariable: "ab", skrtest.SidecarVariable: "http://localhost:8284", skrtest.AttestationVariable: "http://x"} {
		vars := l.variables()
		vars[variable] = value
		if out, passed := l.run(vars); passed || strings.Contains(out, "--- PASS: TestLive/") {
			t.Errorf("%s=%s: %s", variable, value, out)
		}
	}
}

// variables are those of a process in the guest, and of its way out.
func (l *local) variables() map[string]string {
	l.Helper()
	dir := l.TempDir()
	l.must(l.env.WriteJoinFile(filepath.Join(dir, "join"), cleanroomtest.Publisher))
	text, err := os.ReadFile(filepath.Join(dir, "join"))
	l.must(err)
	var join struct {
		CA      string `json:"ca"`
		Account struct {
			TenantID, ClientID, Secret string
		} `json:"account"`
	}
	l.must(json.Unmarshal(text, &join))
	if block, _ := pem.Decode([]byte(join.CA)); block == nil {
		l.Fatal("no authority")
	}
	roots := filepath.Join(dir, "ca.pem")
	l.must(os.WriteFile(roots, []byte(join.CA), 0o600))
	hostData := l.guest.HostData()
	return map[string]string{
		skrtest.KeyVariable: l.party.VaultURL + "/keys/kek", skrtest.DeniedKeyVariable: l.party.VaultURL + "/keys/others", skrtest.AttestationVariable: attestation,
		skrtest.HostDataVariable: hex.EncodeToString(hostData[:]), skrtest.SidecarVariable: l.sidecars.URL(cleanroomtest.SKRSidecar),
		"AZURE_TENANT_ID": join.Account.TenantID, "AZURE_CLIENT_ID": join.Account.ClientID, "AZURE_CLIENT_SECRET": join.Account.Secret,
		"HTTPS_PROXY": l.proxy(), "SSL_CERT_FILE": roots, "SSL_CERT_DIR": dir,
	}
}

// proxy leads to the environment, and nowhere else.
func (l *local) proxy() string {
	var all sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		there, err := l.conn.DialContext(r.Context(), "tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = there.Close()
			return
		}
		for _, pair := range [][2]net.Conn{{here, there}, {there, here}} {
			all.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = pair[0].Close()
			})
		}
	}))
	l.Cleanup(func() {
		server.Close()
		all.Wait()
	})
	return server.URL
}

// run runs TestLive with the variables alone.
func (l *local) run(vars map[string]string) (output string, passed bool) {
	l.Helper()
	self, err := os.Executable()
	l.must(err)
	cmd := exec.CommandContext(l.Context(), self, "-test.run=^TestLive$", "-test.v")
	cmd.Env = []string{"HOME=" + l.TempDir(), "PATH=" + os.Getenv("PATH")}
	for name, value := range vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.Fatal(err)
	}
	return string(out), err == nil
}

// careless deviates in one thing.
type careless struct {
	*cleanroomtest.Guest
	change func(ctx context.Context, data []byte) (context.Context, []byte, func(*skr.Evidence))
}

func (c careless) Attest(ctx context.Context, data []byte) (*skr.Evidence, error) {
	ctx, data, edit := c.change(ctx, data)
	ev, err := c.Guest.Attest(ctx, data)
	if err == nil && edit != nil {
		edit(ev)
	}
	return ev, err
}

// TestBroken runs this test in a process whose attester is broken in the way
// that a variable names: the suite must fail at the step that relies on it.
func TestBroken(t *testing.T) {
	same := func(ctx context.Context, data []byte) (context.Context, []byte, func(*skr.Evidence)) {
		return ctx, data, nil
	}
	broken := map[string]struct {
		step   string
		change func(context.Context, []byte) (context.Context, []byte, func(*skr.Evidence))
	}{
		"other bytes": {"good", func(ctx context.Context, _ []byte) (context.Context, []byte, func(*skr.Evidence)) {
			return ctx, []byte("x"), nil
		}},
		"deaf": {"cancelled", func(ctx context.Context, data []byte) (context.Context, []byte, func(*skr.Evidence)) {
			return context.WithoutCancel(ctx), data, nil
		}},
		"no chain": {"good", func(ctx context.Context, data []byte) (context.Context, []byte, func(*skr.Evidence)) {
			return ctx, data, func(ev *skr.Evidence) { ev.Certificates = nil }
		}},
		"trimmed": {"exact_bytes", func(ctx context.Context, data []byte) (context.Context, []byte, func(*skr.Evidence)) {
			return ctx, []byte(strings.TrimSpace(string(data))), nil
		}},
		"another guest": {"host_data", func(ctx context.Context, data []byte) (context.Context, []byte, func(*skr.Evidence)) {
			return ctx, data, func(ev *skr.Evidence) { ev.Report[192]++ }
		}},
		"in order": {"", same},
	}
	const variable = "SKRTEST_BROKEN"
	l := &local{T: t}
	if name := os.Getenv(variable); name != "" {
		env, err := cleanroomtest.Start(t.Context(), nil)
		l.must(err)
		defer func() { l.must(env.Close()) }()
		guest := env.Launch([]byte("policy"))
		skrtest.Attester(t, skrtest.AttesterEnvironment{Attester: careless{guest, broken[name].change}, HostData: guest.HostData()})
		return
	}
	for name, b := range broken {
		self, err := os.Executable()
		l.must(err)
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestBroken$", "-test.v")
		cmd.Env = append(os.Environ(), variable+"="+name)
		out, err := cmd.CombinedOutput()
		failed := strings.Contains(string(out), "--- FAIL: TestBroken/"+b.step)
		if (err != nil) != (b.step != "") || b.step != "" && !failed {
			t.Errorf("%s: the suite says %s", name, out)
		}
	}
	if len(broken) != 6 {
		t.Errorf("%d ways to be broken", len(broken))
	}
}
