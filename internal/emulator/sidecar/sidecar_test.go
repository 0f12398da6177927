package sidecar_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// TestRefusals speaks to the sidecar as a program without this module would.
func TestRefusals(t *testing.T) {
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Close() })
	ca, err := testpki.New("member")
	if err != nil {
		t.Fatal(err)
	}
	if err := env.StartLedger(cleanroomtest.GenesisMember{CertificatePEM: ca.RootPEM(), Identifier: "member"}); err != nil {
		t.Fatal(err)
	}
	s, err := env.Launch([]byte("policy")).GovernanceSidecar("k")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	tests := []struct {
		method, path, body string
		status             int
		says               string
	}{
		// The service keeps its status and code: it is not open yet.
		{"POST", "/secrets/name", "", 404, `"code":"FrontendNotOpen"`},
		{"PUT", "/secrets/name", `{"value":"v"}`, 404, `"code":"FrontendNotOpen"`},
		{"POST", "/consentcheck/execution", "", 404, `"code":"FrontendNotOpen"`},
		{"POST", "/oauth/token?sub=s&tenantId=t&aud=a", "", 404, `"code":"FrontendNotOpen"`},
		{"PUT", "/events", `{"a":1}`, 404, `"code":"FrontendNotOpen"`},
		{"POST", "/memberdocuments/name", "", 404, `"code":"FrontendNotOpen"`},
		{"POST", "/userdocuments/name", "", 404, `"code":"FrontendNotOpen"`},
		{"POST", "/userdocuments/name/consentcheck/execution", "", 404, `"code":"FrontendNotOpen"`},
		{"POST", "/ca/generateEndorsedCert", "{}", 404, `"code":"FrontendNotOpen"`},
		{"POST", "/signing/sign", "{}", 404, `"code":"FrontendNotOpen"`},
		{"POST", "/cleanroompolicy/delegates/events/writer", `{"type":"add","claims":{"x-ms-sevsnpvm-vmpl":0}}`, 404, `"code":"FrontendNotOpen"`},
		// The sidecar's own.
		{"POST", "/ca/generateEndorsedCert", "", 400, `"code":"InvalidInput"`},
		{"POST", "/signing/sign", "[]", 400, `"code":"InvalidInput"`},
		{"POST", "/cleanroompolicy/delegates/events/writer", `{"claims":1}`, 400, `"code":"InvalidInput"`},
		{"POST", "/oauth/token?sub=s&aud=a", "", 400, `"code":"InvalidInput"`},
		{"PUT", "/events", "", 400, `"code":"InvalidInput"`},
		{"PUT", "/events", "[1]", 400, `"code":"InvalidInput"`},
		{"PUT", "/events", "{", 400, `"code":"InvalidInput"`},
		{"PUT", "/events", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, 400, `"code":"InvalidInput"`},
		{"PUT", "/secrets/name", "", 400, `"code":"ValueMissing"`},
		{"PUT", "/secrets/name", `{"value":""}`, 400, `"code":"ValueMissing"`},
		{"PUT", "/secrets/name", `{"value":"` + strings.Repeat("x", 25601) + `"}`, 400, `"code":"ValueTooLarge"`},
		{"PUT", "/secrets/name", `{"value":"` + strings.Repeat("x", 1<<20) + `"}`, 400, `"code":"ValueMissing"`},
		// An exception in it.
		{"POST", "/secrets/a%20b", "", 500, `Exception"`},
		{"GET", "/secrets/name", "", 405, ""},
		{"POST", "/secrets", "", 404, ""},
		{"POST", "/documents/name", "", 404, ""},
	}
	for _, test := range tests {
		req, err := http.NewRequestWithContext(t.Context(), test.method, s.URL+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || !strings.Contains(string(body), test.says) {
			t.Errorf("%s %s: %d %s, %v", test.method, test.path, resp.StatusCode, body, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if len(tests) != 27 {
		t.Errorf("%d cases", len(tests))
	}
}
