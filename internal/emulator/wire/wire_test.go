package wire

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDecode64(t *testing.T) {
	for _, s := range []string{"--__", "++//", "-+_/"} {
		if b, err := Decode64(s); err != nil || string(b) != "\xfb\xef\xff" {
			t.Errorf("%s: %x %v", s, b, err)
		}
	}
	for _, s := range []string{"YQ", "YQ=="} {
		if b, err := Decode64(s); err != nil || string(b) != "a" {
			t.Errorf("%s: %q %v", s, b, err)
		}
	}
	for _, s := range []string{"Y", "Y Q", "=YQ", "%"} {
		if _, err := Decode64(s); err == nil {
			t.Errorf("%q was decoded", s)
		}
	}
}

func TestReadJSONIsBounded(t *testing.T) {
	var v any
	if err := ReadJSON(strings.NewReader(`"`+strings.Repeat("x", MaxBody-2)+`"`), &v); err != nil {
		t.Error(err)
	}
	if err := ReadJSON(strings.NewReader(`"`+strings.Repeat("x", MaxBody-1)+`"`), &v); err == nil {
		t.Error("a longer body was read")
	}
	for _, text := range []string{"", "{", "{}{}", "{} x"} {
		if err := ReadJSON(strings.NewReader(text), &v); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestFail(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{Errorf(404, "KeyNotFound", "no %s", "k"), 404, `{"error":{"code":"KeyNotFound","message":"no k"}}`},
		{&Error{Status: 403, Code: "Forbidden", Inner: "ForbiddenByRbac", Message: "m"}, 403, `{"error":{"code":"Forbidden","message":"m","innererror":{"code":"ForbiddenByRbac"}}}`},
		{errors.New("broken"), 500, `{"error":{"code":"InternalServerError","message":"broken"}}`},
	} {
		w := httptest.NewRecorder()
		Fail(w, c.err)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
	}
}

func TestHost(t *testing.T) {
	for given, want := range map[string]string{"KV.vault.azure.net": "kv.vault.azure.net", "kv:8443": "kv", "[::1]:80": "::1"} {
		if got := Host(&http.Request{Host: given}); got != want {
			t.Errorf("%s: %s", given, got)
		}
	}
}
