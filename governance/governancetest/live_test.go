package governancetest_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/governance/governancetest"
	"github.com/cleanroom-go/sdk/internal/emulator/ccf"
	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
)

// live is a network on a port of its own, and the variables that lead to it.
type live struct {
	variables map[string]string
	founder   *governance.Client
}

// startLive serves a new network. The wrapper may be nil.
func startLive(t *testing.T, wrap func(http.Handler) http.Handler) *live {
	t.Helper()
	machine, err := snpmachine.New()
	if err != nil {
		t.Fatal(err)
	}
	keys, founder := newFounder(t)
	data := map[string]any{"identifier": "founder", "tenantId": "before", "note": "kept"}
	service, err := ccf.New(ccf.Options{Genesis: []ccf.Member{{CertificatePEM: keys.CertificatePEM, Data: data}}, VerifyReport: machine.Verify})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := service.TLSCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler = service
	if wrap != nil {
		handler = wrap(service)
	}
	server := &http.Server{
		Handler: handler, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*certificate}, ClientAuth: tls.RequestClientCert},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ServeTLS(listener, "", "") // ends with Close
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})

	key, err := roomKey()
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	e, err := machine.Launch([]byte("policy")).Attest(t.Context(), publicText(t, key))
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := json.Marshal(map[string][]byte{"evidence": e.Report, "endorsements": e.Certificates, "uvm_endorsements": e.UVMEndorsements})
	if err != nil {
		t.Fatal(err)
	}
	l := &live{variables: map[string]string{governancetest.EndpointVariable: "https://" + listener.Addr().String()}}
	dir := t.TempDir()
	for variable, content := range map[string][]byte{
		governancetest.ServiceCertificateVariable: service.ServiceCertificate(),
		governancetest.MemberCertificateVariable:  keys.CertificatePEM,
		governancetest.MemberKeyVariable:          keys.PrivateKeyPEM(),
		governancetest.RoomKeyVariable:            pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		governancetest.RoomEvidenceVariable:       evidence,
	} {
		l.variables[variable] = write(t, dir, variable, content)
	}
	l.founder, err = governance.NewClient(l.variables[governancetest.EndpointVariable], founder, &governance.ClientOptions{ServiceCertificate: service.ServiceCertificate()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.founder.Close)
	return l
}

func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// suite runs TestLive in a process that has the variables and nothing else to
// go by.
func (l *live) suite(t *testing.T, without ...string) (output string, passed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestLive$", "-test.v")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CGS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	for name, value := range l.variables {
		if !slices.Contains(without, name) {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), err == nil
}

// steps counts the steps of the suite that have the outcome, PASS or FAIL.
func steps(output, outcome string) int {
	return strings.Count(output, "\n    --- "+outcome+": TestLive/")
}

// TestLive runs the suite against the service that the environment names. Where
// it names none, it starts one, and runs itself again in a process whose
// environment does.
func TestLive(t *testing.T) {
	env, ok, err := governancetest.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		governancetest.Run(t, env)
		return
	}
	l := startLive(t, nil)
	out, passed := l.suite(t)
	if !passed || steps(out, "PASS") != 12 || !strings.Contains(out, "66 refusals of 26 kinds") {
		t.Fatalf("with a room: %s", out)
	}
	// The same service once more, and without a room.
	out, passed = l.suite(t, governancetest.RoomKeyVariable, governancetest.RoomEvidenceVariable)
	if !passed || steps(out, "PASS") != 12 || !strings.Contains(out, "what a room does is left out") {
		t.Fatalf("without a room: %s", out)
	}
	l.usable(t)
}

// usable wants the founder to be alone, to be who it was, and able to decide.
func (l *live) usable(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	list, err := l.founder.Members(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Status != governance.MemberActive || list[0].Data.TenantID != "before" || string(list[0].Data.Extra["note"]) != `"kept"` {
		t.Errorf("members after the suite: %+v", list)
	}
	k := l.founder.Contract("afterwards")
	version, err := k.Create(ctx, "terms")
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Propose(ctx, version)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = k.Vote(ctx, p.ID, true); err != nil || p.State != governance.ProposalAccepted {
		t.Errorf("a contract of the founder alone: %+v, %v", p, err)
	}
}

// rewriting changes a text in the answers to calls that match.
func rewriting(method, path, from, to string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			body := recorded.Body.Bytes()
			if r.Method == method && strings.Contains(r.URL.Path, path) {
				body = bytes.ReplaceAll(body, []byte(from), []byte(to))
			}
			maps.Copy(w.Header(), recorded.Header())
			w.Header().Del("Content-Length")
			w.WriteHeader(recorded.Code)
			_, _ = w.Write(body)
		})
	}
}

