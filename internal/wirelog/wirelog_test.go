package wirelog

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestShape(t *testing.T) {
	for _, v := range []struct{ in, want string }{
		{`{"value":"c2VjcmV0","n":1,"ok":true,"none":null}`, `{"value":string(8),"n":number,"ok":bool,"none":null}`},
		{`{"keys":[{"kid":"a"},{"kid":"b"}]}`, `{"keys":[{"kid":string(1)} x 2]}`},
		{`[]`, `[]`},
		{`"x"`, `string(1)`},
		{`{"` + strings.Repeat("n", 65) + `":1}`, `{name(65):number}`},
		{`{"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}`, `{"a":{"b":{"c":{"d":{"e":{"f":...}}}}}}`},
		{`{"a"`, `(not json, 4 bytes)`},
	} {
		if got := Shape([]byte(v.in)); got != v.want {
			t.Errorf("Shape(%s) = %s, want %s", v.in, got, v.want)
		}
	}
}

func FuzzShape(f *testing.F) {
	f.Add([]byte(`{"a":["secretsecret",1]}`))
	f.Add([]byte(`[{"k":"another secret","l":{"m":"another secret"}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		shape := Shape(b)
		var v any
		if json.Unmarshal(b, &v) != nil {
			return
		}
		names, values := texts(v)
		for _, value := range values {
			// A short value may be part of what a shape is written with.
			if len(value) >= 12 && !strings.Contains(names, value) && strings.Contains(shape, value) {
				t.Errorf("%s shows %q", shape, value)
			}
		}
	})
}

// texts collects the names and the text values of a JSON tree.
func texts(v any) (names string, values []string) {
	var more []any
	switch v := v.(type) {
	case string:
		return "", []string{v}
	case []any:
		more = v
	case map[string]any:
		for name, value := range v {
			names += name + "\n"
			more = append(more, value)
		}
	}
	for _, value := range more {
		n, list := texts(value)
		names, values = names+n, append(values, list...)
	}
	return names, values
}

// A secret in a body, a header or the query of either side shows nowhere, and
// both sides still get every byte.
func TestNothingSecretIsShown(t *testing.T) {
	const canary = "canary-7d1f"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(b), canary) {
			t.Errorf("request body %q, %v", b, err)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"value":"`+canary+`"}`)
	}))
	defer srv.Close()
	var seen []Exchange
	log := New(func(e Exchange) { seen = append(seen, e) })
	client := &http.Client{Transport: log.Wrap(http.DefaultTransport)}
	for range 2 {
		req, err := http.NewRequest("POST", srv.URL+"/secrets/x?api-version=7.4&token="+canary, strings.NewReader(`{"password":"`+canary+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+canary)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || string(b) != `{"value":"`+canary+`"}` {
			t.Errorf("response body %q, %v", b, err)
		}
		_ = resp.Body.Close()
	}
	if len(seen) != 2 || log.Count() != 2 {
		t.Fatalf("saw %d exchanges", len(seen))
	}
	for i, e := range seen {
		if s := e.String(); strings.Contains(s, canary) {
			t.Errorf("shown: %s", s)
		} else if !strings.Contains(s, `POST`) || !strings.Contains(s, `/secrets/x?api-version=7.4&token=... {"password":string(11)} -> 200 {"value":string(11)}`) {
			t.Errorf("exchange %d: %s", i, s)
		}
	}
	if n := log.Connections()[strings.TrimPrefix(srv.URL, "http://")]; n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
