package cleanroom_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// controlExit makes the test program an application: it says something, reads
// its input to the end and exits with the code in this variable.
const controlExit = "CLEANROOM_TEST_EXIT"

// TestControlledProgram is that application.
func TestControlledProgram(t *testing.T) {
	text, asked := os.LookupEnv(controlExit)
	if !asked {
		return
	}
	code, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("the application ran")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(code)
}

// program ends with a code once its input has, which nil has at once.
func program(code int, input io.Reader) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestControlledProgram$")
		cmd.Env = append(os.Environ(), controlExit+"="+strconv.Itoa(code))
		cmd.Stdin = input
		return cmd
	}
}

// controlled is a contract with an authority of its own.
type controlled struct {
	*agreed
	authority []byte
}

func newControlled(t *testing.T) *controlled {
	t.Helper()
	c := &controlled{agreed: agree(t, "logging")}
	ctx := t.Context()
	contract := c.ledger.Contract(roomContract)
	for _, want := range []string{"ProposeEnable", "GenerateSigningKey"} {
		if _, err := cleanroom.ControlAuthority(ctx, c.ledger, roomContract); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if want == "ProposeEnable" {
			c.pass(governance.EnableCA(roomContract))
		} else {
			_, err := contract.CA().GenerateSigningKey(ctx)
			c.must(err)
		}
	}
	var err error
	c.authority, err = cleanroom.ControlAuthority(ctx, c.ledger, roomContract)
	c.must(err)
	return c
}

// room starts a launcher.
func (c *controlled) room(opts cleanroomtest.LauncherOptions) (*cleanroomtest.Launcher, error) {
	if opts.Authority == nil {
		opts.Authority = c.authority
	}
	l, err := c.env.Launch(c.template.Policy()).Launcher(c.Context(), roomContract, opts)
	if err == nil {
		c.Cleanup(func() { c.must(l.Close()) })
	}
	return l, err
}

func (c *controlled) client(url string, authority []byte, change func(*cleanroom.ControlOptions)) *cleanroom.Control {
	c.Helper()
	opts := &cleanroom.ControlOptions{Poll: time.Millisecond, Patience: time.Minute}
	if change != nil {
		change(opts)
	}
	client, err := cleanroom.NewControl(url, authority, opts)
	c.must(err)
	c.Cleanup(client.Close)
	return client
}

// messages are the audit events of the launcher.
func (c *controlled) messages() (list []string) {
	c.Helper()
	for event, err := range c.ledger.Contract(roomContract).Events(c.Context(), nil) {
		c.must(err)
		var doc struct{ Source, Message string }
		c.must(json.Unmarshal(event.Data, &doc))
		if doc.Source == "code-launcher" {
			list = append(list, doc.Message)
		}
	}
	return list
}

func wantControlError(t *testing.T, err error, status int, code cleanroom.ControlCode, say string) {
	t.Helper()
	var refused *cleanroom.ControlError
	if !errors.As(err, &refused) || refused.StatusCode != status || refused.Code != code || !strings.Contains(err.Error(), say) {
		t.Errorf("got %v, want %d %s with %q", err, status, code, say)
	}
}