// TestSuiteFailsABrokenService has services that deviate in one thing. The suite
// must fail at the step that relies on it, and leave the service in order all
// the same.
func TestSuiteFailsABrokenService(t *testing.T) {
	tests := []struct {
		name, step, says string
		wrap             func(http.Handler) http.Handler
	}{
		{"another code for a second vote", "proposals", "want the refusal VoteAlreadyExists", rewriting(http.MethodPost, ":submit", "VoteAlreadyExists", "AlreadyVoted")},
		{"another text of a draft", "contracts", "text of a draft", rewriting(http.MethodPost, "-contract", "datasinks", "datasources")},
		{"consent that is never withdrawn", "options", "execution: ", rewriting(http.MethodPost, "/runtimeoptions/execution/status", `"disabled"`, `"enabled"`)},
		{"the secret id of an earlier release", "secrets", "is it of release 8.0.0?", rewriting(http.MethodPut, "/secrets/dbconfig", "_dbconfig", ":dbconfig")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := startLive(t, test.wrap)
			out, passed := l.suite(t)
			if passed || steps(out, "FAIL") != 1 || !strings.Contains(out, "--- FAIL: TestLive/"+test.step) || !strings.Contains(out, test.says) || !strings.Contains(out, "--- PASS: TestLive/leave") {
				t.Errorf("the suite says %s", out)
			}
			list, err := l.founder.Members(t.Context())
			if err != nil || len(list) != 1 || list[0].Data.TenantID != "before" {
				t.Errorf("members after the suite: %+v, %v", list, err)
			}
		})
	}
}

func TestFromEnvironment(t *testing.T) {
	l := startLive(t, nil)
	dir := t.TempDir()
	other, _ := newFounder(t)
	garbage := write(t, dir, "garbage", []byte("CANARY-7d1e"))
	noEvidence := write(t, dir, "empty.json", []byte("{}"))
	noPrivate := write(t, dir, "certificate", other.CertificatePEM)
	foreignKey := write(t, dir, "key", other.PrivateKeyPEM())
	block, _ := pem.Decode(other.PrivateKeyPEM())
	ec, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	ecKey := write(t, dir, "eckey", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	missing := filepath.Join(dir, "missing")
	const name = "governancetest: "
	tests := []struct{ variable, value, says string }{
		{governancetest.ServiceCertificateVariable, "", "CGS_ENDPOINT is set, but not CGS_SERVICE_CERT"},
		{governancetest.MemberKeyVariable, "", "CGS_ENDPOINT is set, but not CGS_MEMBER_KEY"},
		{governancetest.RoomKeyVariable, "", "CGS_ROOM_KEY and CGS_ROOM_EVIDENCE together"},
		{governancetest.RoomEvidenceVariable, "", "CGS_ROOM_KEY and CGS_ROOM_EVIDENCE together"},
		{governancetest.ServiceCertificateVariable, missing, "CGS_SERVICE_CERT: "},
		{governancetest.MemberCertificateVariable, missing, "genesis member: "},
		{governancetest.MemberKeyVariable, foreignKey, "does not belong to the certificate"},
		{governancetest.RoomKeyVariable, missing, "CGS_ROOM_KEY: "},
		{governancetest.RoomKeyVariable, garbage, "holds no PEM"},
		{governancetest.RoomKeyVariable, noPrivate, "holds no private key"},
		{governancetest.RoomKeyVariable, ecKey, "not an RSA key"},
		{governancetest.RoomEvidenceVariable, missing, "CGS_ROOM_EVIDENCE: "},
		{governancetest.RoomEvidenceVariable, garbage, "CGS_ROOM_EVIDENCE: "},
		{governancetest.RoomEvidenceVariable, noEvidence, "no evidence or no endorsements"},
	}
	for n, v := range l.variables {
		t.Setenv(n, v)
	}
	env, ok, err := governancetest.FromEnvironment()
	if err != nil || !ok || env.RoomKey == nil || env.RoomEvidence == nil || env.Founder.ID() != l.founder.Member().ID() {
		t.Errorf("%+v, %t, %v", env, ok, err)
	}
	for _, test := range tests {
		t.Setenv(test.variable, test.value)
		_, ok, err := governancetest.FromEnvironment()
		if ok || err == nil || !strings.HasPrefix(err.Error(), name) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s=%s: %t, %v", test.variable, test.value, ok, err)
		}
		t.Setenv(test.variable, l.variables[test.variable])
	}
	if len(tests) != 14 {
		t.Errorf("%d cases", len(tests))
	}
	t.Setenv(governancetest.EndpointVariable, "")
	if _, ok, err := governancetest.FromEnvironment(); ok || err != nil {
		t.Errorf("without an endpoint: %t, %v", ok, err)
	}
}
