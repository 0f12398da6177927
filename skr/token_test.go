package skr

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/cleanroom-go/sdk/internal/transport"
)

func (w *world) maaClient(t testing.TB) *MAAClient {
	t.Helper()
	c, err := NewMAAClient(maaHost, &MAAClientOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func evidenceFor(t testing.TB, w *world) *Evidence {
	t.Helper()
	ev, err := w.guest().Attest(context.Background(), []byte(`{"keys":[],"n":9007199254740993}`))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

// failedIDs are the ids of a denial's failed checks, in order.
func failedIDs(err error) []string {
	var denied *DeniedError
	if !errors.As(err, &denied) {
		return nil
	}
	var ids []string
	for _, c := range denied.Checks {
		if !c.OK() {
			ids = append(ids, c.ID)
			if c.Remedy == "" {
				ids = append(ids, "without remedy")
			}
		}
	}
	return ids
}

func TestAttest(t *testing.T) {
	w := newWorld(t)
	c := w.maaClient(t)
	ev := evidenceFor(t, w)
	for range 3 {
		token, err := c.Attest(context.Background(), ev, "n-1")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.Verify(context.Background(), token.Raw(), "n-1"); err != nil || again.Raw() != token.Raw() {
			t.Errorf("verify: %v", err)
		}
	}
	if n := w.count("GET " + maaHost + "/certs"); n != 1 {
		t.Errorf("the key set was fetched %d times, want once", n)
	}
}

// Each case changes one thing of a good token, which is then signed properly.
func TestTokenRefusals(t *testing.T) {
	hour := int64(time.Hour / time.Second)
	cases := map[string]struct {
		edit func(header, claims object)
		want string
	}{
		"alg none":           {func(h, _ object) { h["alg"] = "none" }, "token.alg"},
		"alg HS256":          {func(h, _ object) { h["alg"] = "HS256" }, "token.alg"},
		"alg PS256":          {func(h, _ object) { h["alg"] = "PS256" }, "token.alg"},
		"jku elsewhere":      {func(h, _ object) { h["jku"] = "https://" + evilHost + "/certs" }, "token.jku"},
		"jku missing":        {func(h, _ object) { delete(h, "jku") }, "token.jku"},
		"kid unknown":        {func(h, _ object) { h["kid"] = "maa-2" }, "token.kid"},
		"kid missing":        {func(h, _ object) { delete(h, "kid") }, "token.kid"},
		"issuer":             {func(_, c object) { c["iss"] = "https://other.attest.azure.net" }, "token.issuer"},
		"issuer slash":       {func(_, c object) { c["iss"] = "https://" + maaHost + "/" }, "token.issuer"},
		"expired":            {func(_, c object) { c["exp"] = time.Now().Unix() - hour }, "token.expiry"},
		"no expiry":          {func(_, c object) { delete(c, "exp") }, "token.expiry"},
		"expiry as text":     {func(_, c object) { c["exp"] = "4102444800" }, "token.expiry"},
		"not yet":            {func(_, c object) { c["nbf"] = time.Now().Unix() + hour }, "token.not-before"},
		"nonce":              {func(_, c object) { c["nonce"] = "n-2" }, "token.nonce"},
		"nonce missing":      {func(_, c object) { delete(c, "nonce") }, "token.nonce"},
		"type":               {func(_, c object) { c[claimType] = "sgx" }, "token.type"},
		"debuggable":         {func(_, c object) { c[claimDebuggable] = true }, "token.debuggable"},
		"debuggable missing": {func(_, c object) { delete(c, claimDebuggable) }, "token.debuggable"},
		"report data":        {func(_, c object) { c[claimReportData] = strings.Repeat("0", 128) }, "token.report-data"},
		"report data tail": {func(_, c object) {
			c[claimReportData] = c[claimReportData].(string)[:64] + hex.EncodeToString([]byte{31: 1})
		}, "token.report-data"},
		"runtime":         {func(_, c object) { c[claimRuntime] = object{"keys": []any{"mine"}} }, "token.runtime"},
		"runtime extra":   {func(_, c object) { c[claimRuntime].(object)["x"] = 1 }, "token.runtime"},
		"runtime missing": {func(_, c object) { delete(c, claimRuntime) }, "token.runtime"},
	}
	w := newWorld(t)
	c := w.maaClient(t)
	ev := evidenceFor(t, w)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w.editToken = tc.edit
			_, err := c.Attest(context.Background(), ev, "n-1")
			if ids := failedIDs(err); len(ids) != 1 || ids[0] != tc.want {
				t.Errorf("failed checks %v, want %s alone: %v", ids, tc.want, err)
			}
		})
	}
	if len(cases) != 23 {
		t.Errorf("%d cases, want 23", len(cases))
	}
}