// TestControl takes a room through its life, consent by consent.
func TestControl(t *testing.T) {
	c := newControlled(t)
	ctx := t.Context()
	directory := t.TempDir()
	for _, name := range []string{"volumestatus", "remote/" + cleanroom.ApplicationTelemetry, "remote/" + cleanroom.InfrastructureTelemetry, "telemetry/infrastructure"} {
		c.must(os.MkdirAll(filepath.Join(directory, filepath.FromSlash(name)), 0o700))
	}
	c.must(os.WriteFile(filepath.Join(directory, "telemetry", "infrastructure", "identity.log"), []byte("hello"), 0o600))
	c.must(c.ledger.Contract(roomContract).DisableExecution(ctx))
	read, write := io.Pipe()
	defer write.Close()
	room, err := c.room(cleanroomtest.LauncherOptions{Directory: directory, Applications: []cleanroomtest.LauncherApplication{
		{Name: roomApp, Command: program(0, read), Volumes: []string{roomSink}},
		{Name: "seven", Command: program(7, nil)},
		{Name: "early", Command: program(0, nil), Auto: true}, // without consent
	}})
	c.must(err)
	var seen []cleanroom.ControlStatus
	client := c.client(room.URL, c.authority, func(o *cleanroom.ControlOptions) {
		o.Progress = func(s cleanroom.ControlStatus) {
			seen = append(seen, s)
			if s.State == cleanroom.StateRunning {
				write.Close() // the application may end now
			}
		}
	})
	if !strings.Contains(client.String(), room.URL) {
		t.Error(client)
	}

	t.Run("65 start and status", func(t *testing.T) {
		_, err := client.Status(ctx, roomApp)
		wantControlError(t, err, 404, cleanroom.ControlNotFound, "Control.Start")
		_, err = client.Status(ctx, "early")
		wantControlError(t, err, 404, cleanroom.ControlNotFound, "Application not found")
		wantControlError(t, client.Start(ctx, "seven"), 403, cleanroom.ControlNoConsent, "EnableExecution")
		c.must(c.ledger.Contract(roomContract).EnableExecution(ctx))
		wantControlError(t, client.Start(ctx, "unknown"), 404, cleanroom.ControlNotFound, "unknown")
		wantControlError(t, client.Start(ctx, roomApp), 500, cleanroom.ControlFailed, "volume consumer-output is not ready")
		c.must(os.WriteFile(filepath.Join(directory, "volumestatus", roomSink+".volume.error"), []byte(`{"error_code": 12}`), 0o600))
		wantControlError(t, client.Start(ctx, roomApp), 500, cleanroom.ControlFailed, "error_code")
		c.must(os.Remove(filepath.Join(directory, "volumestatus", roomSink+".volume.error")))
		c.must(os.WriteFile(filepath.Join(directory, "volumestatus", roomSink+".volume.ready"), []byte(`{"mount_path": "/mnt/remote/consumer-output"}`), 0o600))
		c.must(client.Start(ctx, roomApp))
		status, err := client.Status(ctx, roomApp)
		c.must(err)
		if status.State != cleanroom.StateRunning || status.String() != "app is running" {
			t.Errorf("%+v", status)
		}
	})
	t.Run("64 wait-for-cleanroom", func(t *testing.T) {
		c.must(client.WaitReady(ctx), client.Wait(ctx, roomApp))
		want := []cleanroom.ControlStatus{{Application: roomApp, State: cleanroom.StateRunning}, {Application: roomApp, State: cleanroom.StateExited}}
		if !slices.Equal(seen, want) {
			t.Errorf("%v", seen)
		}
		c.must(client.Start(ctx, "seven"))
		var exit *cleanroom.ExitError
		if err := client.Wait(ctx, "seven"); !errors.As(err, &exit) || exit.Code != 7 || exit.Application != "seven" || !strings.Contains(err.Error(), "exit code 7") {
			t.Error(err)
		}
		c.must(client.Start(ctx, "seven")) // an application can be started again
		if err := client.Wait(ctx, "seven"); !errors.As(err, &exit) {
			t.Error(err)
		}
	})
	t.Run("66 exportLogs and exportTelemetry", func(t *testing.T) {
		wantControlError(t, client.ExportLogs(ctx), 403, cleanroom.ControlNoConsent, "ProposeLogging")
		wantControlError(t, client.ExportTelemetry(ctx), 403, cleanroom.ControlNoConsent, "ProposeTelemetry")
		c.pass(governance.EnableLogging(roomContract), governance.EnableTelemetry(roomContract))
		c.must(client.ExportLogs(ctx), client.ExportTelemetry(ctx), client.ExportLogs(ctx))
		log, err := os.ReadFile(filepath.Join(directory, "remote", cleanroom.ApplicationTelemetry, roomApp+".log"))
		if err != nil || !bytes.Contains(log, []byte(" stdout F the application ran\n")) {
			t.Errorf("%s, %v", log, err)
		}
		if b, err := os.ReadFile(filepath.Join(directory, "remote", cleanroom.InfrastructureTelemetry, "identity.log")); string(b) != "hello" {
			t.Errorf("%s, %v", b, err)
		}
		c.must(os.RemoveAll(filepath.Join(directory, "remote")))
		wantControlError(t, client.ExportLogs(ctx), 500, cleanroom.ControlFailed, "ExportTelemetry")
	})
	t.Run("70 events of the launcher", func(t *testing.T) {
		got := c.messages()
		for _, want := range []string{"Creating container for app", "Starting execution of app container", "Status of app was asked for"} {
			if !slices.Contains(got, want) {
				t.Errorf("%q is not in %q", want, got)
			}
		}
		if n := strings.Count(strings.Join(got, "\n"), "Starting execution of seven"); n != 2 {
			t.Errorf("%d executions of seven", n)
		}
	})
}

