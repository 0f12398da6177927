package cleanroom_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/wirelog"
	"github.com/cleanroom-go/sdk/skr"
)

// bySidecars is a room without a device: the ports of its sidecars are in its
// environment. What the sidecars send is on the room's wire too, and calls of
// them are "METHOD <variable><path>".
func (a *agreed) bySidecars(policy []byte, opts cleanroomtest.SidecarsOptions) (*inRoom, *cleanroomtest.Sidecars) {
	a.Helper()
	in := a.launch(policy)
	opts.Conn = &cleanroomtest.ConnOptions{Wrap: in.wire.Wrap}
	wrap := opts.Wrap
	opts.Wrap = func(name string, h http.Handler) http.Handler {
		if wrap != nil {
			h = wrap(name, h)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			in.mu.Lock()
			in.paths = append(in.paths, r.Method+" "+name+r.URL.Path)
			in.mu.Unlock()
			h.ServeHTTP(w, r)
		})
	}
	s, err := a.env.Launch(policy).Sidecars(roomContract, &opts)
	a.must(err)
	a.Cleanup(func() { a.must(s.Close()) })
	in.opts.Getenv = s.Getenv(in.opts.Getenv)
	in.opts.Attester, in.opts.ReleaseRoots = nil, nil // neither is there
	// And no way to the ledger but the sidecar's.
	in.opts.DialContext, in.opts.GovernanceTransport = nil, nil
	return in, s
}

// stay is a program, which does not know which way it goes.
func stay(ctx context.Context, room *cleanroom.Room) error {
	out, err := room.Output(ctx, roomSink)
	if err != nil {
		return err
	}
	if err := out.WriteFile(ctx, "output.txt", func(w io.Writer) error {
		_, err := io.WriteString(w, "id: 1 firstName: Ann\n")
		return err
	}); err != nil {
		return err
	}
	room.Log().Info("one row", "rows", 1)
	return errors.Join(room.Report(ctx, map[string]any{"rows": 1}), room.Close())
}

// TestRoomBothWays runs one program with a device and no sidecar, and with
// sidecars and no device. It leaves the same, and costs one attestation for
// keys, one release for both data keys, two reads and one token per audience.
func TestRoomBothWays(t *testing.T) {
	for _, way := range []string{"direct", "sidecars", "older sidecars"} {
		t.Run(way, func(t *testing.T) {
			a := agree(t)
			var in *inRoom
			if way == "direct" {
				in = a.launch(a.template.Policy())
			} else {
				in, _ = a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{November2024: way == "older sidecars"})
			}
			room, err := in.enter(t.Context())
			a.must(err)
			a.must(stay(t.Context(), room))
			if got := a.read(roomSink, "output.txt"); got != "id: 1 firstName: Ann\n" {
				t.Errorf("output %q", got)
			}
			if log := a.read(cleanroom.ApplicationTelemetry, roomApp+".log"); !strings.Contains(log, `"rows":1`) {
				t.Errorf("log %q", log)
			}
			want := []string{`{"message":"starting execution of app","source":"app"}`, `{"rows":1}`, `{"message":"ended execution of app","source":"app"}`}
			if got := a.events(); !slices.Equal(got, want) {
				t.Errorf("events %q", got)
			}
			// The direct way has a challenge before its first call of a vault.
			counts := map[string]int{"/attest/SevSnpVm": 1, "/release": 2, "GET " + strings.TrimPrefix(a.party.VaultURL, "https://") + "/secrets/": 2, "/oauth2/v2.0/token": 2}
			if way != "direct" {
				counts["/release"] = 1 + 1 // asked of the sidecar, asked of the vault
				counts["GET "+strings.TrimPrefix(a.party.VaultURL, "https://")+"/secrets/"] = 3
				counts["SKR_PORT/"], counts["SKR_PORT/key/release"], counts["IDENTITY_PORT/"], counts["SECRETS_PORT/"] = 1, 1, 2, 0
				counts["GOVERNANCE_PORT/events"], counts["GOVERNANCE_PORT/consentcheck/"] = 3, 2
			} else {
				counts["GET "+strings.TrimPrefix(a.party.VaultURL, "https://")+"/secrets/"] = 3
			}
			for part, n := range counts {
				if got := in.count(part); got != n {
					t.Errorf("%d requests %s, want %d", got, part, n)
				}
			}
			if t.Failed() {
				in.mu.Lock()
				t.Log(strings.Join(in.paths, "\n"))
				in.mu.Unlock()
			}
		})
	}
}