func TestTokenBitsCount(t *testing.T) {
	w := newWorld(t)
	c := w.maaClient(t)
	token, err := c.Attest(context.Background(), evidenceFor(t, w), "")
	if err != nil {
		t.Fatal(err)
	}
	raw := token.Raw()
	for _, i := range []int{0, len(raw) / 3, len(raw) / 2, len(raw) - 40} {
		changed := []byte(raw)
		changed[i] ^= 1
		if _, err := c.Verify(context.Background(), string(changed), ""); err == nil {
			t.Errorf("byte %d changed, still accepted", i)
		}
	}
	for _, bad := range []string{"", "a", raw + ".x", raw[:strings.LastIndex(raw, ".")], " " + raw, strings.Repeat("a", maxTokenBytes+1)} {
		if _, err := c.Verify(context.Background(), bad, ""); failedIDs(err) == nil {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestTokenKeyRotation(t *testing.T) {
	w := newWorld(t)
	c := w.maaClient(t)
	ev := evidenceFor(t, w)
	if _, err := c.Attest(context.Background(), ev, ""); err != nil {
		t.Fatal(err)
	}
	w.editToken = func(h, _ object) { h["kid"] = "maa-2" }
	for range 2 {
		if _, err := c.Attest(context.Background(), ev, ""); err == nil {
			t.Fatal("an unknown key was accepted")
		}
	}
	if n := w.count("GET " + maaHost + "/certs"); n != 2 {
		t.Errorf("the key set was fetched %d times; want once, and once for the unknown kid", n)
	}
}

func TestAttestFailures(t *testing.T) {
	w := newWorld(t)
	c := w.maaClient(t)
	good := evidenceFor(t, w)
	for name, edit := range map[string]func(*Evidence){
		"short report":    func(e *Evidence) { e.Report = e.Report[:1183] },
		"no certificates": func(e *Evidence) { e.Certificates = nil },
		"runtime no JSON": func(e *Evidence) { e.RuntimeData = []byte("[]") },
		"other runtime":   func(e *Evidence) { e.RuntimeData = []byte("{}") },
	} {
		bad := *good
		edit(&bad)
		if _, err := c.Attest(context.Background(), &bad, ""); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := c.Attest(context.Background(), nil, ""); err == nil {
		t.Error("no evidence was accepted")
	}
	if n := len(w.requests); n != 0 {
		t.Errorf("%d requests were made with evidence that cannot work", n)
	}

	w.intercept = func(rw http.ResponseWriter, _ *http.Request) bool {
		refuse(rw, 400, "InvalidParameter", "", "certificate chain is bad")
		return true
	}
	_, err := c.Attest(context.Background(), good, "")
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) || resp.StatusCode != 400 || !strings.Contains(err.Error(), "certificate chain is bad") {
		t.Errorf("service error: %v", err)
	}
	w.intercept = func(rw http.ResponseWriter, _ *http.Request) bool {
		reply(rw, 200, object{"token": ""})
		return true
	}
	if _, err := c.Attest(context.Background(), good, ""); err == nil {
		t.Error("an empty token was accepted")
	}
	w.intercept = func(rw http.ResponseWriter, _ *http.Request) bool {
		reply(rw, 200, object{"token": strings.Repeat("a", maxResponse)})
		return true
	}
	if _, err := c.Attest(context.Background(), good, ""); !errors.As(err, new(*transport.TooLongError)) {
		t.Errorf("huge answer: %v", err)
	}
}

func TestKeySetRefusals(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "x", "empty": `{"keys":[]}`, "null": `null`,
		"no certificate":  `{"keys":[{"kid":"a","kty":"RSA"}]}`,
		"bad certificate": `{"keys":[{"kid":"a","kty":"RSA","x5c":["AAAA"]}]}`,
		"too many":        `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{},`, maxKeySetKeys+1), ",") + `]}`,
	} {
		if set, err := parseKeySet([]byte(text)); err == nil {
			t.Errorf("%s gave %v", name, set)
		}
	}
}