// TestControlAutoStart: with consent an application may start with its room.
func TestControlAutoStart(t *testing.T) {
	c := newControlled(t)
	room, err := c.room(cleanroomtest.LauncherOptions{Directory: t.TempDir(), Applications: []cleanroomtest.LauncherApplication{{Name: roomApp, Command: program(0, nil), Auto: true}}})
	c.must(err)
	c.must(c.client(room.URL, c.authority, nil).Wait(t.Context(), roomApp))
}

// authority is one that signed itself, with a server's certificate of it that
// ends when it is told to.
func authority(t *testing.T, names []string, ends time.Time) ([]byte, *tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "Azure Clean Room CA"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true}
	if root, err = testpki.Sign(root, key.Public(), root, key); err != nil {
		t.Fatal(err)
	}
	leaf, err := testpki.Sign(&x509.Certificate{DNSNames: names, NotBefore: ends.Add(-time.Hour), NotAfter: ends}, key.Public(), root, key)
	if err != nil {
		t.Fatal(err)
	}
	return testpki.PEM(root), &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

// TestControlTrust: nobody but a room of the contract is spoken to, and waiting
// does not make one.
func TestControlTrust(t *testing.T) {
	c := newControlled(t)
	name := []string{cleanroom.ControlName}
	now := time.Now()
	other, foreign := authority(t, name, now.Add(time.Hour))
	old, expired := authority(t, name, now.Add(-time.Hour))
	tests := []struct {
		name      string
		room      cleanroomtest.LauncherOptions
		authority []byte
		server    string
		say       string
	}{
		{"72 a certificate of the contract's authority", cleanroomtest.LauncherOptions{}, c.authority, "", ""},
		{"the client trusts another authority", cleanroomtest.LauncherOptions{}, other, "", "read it again"},
		{"the room has a certificate of another authority", cleanroomtest.LauncherOptions{Certificate: foreign}, c.authority, "", "no room of the contract"},
		{"wrong name", cleanroomtest.LauncherOptions{Names: []string{"room.example.org"}}, c.authority, "", "ServerName"},
		{"the room's own name", cleanroomtest.LauncherOptions{Names: []string{"room.example.org"}}, c.authority, "room.example.org", ""},
		{"the name of another", cleanroomtest.LauncherOptions{}, c.authority, "room.example.org", "ServerName"},
		{"expired", cleanroomtest.LauncherOptions{Certificate: expired}, old, "", "compare the clocks"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			room, err := c.room(test.room)
			c.must(err)
			client := c.client(room.URL, test.authority, func(o *cleanroom.ControlOptions) { o.ServerName = test.server })
			err = client.WaitReady(t.Context())
			if (err == nil) != (test.say == "") || err != nil && !strings.Contains(err.Error(), test.say) {
				t.Errorf("%v, want %q", err, test.say)
			}
			var untrusted *tls.CertificateVerificationError
			if err != nil && !errors.As(err, &untrusted) {
				t.Errorf("%v has no cause", err)
			}
		})
	}
	if len(tests) != 7 {
		t.Errorf("%d cases", len(tests))
	}
}