// TestRoomFallsBack: without the SKR or the identity sidecar the secrets
// sidecar opens the keys; with a refusal it is not asked.
func TestRoomFallsBack(t *testing.T) {
	a := agree(t)
	for _, without := range []string{cleanroomtest.SKRSidecar, cleanroomtest.IdentitySidecar, ""} {
		refuses := without == ""
		in, _ := a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{Without: []string{without}, Wrap: func(name string, h http.Handler) http.Handler {
			if refuses && name == cleanroomtest.SKRSidecar {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusForbidden)
					_, _ = io.WriteString(w, `{"error":{}}`)
				})
			}
			return h
		}})
		in.opts.Retry = policy.RetryOptions{MaxRetries: -1}
		room, err := in.enter(t.Context())
		a.must(err)
		_, err = room.Output(t.Context(), roomSink)
		switch asked := in.count("SECRETS_PORT/"); {
		case refuses && (err == nil || asked != 0):
			t.Errorf("refused: %v, %d calls of the secrets sidecar", err, asked)
		case without == cleanroomtest.SKRSidecar && (err != nil || asked != 1 || !strings.Contains(in.lines.String(), "left to the secrets sidecar")):
			t.Errorf("without %s: %v, %d calls of the secrets sidecar", without, err, asked)
		case without == cleanroomtest.IdentitySidecar && (err != nil || asked != 1):
			t.Errorf("without %s: %v, %d calls of the secrets sidecar", without, err, asked)
		}
		_ = room.Close() // the log cannot be written without identity or key
	}
}

// TestRoomSidecarsRefuse: another policy, consent withheld, nothing that
// listens, and which way is which.
func TestRoomSidecarsRefuse(t *testing.T) {
	a := agree(t)
	in, _ := a.bySidecars([]byte("another policy"), cleanroomtest.SidecarsOptions{})
	_, err := in.enter(t.Context())
	hostData := a.env.Launch([]byte("another policy")).HostData()
	if c := wantCheck(t, err, "attestation.host-data"); c.Got != hex.EncodeToString(hostData[:]) {
		t.Errorf("%+v", c)
	}

	in, _ = a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{Without: []string{cleanroomtest.GovernanceSidecar}})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := in.enter(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not listen") {
		t.Errorf("no governance sidecar: %v", err)
	}

	in, s := a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{})
	in.opts.Getenv = func(string) string { return "" }
	in.opts.Sidecars = &cleanroom.RoomSidecars{
		SKR: s.URL(cleanroomtest.SKRSidecar), Identity: s.URL(cleanroomtest.IdentitySidecar), Governance: s.URL(cleanroomtest.GovernanceSidecar),
		Secrets: s.URL(cleanroomtest.SecretsSidecar), ContractID: roomContract,
	}
	room, err := in.enter(t.Context())
	a.must(err, room.Close())
	in.opts.Sidecars.Governance = "http://localhost:8300"
	if _, err := in.enter(t.Context()); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("a name: %v", err)
	}
	in.opts.Attester = a.env.Launch(a.template.Policy())
	if _, err := in.enter(t.Context()); err == nil || !strings.Contains(err.Error(), "one way") {
		t.Errorf("both ways: %v", err)
	}

	a.must(a.ledger.Contract(roomContract).DisableExecution(t.Context()))
	in, _ = a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{})
	_, err = in.enter(t.Context())
	wantCheck(t, err, "consent.execution")
	if n := in.count("SKR_PORT/") + in.count("IDENTITY_PORT/"); n != 0 {
		t.Errorf("%d requests for keys or tokens", n)
	}
}

