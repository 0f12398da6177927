package skr

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The fuzzed answers of the sidecars. None may panic, and nothing that they
// are read as may be half of something.

func addAnswers(f *testing.F, more ...string) {
	for _, s := range append(more, "", "null", "[]", "{}", `{"error":{}}`, `{"error":"x"}{"token":""}`, `{"error":""}`, `{"error":null}`, `{"a":1}{"b":2}{"c":3}{"d":4}{"e":5}`,
		`{"error":"releasing the key K failed: pulling AKV response body failed: {\"error\":{\"code\":\"Forbidden\",\"message\":\"m\",\"innererror\":{\"code\":\"AccessDenied\"}}}: http response status equal to 403 Forbidden"}`,
		`{"error":"http response status equal to 999 x"}`, `{"title":"t","errors":{"a":["b"],"c":[]}}`, `{"code":"c","message":"AADSTS70021: x"}`) {
		f.Add([]byte(s))
	}
}

func FuzzSidecarError(f *testing.F) {
	addAnswers(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e := readSidecarError("x", 403, body)
		if s := e.Error(); len(s) > 8000 || strings.ContainsAny(s, "\n\r\x1b") {
			t.Errorf("%q", s)
		}
		if e.ServiceStatus < 0 || e.ServiceStatus > 999 || len(e.codes) > 8 {
			t.Errorf("%+v", e)
		}
		_ = explainFederation(e.federation(), "client", assertionClaims{})
		_ = e.service().Error()
	})
}

func FuzzSidecarReport(f *testing.F) {
	report := make([]byte, reportSize)
	data := reportDataFor([]byte("{}"))
	copy(report[reportDataOffset:], data[:])
	combined, err := json.Marshal(map[string]any{"evidence": report, "endorsements": []byte("x"), "uvm_endorsements": "0oQ=\n", "endorsed_tcb": "00"})
	if err != nil {
		f.Fatal(err)
	}
	addAnswers(f, `{"report":"`+hex.EncodeToString(report)+`"}`, string(combined), `{"evidence":"AA==","endorsements":""}`)
	c := &sidecarClient{name: "sidecar"}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := c.object(body)
		if err != nil {
			return
		}
		if ev, err := readCombined(o); err == nil {
			if len(ev.Report) == 0 || len(ev.Certificates) == 0 {
				t.Error("half the evidence")
			}
			if checkReport(ev.Report, []byte("{}")) == nil && string(ev.Report[80:112]) != string(data[:32]) {
				t.Error("another report")
			}
		}
		if text, err := textMember(o, "report"); err == nil {
			if b, err := hex.DecodeString(text); err == nil {
				_ = checkReport(b, nil)
			}
		}
	})
}

func FuzzSidecarKey(f *testing.F) {
	w, err := worldKeys()
	if err != nil {
		f.Fatal(err)
	}
	good := w.jwk(nil)
	addAnswers(f, good, w.jwk(func(o object) { o["e"] = 65537 }), w.jwk(func(o object) { delete(o, "qi") }), w.jwk(func(o object) { o["p"], o["q"] = o["q"], o["p"] }), good[:len(good)-1], `{"kty":"RSA","n":1,"e":1,"d":1,"p":1,"q":1}`)
	if quoted, err := json.Marshal(good); err == nil {
		f.Add(quoted)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		key, err := parseSidecarKey(body)
		if (key == nil) != (err != nil) || err != nil && err != errSidecarKey {
			t.Fatal("half a key")
		}
		if key == nil {
			return
		}
		if err := key.Validate(); err != nil || !usableRSA(&key.PublicKey) {
			t.Error(err)
		}
		wrapped, err := WrapOAEP(&key.PublicKey, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		m := &releasedMaterial{kind: kindRSA, rsa: key}
		if plain, err := m.handle().Unwrap(t.Context(), wrapped); string(plain) != "secret" || err != nil {
			t.Errorf("%q, %v", plain, err)
		}
	})
}

func FuzzSidecarToken(f *testing.F) {
	addAnswers(f, `{"token":"t","expiresOn":"2026-06-22T10:00:00+00:00","refreshOn":null}`, `{"access_token":"t","expires_in":3599,"expires_on":1782122400}`, `{"access_token":"t","expires_in":"1","expires_on":"x"}`)
	c := &sidecarClient{name: "sidecar"}
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := c.object(body)
		if err != nil {
			return
		}
		token, err := readSidecarToken(o, now)
		if (err == nil) != (token.Token != "") {
			t.Error("half a token")
		}
		if err == nil && (!token.ExpiresOn.After(now) || !token.RefreshOn.Before(token.ExpiresOn)) {
			t.Errorf("ends %s, renewed %s", token.ExpiresOn, token.RefreshOn)
		}
	})
}

func FuzzSidecarSecret(f *testing.F) {
	addAnswers(f, `{"value":"cGxhaW4="}`, `{"value":"x"}`, `{"message":"Status OK"}`)
	c := &sidecarClient{name: "sidecar"}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := c.object(body)
		if (o == nil) != (err != nil) {
			t.Fatal("neither answer nor error")
		}
		for _, name := range []string{"value", "message", "key", "token"} {
			if s, err := textMember(o, name); (s == "") != (err != nil) {
				t.Error("half a text")
			}
		}
	})
}