// answering is a room whose answers are given.
func answering(t *testing.T, h http.HandlerFunc) (string, []byte) {
	t.Helper()
	pem, cert := authority(t, []string{"*.cleanroom.local"}, time.Now().Add(time.Hour))
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, pem
}

// TestControlAnswers: what a room says that is not as agreed.
func TestControlAnswers(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		code   cleanroom.ControlCode // "" is an error of another type
		say    string
	}{
		{"another release's policy", 403, `{"code":"RequestNotAllowed","message":"no"}`, cleanroom.ControlNotAllowed, "another release"},
		{"a body was added", 403, `{"code":"RequestBodyNotAllowed","message":"no"}`, cleanroom.ControlBodyNotAllowed, "changes requests"},
		{"a firewall", 403, `<html>`, cleanroom.ControlUnexpected, "<html>"},
		{"a code with another status", 400, `{"code":"ConsentCheckFailed"}`, cleanroom.ControlUnexpected, "400"},
		{"not found by another", 404, `not here`, cleanroom.ControlUnexpected, "not here"},
		{"the launcher starts", 503, `upstream connect error`, cleanroom.ControlUnavailable, "WaitReady"},
		{"failed", 500, `{"message":"Failed","error":{"type":"X"},"details":"Y\u001b[1m"}`, cleanroom.ControlFailed, "Failed: {\"type\":\"X\"}: Y"},
		{"a mistake in the name", 422, `{"detail":[{"loc":["path"]}]}`, cleanroom.ControlUnexpected, "loc"},
		{"redirected", 307, ``, cleanroom.ControlUnexpected, "307"},
		{"no JSON", 200, `OK`, "", "no state"},
		{"no state", 200, `{"exit_code":0}`, "", "no state"},
		{"exited without a code", 200, `{"status":"exited"}`, "", "no exit code"},
		{"a code that is no number", 200, `{"status":"exited","exit_code":"0"}`, "", "no state"},
		{"too long", 200, `{"status":"` + strings.Repeat("x", 300<<10) + `"}`, "", "longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			requests := 0
			url, pem := answering(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				w.Header().Set("Location", "/gov/app/status")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			client, err := cleanroom.NewControl(url, pem, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = client.Status(t.Context(), roomApp)
			var refused *cleanroom.ControlError
			if errors.As(err, &refused) != (test.code != "") || refused != nil && (refused.Code != test.code || refused.StatusCode != test.status) {
				t.Errorf("%v", err)
			}
			if err == nil || !strings.Contains(err.Error(), test.say) || !strings.HasPrefix(err.Error(), "cleanroom: control: status of app: ") || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 1500 {
				t.Errorf("%v, want %q", err, test.say)
			}
			if requests != 1 {
				t.Errorf("%d requests", requests)
			}
		})
	}
	if len(tests) != 14 {
		t.Errorf("%d cases", len(tests))
	}
}