// claimsOf reads an access token.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("no JWT")
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestIdentityBothWays: the identity sidecar's tokens say what those of the
// direct way say, in both forms, one request each.
func TestIdentityBothWays(t *testing.T) {
	a := agree(t)
	guest := a.env.Launch(a.template.Policy())
	var mu sync.Mutex
	asked := map[string]int{}
	log := wirelog.New(func(e wirelog.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		asked[e.Method+" "+e.Host]++
	})
	s, err := guest.Sidecars(roomContract, &cleanroomtest.SidecarsOptions{Conn: &cleanroomtest.ConnOptions{Wrap: log.Wrap}})
	a.must(err)
	defer func() { a.must(s.Close()) }()
	for _, managed := range []bool{false, true} {
		opts := &skr.SidecarCredentialOptions{ManagedIdentityForm: managed}
		c, err := skr.NewSidecarCredential(s.URL(cleanroomtest.IdentitySidecar), a.party.TenantID, a.party.IdentityID, opts)
		a.must(err)
		for _, audience := range []string{"https://vault.azure.net", "https://storage.azure.com"} {
			mu.Lock()
			before := asked["POST "+cleanroomtest.LoginHost]
			mu.Unlock()
			for range 3 {
				token, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
				a.must(err)
				claims := claimsOf(t, token.Token)
				if claims["aud"] != audience || claims["tid"] != a.party.TenantID || claims["appid"] != a.party.IdentityID {
					t.Errorf("claims %v", claims)
				}
				if left := time.Until(token.ExpiresOn); left < 30*time.Minute || token.RefreshOn.After(token.ExpiresOn.Add(-5*time.Minute)) {
					t.Errorf("ends in %s, renewed at %s", left, token.RefreshOn)
				}
			}
			mu.Lock()
			if n := asked["POST "+cleanroomtest.LoginHost] - before; n != 1 {
				t.Errorf("%d tokens for %s", n, audience)
			}
			mu.Unlock()
		}
		c, err = skr.NewSidecarCredential(s.URL(cleanroomtest.IdentitySidecar), a.party.TenantID, "30000000-0000-4000-8000-000000000001", opts)
		a.must(err)
		if _, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}}); err == nil || !strings.Contains(err.Error(), "InvalidClientId") {
			t.Errorf("unknown identity: %v", err)
		}
	}
}

// TestFederationBothWays: an identity that does not trust the contract is
// explained alike.
func TestFederationBothWays(t *testing.T) {
	a := agree(t, "federation")
	var denied [2]*cleanroom.DeniedError
	for i := range denied {
		in := a.launch(a.template.Policy())
		if i > 0 {
			in, _ = a.bySidecars(a.template.Policy(), cleanroomtest.SidecarsOptions{})
		}
		room, err := in.enter(t.Context())
		a.must(err)
		_, err = room.Output(t.Context(), roomSink)
		if !errors.As(err, &denied[i]) {
			t.Fatalf("%v", err)
		}
		_ = room.Close() // the log cannot be written either
	}
	x, y := denied[0], denied[1]
	if x.By != y.By || x.Op != y.Op || len(x.Checks) != 1 || len(y.Checks) != 1 || x.Checks[0].ID != y.Checks[0].ID || x.Checks[0].Want != y.Checks[0].Want || x.Checks[0].Remedy != y.Checks[0].Remedy {
		t.Errorf("direct %v\nsidecars %v", x, y)
	}
}

// TestSecretsBothWays: the secrets sidecar opens what the direct way opens, and
// is refused where that is.
func TestSecretsBothWays(t *testing.T) {
	a := agree(t)
	env, err := cleanroom.ParseSinkEnvironment(func() string {
		v, _ := a.template.Environment(roomApp).Lookup(cleanroom.SinkVariable(roomSink))
		return v
	}())
	a.must(err)
	dek, err := a.deks.Load(a.point(roomSink).Datastore())
	a.must(err)
	defer dek.Close()
	for policy, good := range map[string]bool{string(a.template.Policy()): true} {
		s, err := a.env.Launch([]byte(policy)).Sidecars(roomContract, nil)
		a.must(err)
		c, err := skr.NewSecretsSidecar(s.URL(cleanroomtest.SecretsSidecar), nil)
		a.must(err)
		plain, err := c.Unwrap(t.Context(), env.DEK)
		if good && (err != nil || string(plain) != string(dek.Clone())) {
			t.Errorf("%v", err)
		}
		missing := env.DEK
		missing.Name = "missing"
		if _, err := c.Unwrap(t.Context(), missing); err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "SecretNotFound") {
			t.Errorf("missing secret: %v", err)
		}
		missing = env.DEK
		missing.KEK.Name = "missing"
		if _, err := c.Unwrap(t.Context(), missing); err == nil || !strings.Contains(fmt.Sprint(err), "KeyNotFound") {
			t.Errorf("missing key: %v", err)
		}
		c.Close()
		a.must(s.Close())
	}
}
