package amdcerts

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/emulator/snpmachine"
)

// What the product's sources never ask: each has the refusal of the service.
func TestRefusals(t *testing.T) {
	m, err := snpmachine.New()
	if err != nil {
		t.Fatal(err)
	}
	s := New(m)
	id := m.ChipID()
	chip := hex.EncodeToString(id[:])
	levels := "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
	good := map[string]string{
		"thim":       THIMPath,
		"vcek":       AMDPath + "/Milan/" + chip + "?" + levels,
		"cert_chain": AMDPath + "/Milan/cert_chain",
		"cache":      fmt.Sprintf("%s/%s/%x?api-version=2020-10-15-preview", AzureCachePath, chip, m.TCB()),
	}
	get := func(method, url string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, url, nil)
		r.Header.Set("Metadata", "true")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	want := map[string]int{}
	for service, url := range good {
		want[service] = 1
		if w := get(http.MethodGet, url); w.Code != http.StatusOK || w.Body.Len() < 500 {
			t.Errorf("%s: %d", service, w.Code)
		}
		if w := get(http.MethodPost, url); w.Code != http.StatusNotFound {
			t.Errorf("POST %s: %d", service, w.Code)
		}
	}
	if got := s.Requests(); !maps.Equal(got, want) {
		t.Errorf("requests %v", got)
	}
	for name, tc := range map[string]struct {
		url    string
		header []string
		want   int
	}{
		"no header":        {THIMPath, []string{"Metadata", ""}, 400},
		"forwarded":        {THIMPath, []string{"X-Forwarded-For", "10.0.0.1"}, 400},
		"other product":    {AMDPath + "/Genoa/" + chip + "?" + levels, nil, 404},
		"other chip":       {AMDPath + "/Milan/" + strings.Repeat("0", 128) + "?" + levels, nil, 404},
		"other level":      {AMDPath + "/Milan/" + chip + "?" + strings.Replace(levels, "219", "1", 1), nil, 404},
		"short chip":       {AMDPath + "/Milan/00?" + levels, nil, 400},
		"no level":         {AMDPath + "/Milan/" + chip, nil, 400},
		"level of 256":     {AMDPath + "/Milan/" + chip + "?" + strings.Replace(levels, "219", "256", 1), nil, 400},
		"surplus level":    {AMDPath + "/Milan/" + chip + "?" + levels + "&fmcSPL=1", nil, 400},
		"no version":       {strings.Split(good["cache"], "?")[0], nil, 400},
		"no TCB":           {AzureCachePath + "/" + chip + "?api-version=1", nil, 400},
		"leading zero":     {AzureCachePath + "/" + chip + "/0db18?api-version=1", nil, 400},
		"unknown TCB":      {AzureCachePath + "/" + chip + "/1?api-version=1", nil, 404},
		"elsewhere":        {"/", nil, 404},
		"another TEE":      {"/Sgx/certificates/" + chip + "/1?api-version=1", nil, 404},
		"no number of TCB": {AzureCachePath + "/" + chip + "/x?api-version=1", nil, 400},
	} {
		if w := get(http.MethodGet, tc.url, tc.header...); w.Code != tc.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tc.want)
		}
	}
	s.Fail(http.StatusTooManyRequests)
	if w := get(http.MethodGet, good["cache"]); w.Code != http.StatusTooManyRequests {
		t.Errorf("made to fail: %d", w.Code)
	}
	if HostDocument(m, 1) != nil {
		t.Error("a document for a TCB that never was")
	}
}