// TestControlWaits: what is lost is asked for again, what is refused is not,
// and nothing is waited for without end.
func TestControlWaits(t *testing.T) {
	const gone = "" // the connection breaks
	unknown := `404 {"detail":"Application not found"}`
	running, exited := `200 {"status":"running","exit_code":0}`, `200 {"status":"exited","exit_code":0}`
	tests := []struct {
		name     string
		answers  []string // to one request after the other; the last one stays
		patience time.Duration
		requests int // 0 is not counted
		say      string
	}{
		{"a room that comes up", []string{gone, "503 starting", unknown, unknown, running, running, exited}, time.Minute, 7, ""},
		{"an application that restarts", []string{unknown, running, gone, "502 gone", unknown, `200 {"status":"created","exit_code":0}`, exited}, time.Minute, 7, ""},
		{"a probe that is an application", []string{exited, exited}, time.Minute, 2, ""},
		{"nobody ever listens", []string{gone}, time.Millisecond, 0, "wait for the room: after 1ms"},
		{"not started", []string{unknown}, time.Millisecond, 0, "Control.Start"},
		{"gone for good", []string{unknown, running, gone}, time.Millisecond, 0, "wait for app: after 1ms"},
		{"refused", []string{unknown, `403 {"code":"RequestNotAllowed","message":"no"}`}, time.Minute, 2, "RequestNotAllowed"},
		{"refused at once", []string{`403 {"code":"RequestNotAllowed","message":"no"}`}, time.Minute, 1, "wait for the room"},
		{"no room at all", []string{"200 <html>"}, time.Millisecond, 0, "no state"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			requests := 0
			url, pem := answering(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				answer := test.answers[min(requests, len(test.answers)-1)]
				requests++
				mu.Unlock()
				if answer == gone {
					panic(http.ErrAbortHandler)
				}
				status, err := strconv.Atoi(answer[:3])
				if err != nil {
					panic(err)
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, answer[4:])
			})
			client, err := cleanroom.NewControl(url, pem, &cleanroom.ControlOptions{Poll: time.Microsecond, Patience: test.patience})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			err = client.Wait(t.Context(), roomApp)
			if (err == nil) != (test.say == "") || err != nil && !strings.Contains(err.Error(), test.say) {
				t.Errorf("%v, want %q", err, test.say)
			}
			mu.Lock()
			defer mu.Unlock()
			if test.requests != 0 && requests != test.requests {
				t.Errorf("%d requests, want %d", requests, test.requests)
			}
		})
	}
	if len(tests) != 9 {
		t.Errorf("%d cases", len(tests))
	}
}

// TestControlContext: a room that hangs costs the caller's time and no more.
func TestControlContext(t *testing.T) {
	arrived, ended := make(chan struct{}, 8), make(chan struct{})
	defer close(ended)
	url, pem := answering(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-ended
	})
	client, err := cleanroom.NewControl(url, pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	calls := map[string]func(context.Context) error{
		"start":     func(ctx context.Context) error { return client.Start(ctx, roomApp) },
		"logs":      client.ExportLogs,
		"telemetry": client.ExportTelemetry,
		"ready":     client.WaitReady,
		"wait":      func(ctx context.Context) error { return client.Wait(ctx, roomApp) },
		"status": func(ctx context.Context) error {
			_, err := client.Status(ctx, roomApp)
			return err
		},
	}
	for name, call := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestControlRefuses has what is wrong before anything is asked.
func TestControlRefuses(t *testing.T) {
	pem, cert := authority(t, []string{cleanroom.ControlName}, time.Now().Add(time.Hour))
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	const endpoint = "https://203.0.113.7:8200"
	for _, test := range []struct {
		endpoint  string
		authority []byte
		say       string
	}{
		{"http://203.0.113.7:8200", pem, "https"},
		{endpoint + "/gov", pem, "host and port"},
		{"", pem, "https"},
		{endpoint, nil, "ControlAuthority"},
		{endpoint, append(slices.Clone(pem), pem...), "one certificate"},
		{endpoint, testpki.PEM(leaf), "not one of an authority"},
		{endpoint, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "authority"},
	} {
		if _, err := cleanroom.NewControl(test.endpoint, test.authority, nil); err == nil || !strings.Contains(err.Error(), test.say) {
			t.Errorf("%s: %v, want %q", test.endpoint, err, test.say)
		}
	}
	client, err := cleanroom.NewControl(endpoint, pem, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, strings.Repeat("a", 300)} {
		if err := client.Start(t.Context(), name); err == nil || !strings.Contains(err.Error(), "no name of an application") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := cleanroom.ControlAuthority(t.Context(), nil, roomContract); err == nil || !strings.Contains(err.Error(), "no client") {
		t.Error(err)
	}
}
