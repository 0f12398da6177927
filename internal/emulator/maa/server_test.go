package maa

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
	"github.com/cleanroom-go/sdk/skr"
)

const (
	host        = "sharedneu.neu.attest.azure.net"
	runtimeData = `{"keys":[{"e":"AQAB","key_ops":["encrypt"],"kid":"k","kty":"RSA","n":"AQAB"}]}`
)

// machines are made once: their RSA keys are most of the test's time. The
// second is one that the instance does not trust.
var machines = sync.OnceValues(func() ([2]*snpmachine.Machine, error) {
	a, errA := snpmachine.New()
	b, errB := snpmachine.New()
	return [2]*snpmachine.Machine{a, b}, errors.Join(errA, errB)
})

type fixture struct {
	network         *wiretest.Network
	machine, forger *snpmachine.Machine
	server          *Server
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	m, err := machines()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{network: wiretest.New(t, host), machine: m[0], forger: m[1]}
	if f.server, err = New(Options{Host: host, VerifyReport: f.machine.Verify}); err != nil {
		t.Fatal(err)
	}
	f.network.Handle(host, f.server)
	return f
}

func evidence(t *testing.T, g *snpmachine.Guest, data string) *skr.Evidence {
	t.Helper()
	ev, err := g.Attest(context.Background(), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

// body nests evidence as the reference client does, in the given encoding.
func body(ev *skr.Evidence, enc *base64.Encoding, nonce any) map[string]any {
	report := map[string]string{"SnpReport": enc.EncodeToString(ev.Report), "VcekCertChain": enc.EncodeToString(ev.Certificates)}
	if ev.UVMEndorsements != nil {
		report["Endorsements"] = enc.EncodeToString([]byte(fmt.Sprintf(`{"Uvm":[%q]}`, enc.EncodeToString(ev.UVMEndorsements))))
	}
	inner, _ := json.Marshal(report)
	b := map[string]any{
		"report":       enc.EncodeToString(inner),
		"runtimeData":  map[string]string{"data": enc.EncodeToString(ev.RuntimeData), "dataType": "JSON"},
		"initTimeData": map[string]string{"data": "", "dataType": ""},
	}
	if nonce != nil {
		b["nonce"] = nonce
	}
	return b
}

// post sends a body to the path with a query and returns status and answer.
func (f *fixture) post(t *testing.T, path string, body any) (*http.Response, []byte) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.network.Client.Post("https://"+host+path, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := wire.ReadBounded(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, answer
}

const current = "/attest/SevSnpVm?api-version=2022-08-01"

// token attests and verifies the answer's signature by discovery, as a vault
// does.
func (f *fixture) token(t *testing.T, path string, body any) *wire.Token {
	t.Helper()
	res, answer := f.post(t, path, body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, answer)
	}
	var out struct{ Token string }
	if err := wire.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	token, err := wire.ParseToken(out.Token, jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := wire.Discover(context.Background(), f.network.Client, "https://"+host)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Verify(keys); err != nil {
		t.Fatal(err)
	}
	if err := token.CheckTimes(time.Now()); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAttest(t *testing.T) {
	f := newFixture(t)
	g := f.machine.Launch([]byte("policy"))
	ev := evidence(t, g, runtimeData)
	hostData, digest := g.HostData(), sha256.Sum256([]byte(runtimeData))
	want := map[string]any{
		"iss":                         "https://" + host,
		"x-ms-ver":                    "1.0",
		"x-ms-attestation-type":       "sevsnpvm",
		"x-ms-compliance-status":      "azure-compliant-uvm",
		"x-ms-sevsnpvm-hostdata":      hex.EncodeToString(hostData[:]),
		"x-ms-sevsnpvm-reportdata":    hex.EncodeToString(digest[:]) + strings.Repeat("0", 64),
		"x-ms-sevsnpvm-is-debuggable": false,
		"x-ms-sevsnpvm-smt-allowed":   true,
		"x-ms-sevsnpvm-vmpl":          json.Number("0"),
		"x-ms-sevsnpvm-snpfw-svn":     json.Number("24"),
		"x-ms-sevsnpvm-microcode-svn": json.Number("219"),
		"nonce":                       "n",
	}
	for _, path := range []string{
		"/attest/SevSnpVM?api-version=2020-10-01", current, "/ATTEST/sevsnpvm?api-version=2025-06-01",
	} {
		for _, enc := range []*base64.Encoding{base64.URLEncoding, base64.RawURLEncoding} {
			token := f.token(t, path, body(ev, enc, "n"))
			for claim, v := range want {
				if token.Claims[claim] != v {
					t.Errorf("%s: %s is %v, want %v", path, claim, token.Claims[claim], v)
				}
			}
			var runtime any
			if err := wire.Unmarshal([]byte(runtimeData), &runtime); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(token.Claims["x-ms-runtime"]) != fmt.Sprint(runtime) {
				t.Errorf("runtime %v", token.Claims["x-ms-runtime"])
			}
		}
	}
}

// A nonce may be a number that neither a float nor an int64 holds.
func TestNonce(t *testing.T) {
	f := newFixture(t)
	ev := evidence(t, f.machine.Launch(nil), runtimeData)
	for _, c := range []struct {
		nonce any
		want  any
	}{
		{json.RawMessage("18446744073709551615"), "18446744073709551615"},
		{"abc", "abc"}, {nil, nil}, {json.RawMessage("null"), nil},
	} {
		if got := f.token(t, current, body(ev, base64.URLEncoding, c.nonce)).Claims["nonce"]; got != c.want {
			t.Errorf("nonce %v comes back as %v, want %v", c.nonce, got, c.want)
		}
	}
}

// A guest that falls short is attested, but not called compliant.
func TestComplianceStatus(t *testing.T) {
	f := newFixture(t)
	without := *evidence(t, f.machine.Launch(nil), runtimeData)
	foreign := without
	without.UVMEndorsements = nil
	foreign.UVMEndorsements = evidence(t, f.forger.Launch(nil), runtimeData).UVMEndorsements
	for name, ev := range map[string]*skr.Evidence{
		"no endorsement":      &without,
		"foreign endorsement": &foreign,
		"debuggable":          evidence(t, f.machine.LaunchDebuggable(nil), runtimeData),
	} {
		claims := f.token(t, current, body(ev, base64.URLEncoding, nil)).Claims
		if status, present := claims["x-ms-compliance-status"]; present {
			t.Errorf("%s: compliance status %v", name, status)
		}
		if claims["x-ms-sevsnpvm-is-debuggable"] != (name == "debuggable") {
			t.Errorf("%s: debuggable %v", name, claims["x-ms-sevsnpvm-is-debuggable"])
		}
	}
}

func TestBinaryRuntimeDataIsOpaque(t *testing.T) {
	f := newFixture(t)
	b := body(evidence(t, f.machine.Launch(nil), runtimeData), base64.URLEncoding, nil)
	b["runtimeData"].(map[string]string)["dataType"] = "Binary"
	claims := f.token(t, current, b).Claims
	if claims["x-ms-runtime"] != nil || claims["maa-ehd"] != wire.Encode64([]byte(runtimeData)) {
		t.Errorf("claims %v", claims)
	}
}

func TestRefusals(t *testing.T) {
	f := newFixture(t)
	good := evidence(t, f.machine.Launch(nil), runtimeData)
	with := func(change func(*skr.Evidence)) map[string]any {
		ev := *good
		ev.Report = bytes.Clone(ev.Report)
		change(&ev)
		return body(&ev, base64.URLEncoding, nil)
	}
	member := func(name string, v any) map[string]any {
		b := body(good, base64.URLEncoding, nil)
		b[name] = v
		return b
	}
	data := func(text, kind string) map[string]string {
		return map[string]string{"data": base64.URLEncoding.EncodeToString([]byte(text)), "dataType": kind}
	}
	cases := map[string]any{
		"flipped host data":      with(func(ev *skr.Evidence) { ev.Report[offHostData] ^= 1 }),
		"flipped debug bit":      with(func(ev *skr.Evidence) { ev.Report[offPolicy+2] ^= 8 }),
		"short report":           with(func(ev *skr.Evidence) { ev.Report = ev.Report[:100] }),
		"no certificates":        with(func(ev *skr.Evidence) { ev.Certificates = nil }),
		"another chain":          with(func(ev *skr.Evidence) { ev.Certificates = evidence(t, f.forger.Launch(nil), "{}").Certificates }),
		"another machine":        body(evidence(t, f.forger.Launch(nil), runtimeData), base64.URLEncoding, nil),
		"other runtime data":     with(func(ev *skr.Evidence) { ev.RuntimeData = []byte(`{"keys":[]}`) }),
		"runtime with a newline": with(func(ev *skr.Evidence) { ev.RuntimeData = []byte(runtimeData + "\n") }),
		"runtime not JSON":       body(evidence(t, f.machine.Launch(nil), "not JSON"), base64.URLEncoding, nil),
		"runtime an array":       body(evidence(t, f.machine.Launch(nil), "[]"), base64.URLEncoding, nil),
		"runtime of other type":  member("runtimeData", data(runtimeData, "XML")),
		"init time data":         member("initTimeData", data("{}", "JSON")),
		"draft policy":           member("draftPolicyForAttestation", "version=1.0;"),
		"nonce an object":        member("nonce", map[string]any{}),
		"report not base64":      member("report", "%%%"),
		"report not JSON":        member("report", "AAAA"),
		"lower-case members":     member("report", base64.URLEncoding.EncodeToString([]byte(`{"snpreport":"AAAA"}`))),
		"endorsements not JSON":  member("report", base64.URLEncoding.EncodeToString(fmt.Appendf(nil, `{"SnpReport":%q,"VcekCertChain":"AAAA","Endorsements":"AAAA"}`, wire.Encode64(good.Report)))),
		"no object":              "text",
	}
	for name, b := range cases {
		res, answer := f.post(t, "/attest/SevSnpVm?api-version=2025-06-01", b)
		var out struct{ Error wire.ErrorBody }
		if err := wire.Unmarshal(answer, &out); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusBadRequest || out.Error.Code != "InvalidParameter" || out.Error.Message == "" {
			t.Errorf("%s: %d %s", name, res.StatusCode, answer)
		}
		if got := res.Header.Get("x-ms-error-code"); got != "InvalidParameter" {
			t.Errorf("%s: x-ms-error-code %q", name, got)
		}
	}
	for _, version := range []string{"", "2021-01-01", "7.4"} {
		if res, answer := f.post(t, "/attest/SevSnpVm?api-version="+version, body(good, base64.URLEncoding, nil)); res.StatusCode != http.StatusBadRequest {
			t.Errorf("api-version %q: %d %s", version, res.StatusCode, answer)
		}
	}
	if res, _ := f.post(t, "/attest/SgxEnclave?api-version=2022-08-01", "{}"); res.StatusCode != http.StatusNotFound {
		t.Errorf("another kind of enclave: %d", res.StatusCode)
	}
}

// The product's client accepts this instance, so both read the protocol alike.
func TestProductClientAccepts(t *testing.T) {
	f := newFixture(t)
	opts := &skr.MAAClientOptions{}
	opts.Transport = f.network.Client
	c, err := skr.NewMAAClient("https://"+host, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Attest(context.Background(), evidence(t, f.machine.Launch(nil), runtimeData), "nonce"); err != nil {
		t.Error(err)
	}
}

func FuzzReadRequest(f *testing.F) {
	ev := &skr.Evidence{Report: make([]byte, reportSize), Certificates: []byte("PEM"), UVMEndorsements: []byte{0xd2, 0x84}, RuntimeData: []byte(runtimeData)}
	for _, nonce := range []any{nil, "text", json.RawMessage("18446744073709551615")} {
		b, _ := json.Marshal(body(ev, base64.URLEncoding, nonce))
		f.Add(b)
	}
	f.Add([]byte(`{"report":"e30"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := readRequest(bytes.NewReader(b))
		if err == nil && (len(q.report) != reportSize || len(q.certificates) == 0) {
			t.Errorf("a request without report or certificates was read")
		}
	})
}
